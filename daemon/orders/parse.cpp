#include "orders/parse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace penumbra::orders {
namespace {

constexpr std::array kActions = {kReboot, kUpdateConfig, kReadNow, kPing, kSet};

// A word of the sender's in our answer: short, and without what could break a line.
std::string Shown(std::string_view text) {
  std::string shown(text.substr(0, 40));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return shown;
}

void ReadAction(const Json& object, const char* key, Request& request) {
  const auto action = GetString(object, key);
  if (!action) {
    request.fault = object.contains(key) ? fmt::format("{} is not a string", key) : fmt::format("{} is missing", key);
    return;
  }
  if (action->empty() || action->size() > kMaxActionBytes || !IsUtf8(*action)) {
    request.fault = fmt::format("{} is not a string of 1 to {} bytes", key, kMaxActionBytes);
    return;
  }
  request.action = *action;
  if (std::find(kActions.begin(), kActions.end(), request.action) == kActions.end()) {
    request.fault = fmt::format("unknown action '{}'; known are {}", Shown(request.action), fmt::join(kActions, ", "));
  }
}

void ReadId(const Json& object, Request& request) {
  if (!object.contains("id")) return;
  const auto id = GetString(object, "id");
  if (id && !id->empty() && id->size() <= kMaxIdBytes) {
    request.id = *id;
  } else if (request.fault.empty()) {
    request.fault = fmt::format("id is not a string of 1 to {} characters", kMaxIdBytes);
  }
}

// Seconds appear where milliseconds are meant: nobody orders anything for before 1973 or after 5138.
void ReadTimestamp(const Json& object, Request& request) {
  if (!object.contains("timestamp")) return;
  const auto given = GetInt(object, "timestamp");
  constexpr std::int64_t kLeastMs = 100'000'000'000, kMostMs = 100'000'000'000'000;
  if (!given || *given <= 0 || *given >= kMostMs) {
    if (request.fault.empty()) request.fault = "timestamp is not the Unix time in milliseconds";
    return;
  }
  request.asked_ms = *given < kLeastMs ? *given * 1000 : *given;
}

void ReadTtl(const Json& object, Request& request) {
  if (!object.contains("ttl")) return;
  const auto text = GetString(object, "ttl");
  const auto parsed = text ? ParseDuration(*text) : Result<std::chrono::nanoseconds>(Fail(Action::kGiveUp, ""));
  const auto seconds = GetNumber(object, "ttl");
  std::int64_t ms = 0;
  if (parsed) ms = *parsed / std::chrono::milliseconds(1);
  if (seconds && *seconds > 0 && *seconds * 1000 <= static_cast<double>(kMaxTtlMs)) {
    ms = static_cast<std::int64_t>(*seconds * 1000);
  }
  if (ms <= 0 || ms > kMaxTtlMs) {
    if (request.fault.empty()) request.fault = "ttl is not a duration such as \"30s\", at most 7d";
    return;
  }
  request.ttl_ms = ms;
}

void ReadArguments(const Json& object, Request& request) {
  const auto take = [&](const char* key) {
    const auto it = object.find(key);
    if (it == object.end() || !it->is_object() || it->empty()) {
      request.fault = fmt::format("{} needs \"{}\", an object that is not empty", request.action, key);
    } else {
      request.arguments = *it;
    }
  };
  if (request.action == kUpdateConfig) return take("config");
  if (request.action != kSet) return;
  take("values");
  if (!request.fault.empty()) return;
  if (request.arguments.size() > kMaxSetKeys) {
    request.fault = fmt::format("values has more than {} keys", kMaxSetKeys);
  }
  for (const auto& [key, value] : request.arguments.items()) {
    if (value.is_null()) request.fault = fmt::format("values.{} is null", Shown(key));
    if (key == "sample_interval") request.fault = "sample_interval is no point; use update_config";
  }
}

void ReadBody(const Json& object, const char* action_key, Request& request) {
  ReadAction(object, action_key, request);
  ReadId(object, request);
  ReadTimestamp(object, request);
  ReadTtl(object, request);
  if (request.fault.empty()) ReadArguments(object, request);
}

// AWS's managed documents (AWS-Reboot and its like). Anything but the reboot handler would be running programs of the
// sender's choice, which this gateway does not do.
void ReadManaged(const Json& document, Request& request) {
  const Json& steps = document["steps"];
  if (!steps.is_array() || steps.size() != 1) {
    request.fault = "a managed document must have one step here";
    return;
  }
  const Json none = Json::object();
  const auto member = [&none](const Json& object, const char* key) -> const Json& {
    const auto it = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && it != object.end() ? *it : none;
  };
  const Json& action = member(steps[0], "action");
  const std::string type = GetString(action, "type").value_or("");
  const std::string handler = GetString(member(action, "input"), "handler").value_or("");
  if (type == "runHandler" && handler == "reboot.sh") {
    request.action = kReboot;
    return;
  }
  request.fault = fmt::format("step '{}' ({} {}) is not supported: of AWS's managed documents only AWS-Reboot is",
                              Shown(GetString(action, "name").value_or("?")), Shown(type), Shown(handler));
}

}  // namespace

std::string_view ToString(Channel channel) {
  switch (channel) {
    case Channel::kCommand:
      return "command";
    case Channel::kJob:
      return "job";
    case Channel::kExecution:
      return "execution";
  }
  return "unknown";
}

std::string_view ToString(Phase phase) {
  switch (phase) {
    case Phase::kReceived:
      return "received";
    case Phase::kActing:
      return "acting";
    case Phase::kDone:
      return "done";
    case Phase::kAnswered:
      return "answered";
  }
  return "unknown";
}

std::string_view ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "";
    case Verdict::kSucceeded:
      return "succeeded";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kRejected:
      return "rejected";
    case Verdict::kCancelled:
      return "cancelled";
  }
  return "";
}

Request ParseCommand(std::string_view payload) {
  Request request;
  if (payload.size() > kMaxPayloadBytes) {
    request.fault = fmt::format("longer than {} bytes", kMaxPayloadBytes);
    return request;
  }
  const auto body = ParseJson(payload);
  if (!body) {
    request.fault = "not JSON: " + body.error().message;
  } else if (!body->is_object()) {
    request.fault = "not a JSON object";
  } else {
    ReadBody(*body, "action", request);
  }
  return request;
}

Request ParseJobDocument(const Json& document) {
  Request request;
  if (!document.is_object()) {
    request.fault = "the job document is not an object";
  } else if (document.contains("steps")) {
    ReadManaged(document, request);
  } else {
    ReadBody(document, document.contains("operation") ? "operation" : "action", request);
  }
  request.id.clear();  // a job is known by its job id
  return request;
}

}  // namespace penumbra::orders
