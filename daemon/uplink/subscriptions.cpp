#include "uplink/subscriptions.hpp"

#include <algorithm>
#include <utility>

namespace penumbra {

void Subscriptions::Begin(bool kept, const std::vector<std::string>& wanted, BootTime now) {
  if (!kept) granted_.clear();
  sent_.clear();
  waiting_.clear();
  for (const std::string& filter : wanted) {
    if (granted_.count(filter) == 0 && refused_.Allows(filter, now)) waiting_.push_back(filter);
  }
}

// One packet at a time while a filter is suspected of closing the connection, which is all that a 3.1.1 server can do
// to refuse it.
std::optional<std::string> Subscriptions::Next(std::uint64_t token, BootTime now) {
  if (waiting_.empty() || (!sent_.empty() && refused_.Suspects())) return std::nullopt;
  std::string filter = std::move(waiting_.front());
  waiting_.pop_front();
  refused_.Sent(filter, now);
  sent_[token] = filter;
  return filter;
}

std::optional<Subscriptions::Answer> Subscriptions::Answered(std::uint64_t token, bool granted, BootTime now) {
  const auto found = sent_.find(token);
  if (found == sent_.end()) return std::nullopt;
  Answer answer{std::move(found->second), false, false};
  sent_.erase(found);
  if (granted) {
    granted_.insert(answer.filter);
    answer.granted_at_last = refused_.Acked(answer.filter);
  } else {
    answer.newly_refused = refused_.Refused(answer.filter, now);
  }
  return answer;
}

std::string Subscriptions::NoAnswer(BootTime now) {
  std::string filters;
  for (const auto& [token, filter] : sent_) {
    filters += (filters.empty() ? "" : ", ") + filter;
    refused_.Refused(filter, now);
  }
  return filters;
}

std::vector<std::string> Subscriptions::SessionEnded(bool by_server, BootTime now) {
  std::set<std::string> unanswered;
  for (const auto& [token, filter] : sent_) unanswered.insert(filter);
  sent_.clear();
  waiting_.clear();
  return refused_.SessionEnded(by_server, unanswered, now);
}

std::optional<Duration> Subscriptions::UntilProbe(BootTime now) const {
  std::optional<Duration> soonest;
  for (const std::string& filter : refused_.Topics()) {
    const Duration wait = refused_.UntilProbe(filter, now);
    soonest = std::min(soonest.value_or(wait), wait);
  }
  return soonest;
}

void Subscriptions::Probe(const std::vector<std::string>& wanted, BootTime now) {
  if (!waiting_.empty()) return;
  const auto due = std::find_if(wanted.begin(), wanted.end(), [&](const std::string& filter) {
    return refused_.Suspended(filter) && refused_.Allows(filter, now);
  });
  if (due != wanted.end()) waiting_.push_back(*due);
}

}  // namespace penumbra
