#include "iotcore/commands_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "iotcore/words.hpp"

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "usage: commands start THING|clients/CLIENT [id=ID] [timeout=SECONDS] [format=cbor|text] PAYLOAD | resend ID | "
    "get ID | list DEVICE | fault ...";

std::string DeviceOf(const std::string& word) {
  return word.find('/') == std::string::npos ? "things/" + word : word;
}

bool IsDevice(const std::string& device) {
  const std::size_t slash = device.find('/');
  const std::string kind = device.substr(0, slash);
  return (kind == "things" || kind == "clients") && IsThingName(device.substr(slash + 1));
}

bool IsReason(const Json& reason) {
  if (!reason.is_object()) return false;
  const auto code = GetString(reason, "reasonCode");
  const std::string description = GetString(reason, "reasonDescription").value_or("");
  return code && !code->empty() && code->size() <= CommandsService::kMaxReasonCode &&
         description.size() <= CommandsService::kMaxReasonDescription &&
         std::none_of(description.begin(), description.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }) &&
         std::all_of(code->begin(), code->end(), [](unsigned char c) {
           return std::isupper(c) != 0 || std::isdigit(c) != 0 || c == '_' || c == '-';
         });
}

// {"key":{"s":"text"}|{"b":true}|{"bin":"base64"}}
bool IsResult(const Json& result) {
  if (!result.is_object()) return false;
  return std::all_of(result.begin(), result.end(), [](const Json& value) {
    if (!value.is_object() || value.size() != 1) return false;
    const auto item = value.begin();
    return item.key() == "b" ? item->is_boolean()
                             : (item.key() == "s" || item.key() == "bin") && item->is_string() &&
                                   !item->get_ref<const std::string&>().empty();
  });
}

bool IsStatus(const std::string& status) {
  return status == "IN_PROGRESS" || status == "SUCCEEDED" || status == "FAILED" || status == "REJECTED" ||
         status == "TIMED_OUT";
}

}  // namespace

std::vector<std::string> CommandsService::Filters() const {
  return {"$aws/commands/things/+/executions/+/response/json", "$aws/commands/clients/+/executions/+/response/json"};
}

std::vector<Message> CommandsService::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  const std::vector<std::string> levels = Split(topic, '/');
  if (levels.size() != 8 || levels[0] != "$aws" || levels[1] != "commands") return {};
  if (levels[4] != "executions" || levels[6] != "response") return {};
  ++responses_;
  const std::string& id = levels[5];
  const char* refused = nullptr;
  const auto injected = faults_.TakeInjected();
  if (!injected) refused = Apply(id, levels[2] + "/" + levels[3], payload, now_ms);
  const bool accepted = !injected && refused == nullptr;
  ++(accepted ? accepted_ : rejected_);
  Json body = {{"executionId", id}};
  if (!accepted) {
    body["error"] = injected.value_or("ValidationException");
    body["errorMessage"] = refused != nullptr ? refused : "injected";
  }
  const std::string_view head = topic.substr(0, topic.rfind('/'));
  return faults_.Pass({{fmt::format("{}/{}/json", head, accepted ? "accepted" : "rejected"), Dump(body)}}, now_ms);
}

const char* CommandsService::Apply(const std::string& id, const std::string& device, std::string_view payload,
                                   std::int64_t now_ms) {
  const auto it = executions_.find(id);
  if (it == executions_.end() || it->second.device != device) return "there is no such execution of this device";
  const auto body = ParseJson(payload);
  if (!body || !body->is_object()) return "the payload is no JSON object";
  const std::string status = GetString(*body, "status").value_or("");
  if (!IsStatus(status)) return "status is none of IN_PROGRESS, SUCCEEDED, FAILED, REJECTED, TIMED_OUT";
  if (body->contains("statusReason") && !IsReason((*body)["statusReason"])) return "statusReason is malformed";
  if (body->contains("result") && !IsResult((*body)["result"])) return "result is malformed";
  Execution& execution = it->second;
  if (execution.final) return "the execution is in a terminal state";
  execution.status = status;
  execution.final = status != "IN_PROGRESS";
  execution.updated_ms = now_ms;
  execution.reason = body->value("statusReason", Json());
  if (body->contains("result")) execution.result = (*body)["result"];
  execution.responses.push_back(*body);
  if (execution.final) execution.due_ms.reset();
  return nullptr;
}

std::optional<std::int64_t> CommandsService::NextDue() const {
  std::optional<std::int64_t> due = faults_.NextDue();
  for (const auto& [id, execution] : executions_) {
    if (execution.due_ms && (!due || *execution.due_ms < *due)) due = execution.due_ms;
  }
  return due;
}

