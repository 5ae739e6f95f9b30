#include "iotcore/shadow_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "iotcore/words.hpp"

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "usage: shadow get|delete THING[/NAME] | update THING[/NAME] JSON | load THING[/NAME] VERSION LEAF_TIME_S JSON | "
    "tombstone THING[/NAME] VERSION AGE_S | forget | limit document-bytes|in-flight N | "
    "clock freeze UNIX_S|advance S|real | fault none|shuffle|duplicate|drop|delay|jitter|only|inject|lie VALUE [COUNT "
    "[get]]";

constexpr std::int64_t kMaxNumber = 1'000'000'000'000;  // versions and Unix seconds

std::optional<double> Number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::pair<std::string, std::string> ThingAndShadow(const std::string& word) {
  const std::size_t slash = word.find('/');
  if (slash == std::string::npos) return {word, ""};
  return {word.substr(0, slash), word.substr(slash + 1)};
}

}  // namespace

std::vector<Message> ShadowHost::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  std::vector<Message> now;
  const std::int64_t service_ms = ServiceMs(now_ms);
  for (ShadowMessage& message : service_.Handle(topic, payload, service_ms)) {
    const std::int64_t delay_ms = message.due_ms - service_ms;
    if (delay_ms <= 0) {
      now.push_back({std::move(message.topic), std::move(message.payload)});
    } else if (waiting_.size() < kMaxWaiting) {
      waiting_.emplace(now_ms + delay_ms, Message{std::move(message.topic), std::move(message.payload)});
    } else {
      ++lost_queue_full_;
    }
  }
  return now;
}

std::optional<std::int64_t> ShadowHost::NextDue() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->first;
}

std::vector<Message> ShadowHost::OnTick(std::int64_t now_ms) {
  std::vector<Message> due;
  const auto end = waiting_.upper_bound(now_ms);
  for (auto it = waiting_.begin(); it != end; ++it) due.push_back(std::move(it->second));
  waiting_.erase(waiting_.begin(), end);
  return due;
}

Result<Service::Reply> ShadowHost::OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) {
  if (words.empty()) return Fail(Action::kGiveUp, kUsage);
  if (words[0] == "get" && words.size() == 2) {
    const auto [thing, shadow] = ThingAndShadow(words[1]);
    return Reply{service_.Peek(thing, shadow, ServiceMs(now_ms)), {}};
  }
  if ((words[0] == "update" && words.size() == 3) || (words[0] == "delete" && words.size() == 2)) {
    return Request(words[0], words, now_ms);
  }
  const Status done = words[0] == "fault"   ? SetFault(words)
                      : words[0] == "clock" ? SetClock(words)
                                            : Prepare(words, now_ms);
  if (!done) return Fail(done.error());
  return Reply{nullptr, {}};
}

Status ShadowHost::Prepare(const std::vector<std::string>& words, std::int64_t now_ms) {
  const std::string& verb = words[0];
  if (verb == "forget" && words.size() == 1) {
    service_.Clear();
    return {};
  }
  const auto number = words.size() > 2 ? WholeNumber(words[2], kMaxNumber) : std::nullopt;
  if (!number) return Fail(Action::kGiveUp, kUsage);
  if (verb == "limit" && words.size() == 3 && (words[1] == "document-bytes" || words[1] == "in-flight")) {
    if (words[1] == "in-flight") {
      limits_.max_in_flight = static_cast<int>(std::min<std::int64_t>(*number, 1'000'000));
    } else {
      limits_.max_document_bytes = static_cast<std::size_t>(*number);
    }
    service_.SetLimits(limits_);
    return {};
  }
  const auto seconds = words.size() > 3 ? WholeNumber(words[3], kMaxNumber) : std::nullopt;
  if (!seconds) return Fail(Action::kGiveUp, kUsage);
  const auto [thing, shadow] = ThingAndShadow(words[1]);
  if (verb == "tombstone" && words.size() == 4) {
    service_.LoadTombstone(thing, shadow, *number, ServiceMs(now_ms) - *seconds * 1000);
    return {};
  }
  if (verb != "load" || words.size() != 5) return Fail(Action::kGiveUp, kUsage);
  const auto state = ParseJson(words[4]);
  if (!state) return Fail(state.error());
  if (!state->is_object()) return Fail(Action::kGiveUp, "the state is no object");
  service_.Load(thing, shadow, *state, *number, *seconds);
  return {};
}

