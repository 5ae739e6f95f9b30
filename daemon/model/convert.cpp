#include "model/convert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace penumbra {
namespace {

constexpr int kMaxDecimals = 9;

PointValue Bad(const PointSettings& point, std::string reason) {
  return {point.name, std::monostate{}, Quality::kBad, std::move(reason)};
}

double RoundTo(double value, int decimals) {
  const double factor = std::pow(10.0, decimals);
  const double scaled = value * factor;
  // Beyond 2^53 a double has no fraction left to round.
  if (std::abs(scaled) >= 9007199254740992.0) return value;
  return std::round(scaled) / factor;
}

}  // namespace

int DecimalsOf(double number) {
  const std::string text = fmt::format("{:.{}f}", std::abs(number), kMaxDecimals);
  const std::size_t last = text.find_last_not_of('0');
  const std::size_t dot = text.find('.');
  return last <= dot ? 0 : static_cast<int>(last - dot);
}

PointValue Convert(const PointSettings& point, const Value& raw) {
  if (!HasValue(raw)) return Bad(point, "no value");
  double number = 0;
  if (!ToDouble(raw, number)) return {point.name, raw, Quality::kGood, {}};  // text has no scale and no range
  if (!std::isfinite(number)) return Bad(point, "not a number");
  if (std::find(point.invalid.begin(), point.invalid.end(), number) != point.invalid.end()) {
    return Bad(point, fmt::format("sentinel {}", ToJsonText(raw)));
  }
  Value value = raw;
  if (point.scaled) {
    number = RoundTo(number * point.scale + point.offset, point.decimals);
    if (!std::isfinite(number)) return Bad(point, "not a number");
    if (number == 0) number = 0;  // no negative zero
    value = number;
  }
  if (point.min && number < *point.min) {
    return Bad(point, fmt::format("below min: {} < {}", NumberText(number), NumberText(*point.min)));
  }
  if (point.max && number > *point.max) {
    return Bad(point, fmt::format("above max: {} > {}", NumberText(number), NumberText(*point.max)));
  }
  return {point.name, value, Quality::kGood, {}};
}

Result<Value> ToRaw(const PointSettings& point, const Value& value) {
  if (!point.scaled) return value;
  double number = 0;
  if (!ToDouble(value, number) || std::holds_alternative<bool>(value)) {
    return Fail(Action::kGiveUp, fmt::format("{} is not a number", ToJsonText(value)));
  }
  const double raw = (number - point.offset) / point.scale;
  if (!std::isfinite(raw)) return Fail(Action::kGiveUp, "the value does not scale to a finite number");
  return Value(raw);
}

}  // namespace penumbra