std::vector<Message> CommandsService::OnTick(std::int64_t now_ms) {
  for (auto& [id, execution] : executions_) {
    if (!execution.due_ms || *execution.due_ms > now_ms) continue;
    execution.due_ms.reset();
    execution.status = "TIMED_OUT";
    execution.updated_ms = now_ms;
    ++timed_out_;
  }
  return faults_.OnTick(now_ms);
}

Message CommandsService::RequestOf(const std::string& id, const Execution& execution) const {
  const std::string level = execution.format == "text" ? "" : "/" + execution.format;
  return {fmt::format("$aws/commands/{}/executions/{}/request{}", execution.device, id, level), execution.payload};
}

Json CommandsService::Shown(const std::string& id, const Execution& execution) const {
  return {{"executionId", id},
          {"device", execution.device},
          {"status", execution.status},
          {"final", execution.final},
          {"statusReason", execution.reason},
          {"result", execution.result},
          {"created_ms", execution.created_ms},
          {"updated_ms", execution.updated_ms},
          {"responses", execution.responses}};
}

Result<Service::Reply> CommandsService::OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) {
  if (words.empty()) return Fail(Action::kGiveUp, kUsage);
  const std::string& verb = words[0];
  if (verb == "fault") {
    if (const Status set = faults_.OnCommand({words.begin() + 1, words.end()}); !set) return Fail(set.error());
    return Reply{nullptr, {}};
  }
  if (verb == "start") return Start(words, now_ms);
  if (words.size() != 2) return Fail(Action::kGiveUp, kUsage);
  if (verb == "list") {
    Json list = Json::array();
    for (const auto& [id, execution] : executions_) {
      if (execution.device == DeviceOf(words[1])) list.push_back(Shown(id, execution));
    }
    return Reply{list, {}};
  }
  const auto it = executions_.find(words[1]);
  if (it == executions_.end()) return Fail(Action::kGiveUp, fmt::format("there is no execution '{}'", words[1]));
  if (verb == "get") return Reply{Shown(it->first, it->second), {}};
  if (verb == "resend") return Reply{nullptr, {RequestOf(it->first, it->second)}};
  return Fail(Action::kGiveUp, kUsage);
}

Result<Service::Reply> CommandsService::Start(const std::vector<std::string>& words, std::int64_t now_ms) {
  if (words.size() < 3) return Fail(Action::kGiveUp, kUsage);
  Execution execution{
      .device = DeviceOf(words[1]), .payload = words.back(), .created_ms = now_ms, .updated_ms = now_ms};
  if (!IsDevice(execution.device)) return Fail(Action::kGiveUp, fmt::format("'{}' is no device", words[1]));
  std::string id = fmt::format("00000000-0000-4000-8000-{:012}", next_id_);
  std::int64_t timeout_s = kDefaultTimeoutS;
  for (std::size_t i = 2; i + 1 < words.size(); ++i) {
    if (words[i].starts_with("id=") && IsThingName(words[i].substr(3))) {
      id = words[i].substr(3);
    } else if (words[i] == "format=cbor" || words[i] == "format=text") {
      execution.format = words[i].substr(7);
    } else if (const auto seconds =
                   words[i].starts_with("timeout=") ? WholeNumber(words[i].substr(8), kMaxTimeoutS) : std::nullopt) {
      timeout_s = *seconds;
    } else {
      return Fail(Action::kGiveUp, kUsage);
    }
  }
  if (execution.format == "json" && !ParseJson(execution.payload)) {
    return Fail(Action::kGiveUp, "the payload is no JSON");
  }
  const auto running = std::count_if(executions_.begin(), executions_.end(), [&execution](const auto& entry) {
    return entry.second.device == execution.device && !entry.second.final && entry.second.status != "TIMED_OUT";
  });
  if (static_cast<std::size_t>(running) >= kMaxConcurrent || executions_.size() >= kMaxExecutions) {
    return Fail(Action::kGiveUp, "ServiceQuotaExceededException: too many concurrent executions");
  }
  if (executions_.count(id) > 0) return Fail(Action::kGiveUp, fmt::format("there is an execution '{}' already", id));
  ++next_id_;
  execution.due_ms = now_ms + timeout_s * 1000;
  const auto it = executions_.emplace(id, std::move(execution)).first;
  return Reply{{{"executionId", id}}, faults_.Pass({RequestOf(id, it->second)}, now_ms)};
}

Json CommandsService::Summary() const {
  return {{"executions", executions_.size()},
          {"responses", responses_},
          {"accepted", accepted_},
          {"rejected", rejected_},
          {"timed_out", timed_out_},
          {"faults", faults_.Summary()}};
}

}  // namespace penumbra::iotcore
