#include "rules/action.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rules/digest.hpp"

namespace penumbra::rules {
namespace {

constexpr std::size_t kMaxTopicBytes = 256;
constexpr std::ptrdiff_t kMaxSlashes = 7;

std::string DynamoDbRefuses(const Value& result) {
  if (result.AsObject() == nullptr) {
    return fmt::format("DynamoDBv2 takes an object, and this is {}", result.TypeName());
  }
  const Value* device = result.Member("device_id");
  if (device == nullptr || device->AsString() == nullptr || device->AsString()->empty()) {
    return fmt::format("the table's key device_id wants text and gets {}; select topic(2) AS device_id",
                       device == nullptr ? "nothing" : device->TypeName());
  }
  const Value* timestamp = result.Member("timestamp");
  if (timestamp == nullptr || timestamp->AsNumber() == nullptr) {
    return fmt::format(
        "the table's key timestamp wants a number and gets {}; select timestamp, or timestamp() AS timestamp",
        timestamp == nullptr ? "nothing" : timestamp->TypeName());
  }
  return {};
}

std::string TopicRefused(std::string_view topic) {
  if (topic.empty()) return "the topic is empty";
  if (topic.size() > kMaxTopicBytes) return "the topic is longer than 256 bytes";
  if (topic.find_first_of("+#") != std::string_view::npos)
    return fmt::format("the topic {} has a wildcard in it", topic);
  const bool reserved = topic.starts_with("$aws/");
  if (reserved && topic.find("/jobs/") != std::string_view::npos) return "a rule may not publish to topics of jobs";
  if (!reserved && std::count(topic.begin(), topic.end(), '/') > kMaxSlashes)
    return "the topic has more than 7 slashes";
  return {};
}

}  // namespace

Result<rules::Action> rules::Action::Make(std::string_view kind, const std::string& target) {
  Kind known = Kind::kDynamoDb;
  if (kind == "lambda") {
    known = Kind::kLambda;
  } else if (kind == "republish") {
    known = Kind::kRepublish;
  } else if (kind != "dynamodb") {
    return Fail(penumbra::Action::kFixConfig,
                fmt::format("there is no action \"{}\"; there are dynamodb, lambda and republish", kind));
  }
  if (known == Kind::kRepublish && target.starts_with("$") && !target.starts_with("$$") && !target.starts_with("${")) {
    return Fail(penumbra::Action::kFixConfig,
                fmt::format("a reserved topic is written with two dollars in a rule: \"${}\"", target));
  }
  auto topic = Template::Parse(known == Kind::kRepublish ? target : std::string());
  if (!topic) return Fail(topic.error().WithContext("target"));
  return rules::Action(known, target, std::move(*topic));
}

rules::Action::Delivery rules::Action::Deliver(const Outcome& outcome, const Payload& payload,
                                               const Facts& facts) const {
  if (kind_ == Kind::kRepublish) return Republish(outcome, payload, facts);
  Delivery delivery{target_, outcome.text, {}};
  const bool json = payload.json() != nullptr || !outcome.result.IsUndefined();
  if (kind_ == Kind::kDynamoDb) {
    delivery.refused = DynamoDbRefuses(outcome.result);
  } else if (!json) {
    delivery.refused = "Lambda takes JSON: select encode(*, 'base64') AS data";
  } else if (outcome.result.IsUndefined()) {
    delivery.refused = "the result is Undefined";
  }
  return delivery;
}

rules::Action::Delivery rules::Action::Republish(const Outcome& outcome, const Payload& payload,
                                                 const Facts& facts) const {
  Delivery delivery{target_, outcome.text, {}};
  auto topic = topic_.Render(payload, facts);
  if (!topic) {
    delivery.refused = topic.error().message;
    return delivery;
  }
  delivery.destination = topic->starts_with("$$") ? topic->substr(1) : *topic;
  delivery.refused = TopicRefused(delivery.destination);
  return delivery;
}

std::string ErrorActionInput(std::string_view rule, const Payload& payload, const Facts& facts,
                             const std::vector<Failure>& failures) {
  const auto text = [](std::string_view value) { return Value(std::string(value)); };
  Array list;
  for (const Failure& failure : failures) {
    Object object;
    object.push_back({"failedAction", text(failure.action)});
    object.push_back({"failedResource", text(failure.resource)});
    object.push_back({"errorMessage", text(failure.why)});
    list.emplace_back(std::move(object));
  }
  Object message;
  message.push_back({"ruleName", text(rule)});
  message.push_back({"topic", text(facts.topic)});
  message.push_back({"cloudwatchTraceId", text(facts.trace_id.value_or(""))});
  message.push_back({"clientId", text(facts.client_id)});
  message.push_back({"base64OriginalPayload", text(ToBase64(payload.bytes()))});
  message.push_back({"failures", Value(std::move(list))});
  return ToJsonText(Value(std::move(message)));
}

}  // namespace penumbra::rules