Status ShadowHost::SetClock(const std::vector<std::string>& words) {
  if (words.size() == 2 && words[1] == "real") {
    frozen_ms_.reset();
    ahead_ms_ = 0;
    return {};
  }
  const auto seconds = words.size() == 3 ? WholeNumber(words[2], kMaxNumber) : std::nullopt;
  if (!seconds || (words[1] != "freeze" && words[1] != "advance")) return Fail(Action::kGiveUp, kUsage);
  if (words[1] == "freeze") {
    frozen_ms_ = *seconds * 1000;
  } else if (frozen_ms_) {
    *frozen_ms_ += *seconds * 1000;
  } else {
    ahead_ms_ += *seconds * 1000;
  }
  return {};
}

Result<Service::Reply> ShadowHost::Request(const std::string& operation, const std::vector<std::string>& words,
                                           std::int64_t now_ms) {
  const auto [thing, shadow] = ThingAndShadow(words[1]);
  std::string payload;
  if (words.size() > 2) {
    auto body = ParseJson(words[2]);
    if (!body) return Fail(body.error());
    payload = (body->is_object() && body->contains("state") ? *body : Json{{"state", *body}}).dump();
  }
  const std::string prefix = fmt::format("$aws/things/{}/shadow{}", thing, shadow.empty() ? "" : "/name/" + shadow);
  Reply reply;
  reply.publish = OnMessage(fmt::format("{}/{}", prefix, operation), payload, now_ms);
  reply.json = service_.Peek(thing, shadow, ServiceMs(now_ms));
  return reply;
}

Status ShadowHost::SetFault(const std::vector<std::string>& words) {
  ShadowFaults& faults = service_.faults;
  if (words.size() == 2 && words[1] == "none") {
    faults = {};
    return {};
  }
  if (words.size() == 3 && words[1] == "only") {
    faults.only = words[2] == "any" ? "" : words[2];
    return {};
  }
  const auto value = words.size() >= 3 ? Number(words[2]) : std::nullopt;
  if (!value) return Fail(Action::kGiveUp, kUsage);
  const std::string& kind = words[1];
  if (kind == "shuffle") {
    faults.shuffle = *value > 0;
  } else if (kind == "duplicate") {
    faults.duplicate = *value;
  } else if (kind == "drop") {
    faults.drop = *value;
  } else if (kind == "delay") {
    faults.delay_ms = static_cast<std::int64_t>(*value);
  } else if (kind == "jitter") {
    faults.jitter_ms = static_cast<std::int64_t>(*value);
  } else if (kind == "inject" || kind == "lie") {
    const auto count = words.size() >= 4 ? Number(words[3]) : 1;
    const bool gets = words.size() == 5 && words[4] == "get" && kind == "inject";
    if (!count || *count > 10'000 || *value > 999 || (words.size() > 4 && !gets)) return Fail(Action::kGiveUp, kUsage);
    (gets ? faults.inject_get : faults.inject).assign(static_cast<std::size_t>(*count), static_cast<int>(*value));
    if (!gets) faults.inject_applies = kind == "lie";
  } else {
    return Fail(Action::kGiveUp, kUsage);
  }
  return {};
}

Json ShadowHost::Summary() const {
  const ShadowCounters& counters = service_.counters();
  Json by_code = Json::object();
  for (const auto& [code, count] : counters.rejected_by_code) by_code[std::to_string(code)] = count;
  return {{"requests", counters.requests},           {"accepted", counters.accepted},
          {"rejected", counters.rejected},           {"rejected_by_code", by_code},
          {"ignored_names", counters.ignored_names}, {"throttled", counters.throttled},
          {"injected", counters.injected},           {"dropped", counters.dropped},
          {"lost_queue_full", lost_queue_full_}};
}

}  // namespace penumbra::iotcore
