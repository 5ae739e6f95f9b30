#include "driver/driver_answer.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace penumbra {
namespace {

// A question that every driver means the same by has a capability of its own.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> kQuestions{
    {{"plan", wire::kCanPlan}, {"scan", wire::kCanScan}, {"self_test", wire::kCanSelfTest}}};

Error ErrorOf(wire::Code code, const std::string& error) {
  const std::string message = error.empty() ? std::string(wire::ToString(code)) : error;
  switch (code) {
    case wire::Code::kTimeout:
    case wire::Code::kIo:
    case wire::Code::kCancelled:
      return {Action::kRetry, message};
    case wire::Code::kNoDevice:
      return {Action::kBackOff, message};
    case wire::Code::kBadOptions:
      return {Action::kFixConfig, message};
    default:
      return {Action::kGiveUp, message};
  }
}

}  // namespace

std::uint64_t NeededFor(const std::string& question) {
  for (const auto& [name, capability] : kQuestions) {
    if (name == question) return wire::kCanAsk | capability;
  }
  return wire::kCanAsk;
}

std::string CanAnswer(std::uint64_t capabilities) {
  if ((capabilities & wire::kCanAsk) == 0) return "it answers no questions";
  std::string can;
  for (const auto& [name, capability] : kQuestions) {
    if ((capabilities & capability) != 0) can += (can.empty() ? "" : ", ") + std::string(name);
  }
  return "it answers " + (can.empty() ? "only questions of its own" : can);
}

Result<OrderedJson> ObjectsOf(const std::string& question, Result<HostSupervisor::AskReply> reply) {
  if (!reply) return Fail(reply.error());
  if (reply->end.code != wire::Code::kOk) {
    return Fail(ErrorOf(reply->end.code, reply->end.error).WithContext("asking the driver for " + question));
  }
  if (reply->too_many) {
    return Fail(Action::kGiveUp, fmt::format("the driver answers \"{}\" with more than {} objects or {} bytes",
                                             question, HostSupervisor::kMaxAskObjects, HostSupervisor::kMaxAskBytes));
  }
  OrderedJson answer = OrderedJson::array();
  for (const std::string& text : reply->objects) {
    Result<OrderedJson> object = ParseOrderedJson(text);
    if (!object || !object->is_object()) {
      return Fail(Action::kGiveUp, fmt::format("the driver answers \"{}\" with what is no JSON object", question));
    }
    answer.push_back(std::move(*object));
  }
  return answer;
}

wire::WriteAnswer WriteAnswerAt(const OrderedJson& answers, std::size_t index) {
  const Json answer = index < answers.size() ? Json(answers[index]) : Json::object();
  const auto code = GetInt(answer, "status").value_or(-1);
  const bool known = code >= 0 && code <= static_cast<int>(wire::Code::kRefused);
  return {.code = known ? static_cast<wire::Code>(code) : wire::Code::kIo,
          .error = GetString(answer, "error").value_or("")};
}

bool IsAlive(const wire::WriteAnswer& answer) {
  return answer.code == wire::Code::kOk || answer.code == wire::Code::kRefused;
}

Status StatusOf(const wire::WriteAnswer& answer) {
  if (answer.code == wire::Code::kOk) return {};
  return Fail(ErrorOf(answer.code, answer.error));
}

}  // namespace penumbra
