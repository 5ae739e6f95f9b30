#include "iotcore/shadow_host.hpp"

#include <fmt/format.h>

#include <charconv>

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "usage: shadow get|delete THING[/NAME] | update THING[/NAME] JSON | "
    "fault none|shuffle|duplicate|drop|delay|jitter|inject|lie VALUE [COUNT]";

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
  for (ShadowMessage& message : service_.Handle(topic, payload, now_ms)) {
    if (message.due_ms <= now_ms) {
      now.push_back({std::move(message.topic), std::move(message.payload)});
    } else if (waiting_.size() < kMaxWaiting) {
      waiting_.emplace(message.due_ms, Message{std::move(message.topic), std::move(message.payload)});
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
    return Reply{service_.Peek(thing, shadow, now_ms), {}};
  }
  if ((words[0] == "update" && words.size() == 3) || (words[0] == "delete" && words.size() == 2)) {
    return Request(words[0], words, now_ms);
  }
  if (words[0] == "fault") {
    if (auto status = SetFault(words); !status) return Fail(status.error());
    return Reply{};
  }
  return Fail(Action::kGiveUp, kUsage);
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
  reply.json = service_.Peek(thing, shadow, now_ms);
  return reply;
}

Status ShadowHost::SetFault(const std::vector<std::string>& words) {
  ShadowFaults& faults = service_.faults;
  if (words.size() == 2 && words[1] == "none") {
    faults = {};
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
    if (!count || *count > 10'000) return Fail(Action::kGiveUp, kUsage);
    faults.inject.assign(static_cast<std::size_t>(*count), static_cast<int>(*value));
    faults.inject_applies = kind == "lie";
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
