#include "uplink/subscriptions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace penumbra {
namespace {

std::string_view Text(Subscriptions::Cause cause) {
  switch (cause) {
    case Subscriptions::Cause::kRefused:
      return "the cloud refuses the subscription of";
    case Subscriptions::Cause::kNoAnswer:
      return "the cloud does not answer the subscription of";
    case Subscriptions::Cause::kCloses:
      return "the cloud closes the connection over the subscription of";
    case Subscriptions::Cause::kPutOff:
      return "not tried yet, because others have cost the connection:";
  }
  return "";
}

}  // namespace

void Subscriptions::Begin(const std::vector<std::string>& wanted) {
  sent_.clear();
  waiting_.clear();
  const std::set<std::string> all(wanted.begin(), wanted.end());
  std::erase_if(aside_, [&all](const auto& entry) { return all.count(entry.first) == 0; });
  std::erase_if(suspected_, [&all](const std::string& filter) { return all.count(filter) == 0; });
  for (const std::string& filter : wanted) {
    // A trial may cost the connection, so it comes by itself once the session is up.
    if (aside_.count(filter) == 0) waiting_.push_back(filter);
  }
}

std::optional<std::string> Subscriptions::Next(std::uint64_t token, BootTime now) {
  if (waiting_.empty() || (!sent_.empty() && !suspected_.empty())) return std::nullopt;
  std::string filter = std::move(waiting_.front());
  waiting_.pop_front();
  if (const auto found = aside_.find(filter); found != aside_.end()) found->second.under_way = true;
  sent_[token] = {filter, now};
  return filter;
}

// True: it was not before.
bool Subscriptions::SetAside(const std::string& filter, Cause cause, BootTime now) {
  const auto [found, newly] = aside_.try_emplace(filter);
  Aside& aside = found->second;
  aside.cause = cause;
  aside.due = now + aside.pause;
  aside.pause = std::min(aside.pause * 2, kMaxProbe);
  aside.under_way = false;
  suspected_.erase(filter);
  return newly;
}

// Longer from failed trial to failed trial, until one is granted.
void Subscriptions::PauseProbes(bool failed, BootTime now) {
  no_probe_before_ = std::max(no_probe_before_, now + probe_pause_);
  if (failed) probe_pause_ = std::min(probe_pause_ * 2, kMaxProbe);
}

std::optional<Subscriptions::Answer> Subscriptions::Answered(std::uint64_t token, bool granted, BootTime now) {
  const auto found = sent_.find(token);
  if (found == sent_.end()) return std::nullopt;
  Answer answer{std::move(found->second.filter), false, false};
  sent_.erase(found);
  suspected_.erase(answer.filter);
  if (!granted) {
    answer.newly_refused = SetAside(answer.filter, Cause::kRefused, now);
    return answer;
  }
  const auto aside = aside_.find(answer.filter);
  if (aside == aside_.end()) return answer;
  answer.granted_at_last = true;
  probe_pause_ = kFirstPause;
  no_probe_before_ = now;
  const bool changed = aside->second.cause != Cause::kPutOff;
  aside_.erase(aside);
  // The policy has become another one: the others need not wait for their turn.
  for (auto& [filter, other] : aside_) other.due = changed ? std::min(other.due, now) : other.due;
  return answer;
}

std::string Subscriptions::NoAnswer(BootTime now) {
  std::string filters;
  bool tried = false;
  for (const auto& [token, sent] : std::exchange(sent_, {})) {
    filters += (filters.empty() ? "" : ", ") + sent.filter;
    tried |= !SetAside(sent.filter, Cause::kNoAnswer, now);
  }
  PauseProbes(tried, now);
  if (++closes_ >= kCloses) PutOff(now);
  return filters;
}

Subscriptions::Ended Subscriptions::SessionEnded(bool by_server, BootTime now) {
  Ended ended;
  const bool alone = sent_.size() == 1;
  for (const auto& [token, sent] : std::exchange(sent_, {})) {
    const auto probe = aside_.find(sent.filter);
    if (probe != aside_.end()) probe->second.under_way = false;
    if (!by_server || now - sent.at > kSuspicious) continue;
    ended.unanswered.push_back(sent.filter);
    const bool tried = probe != aside_.end();
    if (!tried && (suspected_.insert(sent.filter).second || !alone)) continue;
    SetAside(sent.filter, Cause::kCloses, now);
    PauseProbes(tried, now);
    if (!tried) ended.closers.push_back(sent.filter);
  }
  if (!ended.unanswered.empty() && ++closes_ >= kCloses) ended.put_off = PutOff(now);
  waiting_.clear();
  return ended;
}

// Everything of this session that has no answer yet; tried as soon as trials are allowed.
std::vector<std::string> Subscriptions::PutOff(BootTime now) {
  std::set<std::string> all = std::exchange(suspected_, {});
  all.insert(waiting_.begin(), waiting_.end());
  std::vector<std::string> put_off;
  for (const std::string& filter : all) {
    const auto [found, newly] = aside_.try_emplace(filter);
    if (!newly) continue;  // a trial that has not been sent
    found->second.cause = Cause::kPutOff;
    found->second.due = now;
    put_off.push_back(filter);
  }
  if (!put_off.empty()) PauseProbes(false, now);
  return put_off;
}

void Subscriptions::Stable() {
  closes_ = 0;
  suspected_.clear();
}

// A refusal by SUBACK costs nothing.
BootTime Subscriptions::Due(const Aside& aside) const {
  return aside.cause == Cause::kRefused ? aside.due : std::max(aside.due, no_probe_before_);
}

std::optional<Duration> Subscriptions::UntilProbe(BootTime now) const {
  std::optional<Duration> soonest;
  for (const auto& [filter, aside] : aside_) {
    const Duration wait = std::max(Duration::zero(), Due(aside) - now);
    soonest = std::min(soonest.value_or(wait), wait);
  }
  return soonest;
}

void Subscriptions::Probe(const std::vector<std::string>& wanted, BootTime now) {
  if (!waiting_.empty() || !sent_.empty()) return;
  const std::string* first = nullptr;
  BootTime first_due{};
  for (const std::string& filter : wanted) {
    const auto found = aside_.find(filter);
    if (found == aside_.end() || Due(found->second) > now) continue;
    if (first != nullptr && first_due <= found->second.due) continue;
    first = &filter;
    first_due = found->second.due;
  }
  if (first != nullptr) waiting_.push_back(*first);
}

std::vector<std::string> Subscriptions::Refused() const {
  std::vector<std::string> filters;
  for (const auto& [filter, aside] : aside_) filters.push_back(filter);
  return filters;
}

// By cause, an example each.
std::string Subscriptions::Trouble() const {
  std::string text;
  for (const Cause cause : {Cause::kRefused, Cause::kNoAnswer, Cause::kCloses, Cause::kPutOff}) {
    std::size_t count = 0;
    std::string_view example;
    for (const auto& [filter, aside] : aside_) {
      if (aside.cause == cause && ++count == 1) example = filter;
    }
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", Text(cause), example);
    if (count > 1) text += fmt::format(" and {} more", count - 1);
  }
  return text.empty() ? text : text + "; is the policy right?";
}

}  // namespace penumbra
