// A point's value and how far to trust it. Pure values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.hpp"

namespace penumbra {

// 64-bit integers stay exact. A double here is always finite: NaN and infinities become Bad quality in Convert.
// monostate: no value (quality is Bad).
using Value = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;

inline bool HasValue(const Value& value) {
  return !std::holds_alternative<std::monostate>(value);
}

// The value as JSON text: 22.5, 17, true, "text"; "null" for no value. Shortest form that reads back equal.
std::string ToJsonText(const Value& value);
Json ToJson(const Value& value);
// bool, integer, number and string; anything else gives monostate.
Value FromJson(const Json& json);
// Numeric view for deadbands and ranges: false for strings and no value.
bool ToDouble(const Value& value, double& out);

// IEC 61131/OPC habit: Good = believe it, Uncertain = there is a value but something is off, Bad = there is no value.
enum class Quality : std::uint8_t { kGood = 0, kUncertain = 1, kBad = 2 };

std::string_view ToString(Quality quality);

}  // namespace penumbra
