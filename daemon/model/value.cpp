#include "model/value.hpp"

#include "base/text.hpp"

namespace penumbra {

Json ToJson(const Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>) {
          return nullptr;
        } else {
          return v;
        }
      },
      value);
}

std::string ToJsonText(const Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return NumberText(*number);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* integer = std::get_if<std::uint64_t>(&value)) return std::to_string(*integer);
  return Dump(ToJson(value));
}

Value FromJson(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned:
      // One integer type wherever the number fits, so that equal numbers are equal values.
      if (const auto n = json.get<std::uint64_t>(); n <= static_cast<std::uint64_t>(INT64_MAX)) {
        return static_cast<std::int64_t>(n);
      }
      return json.get<std::uint64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    default:
      return std::monostate{};
  }
}

bool ToDouble(const Value& value, double& out) {
  if (const auto* b = std::get_if<bool>(&value)) {
    out = *b ? 1.0 : 0.0;
  } else if (const auto* i = std::get_if<std::int64_t>(&value)) {
    out = static_cast<double>(*i);
  } else if (const auto* u = std::get_if<std::uint64_t>(&value)) {
    out = static_cast<double>(*u);
  } else if (const auto* d = std::get_if<double>(&value)) {
    out = *d;
  } else {
    return false;
  }
  return true;
}

std::string_view ToString(Quality quality) {
  switch (quality) {
    case Quality::kGood:
      return "good";
    case Quality::kUncertain:
      return "uncertain";
    case Quality::kBad:
      return "bad";
  }
  return "unknown";
}

}  // namespace penumbra
