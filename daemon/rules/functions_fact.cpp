// What a rule knows beside the payload: topic, client, time; and the functions about what is missing.
#include <fmt/format.h>

#include <algorithm>

#include "rules/function_table.hpp"
#include "rules/time_pattern.hpp"
#include "rules/topic_filter.hpp"

namespace penumbra::rules {
namespace {

Value Optional(const std::optional<std::string>& text) {
  return text ? Value(*text) : Value();
}

Value Topic(const Arguments& arguments, Environment& environment) {
  std::string_view topic = SplitIngest(environment.facts().topic).topic;
  if (arguments.empty()) return Value(std::string(topic));
  const auto number = arguments[0].ToNumber();
  const auto level = number ? number->ToWhole(Number::Rounding::kDown).ToInt64() : std::nullopt;
  if (!level || *level < 1) return {};
  for (std::int64_t i = 1; i < *level; ++i) {
    const std::size_t slash = topic.find('/');
    if (slash == std::string_view::npos) return {};
    topic.remove_prefix(slash + 1);
  }
  return Value(std::string(topic.substr(0, topic.find('/'))));
}

Value NewUuid(const Arguments&, Environment& environment) {
  const std::uint64_t high = environment.Random(), low = environment.Random();
  return Value(fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xfff,
                           (low >> 48 & 0x3fff) | 0x8000, low & 0xffff'ffff'ffff));
}

Value Rand(const Arguments&, Environment& environment) {
  constexpr double kStep = 1.0 / 9'007'199'254'740'992.0;  // 2^-53
  return Value::Of(Number::FromDouble(static_cast<double>(environment.Random() >> 11) * kStep));
}

Value MqttProperty(const Arguments& arguments, Environment& environment) {
  const std::string* name = arguments[0].AsString();
  if (name == nullptr) return {};
  const auto& properties = environment.facts().mqtt_properties;
  const auto it = properties.find(*name);
  return it == properties.end() ? Value() : Value(it->second);
}

// All of them as objects of one member each, or the values of one key. None: Undefined.
Value UserProperties(const Arguments& arguments, Environment& environment) {
  const std::string* key = arguments.empty() ? nullptr : arguments[0].AsString();
  if (!arguments.empty() && key == nullptr) return {};
  Array found;
  for (const auto& [name, value] : environment.facts().user_properties) {
    if (key == nullptr) {
      Object property;
      property.push_back({name, Value(value)});
      found.emplace_back(std::move(property));
    } else if (name == *key) {
      found.emplace_back(value);
    }
  }
  return found.empty() ? Value() : Value(std::move(found));
}

Value Nanvl(const Arguments& arguments, Environment&) {
  return arguments[0].IsUndefined() || arguments[0].IsNull() ? arguments[1] : arguments[0];
}

Value ParseTime(const Arguments& arguments, Environment& environment) {
  const auto pattern = TextOf(arguments[0], environment);
  const auto whole = arguments[1].ToInt();
  const auto ms = whole ? whole->ToInt64() : std::nullopt;
  const auto zone = arguments.size() > 2 ? TextOf(arguments[2], environment) : std::string("UTC");
  if (!pattern || !ms || !zone) return {};
  auto text = FormatTime(*pattern, *ms, *zone);
  return text ? environment.Text(std::move(*text)) : Value();
}

Value TimeToEpoch(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment), pattern = TextOf(arguments[1], environment);
  if (!text || !pattern) return {};
  const auto ms = ReadTime(*text, *pattern);
  return ms ? Value(Number::FromInt(*ms)) : Value();
}

constexpr FunctionEntry kEntries[] = {
    {Function::kTopic, Topic},
    {Function::kTimestamp, [](const Arguments&, Environment& e) { return Value(Number::FromInt(e.facts().now_ms)); }},
    {Function::kClientId, [](const Arguments&, Environment& e) { return Value(e.facts().client_id); }},
    {Function::kPrincipal, [](const Arguments&, Environment& e) { return Optional(e.facts().principal); }},
    {Function::kAccountId, [](const Arguments&, Environment& e) { return Optional(e.facts().account); }},
    {Function::kTraceId, [](const Arguments&, Environment& e) { return Optional(e.facts().trace_id); }},
    {Function::kSourceIp, [](const Arguments&, Environment& e) { return Optional(e.facts().source_ip); }},
    {Function::kSqlVersion, [](const Arguments&, Environment&) { return Value(std::string("2016-03-23")); }},
    {Function::kNewUuid, NewUuid},
    {Function::kRand, Rand},
    {Function::kGetMqttProperty, MqttProperty},
    {Function::kGetUserProperties, UserProperties},
    {Function::kIsNull, [](const Arguments& a, Environment&) { return Value(a[0].IsNull()); }},
    {Function::kIsUndefined, [](const Arguments& a, Environment&) { return Value(a[0].IsUndefined()); }},
    {Function::kNanvl, Nanvl},
    {Function::kParseTime, ParseTime},
    {Function::kTimeToEpoch, TimeToEpoch},
};

}  // namespace

std::span<const FunctionEntry> FactFunctions() {
  return kEntries;
}

}  // namespace penumbra::rules
