#include "shadow/validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.hpp"
#include "model/convert.hpp"
#include "model/shadow_document.hpp"

namespace penumbra::shadow {
namespace {

constexpr std::size_t kMaxShownBytes = 200;

struct IntegerType {
  const char* name;
  double lowest, highest;
};
constexpr std::array kIntegerTypes = {
    IntegerType{"s16", -32768, 32767},
    IntegerType{"u16", 0, 65535},
    IntegerType{"s32", -2147483648.0, 2147483647.0},
    IntegerType{"u32", 0, 4294967295.0},
    IntegerType{"s64", -9223372036854775808.0, 9223372036854775807.0},
    IntegerType{"u64", 0, 18446744073709551615.0},
};

const IntegerType* FindIntegerType(const std::string& name) {
  const auto it = std::find_if(kIntegerTypes.begin(), kIntegerTypes.end(),
                               [&name](const IntegerType& type) { return name == type.name; });
  return it == kIntegerTypes.end() ? nullptr : &*it;
}

tl::unexpected<Error> Refuse(std::string reason) {
  return Fail(Action::kGiveUp, std::move(reason));
}

Status CheckRange(const WritePolicy& policy, double number) {
  if (policy.min && number < *policy.min) return Refuse(fmt::format("below min {}", NumberText(*policy.min)));
  if (policy.max && number > *policy.max) return Refuse(fmt::format("above max {}", NumberText(*policy.max)));
  if (policy.step && *policy.step > 0) {
    const double steps = (number - policy.min.value_or(0)) / *policy.step;
    if (std::abs(steps - std::round(steps)) > 1e-6) {
      return Refuse(fmt::format("not a multiple of {}", NumberText(*policy.step)));
    }
  }
  return {};
}

// A whole number written as 21.0 is the integer 21 for an unscaled integer point.
Result<Value> ToPointNumber(const PointSettings& point, const std::string& type, const Value& value) {
  const IntegerType* integer = FindIntegerType(type);
  if (integer == nullptr) return value;
  double number = 0;
  ToDouble(value, number);
  const double raw = point.scaled ? std::round((number - point.offset) / point.scale) : number;
  if (!(raw >= integer->lowest && raw <= integer->highest)) return Refuse(fmt::format("out of range for {}", type));
  if (point.scaled || !std::holds_alternative<double>(value)) return value;
  if (number != std::trunc(number)) return Refuse("wrong type: a whole number is needed");
  // The largest double below 2^63: beyond it a cast is undefined, and no set point is that large as a fraction.
  if (std::abs(number) > 9223372036854774784.0) return Refuse(fmt::format("out of range for {}", type));
  return Value(static_cast<std::int64_t>(number));
}

}  // namespace

const PointSettings* FindPoint(const ThingSettings& thing, const std::string& key) {
  const auto it = std::find_if(thing.points.begin(), thing.points.end(),
                               [&key](const PointSettings& point) { return point.name == key; });
  return it == thing.points.end() ? nullptr : &*it;
}

Result<Value> ValidateDesired(const ThingSettings& thing, const std::string& key, const Json& value) {
  const PointSettings* point = FindPoint(thing, key);
  if (point == nullptr) return Refuse("unknown key");
  if (!point->writable) return Refuse("read-only");
  if (value.is_structured() || value.is_null()) return Refuse("wrong type: a single value is needed");
  const std::string type = GetString(point->driver_options, "type").value_or("");
  const WritePolicy& policy = *point->writable;
  const bool ranged = policy.min || policy.max || policy.step || point->scaled;
  const bool number_needed = ranged || FindIntegerType(type) != nullptr || type == "f32" || type == "f64";
  if (number_needed && !value.is_number()) return Refuse("wrong type: a number is needed");
  if (type == "bool" && !value.is_boolean()) return Refuse("wrong type: true or false is needed");
  if (type == "string" && !value.is_string()) return Refuse("wrong type: text is needed");
  const Value wanted = FromJson(value);
  if (!HasValue(wanted)) return Refuse("wrong type: a single value is needed");
  if (!value.is_number()) return wanted;
  double number = 0;
  if (!ToDouble(wanted, number) || !std::isfinite(number)) return Refuse("not a finite number");
  if (auto status = CheckRange(policy, number); !status) return Fail(status.error());
  return ToPointNumber(*point, type, wanted);
}

Result<Duration> ValidateInterval(const Json& value) {
  if (!value.is_number()) return Refuse("wrong type: seconds as a number are needed");
  const double seconds = value.get<double>();
  constexpr double kLeast = std::chrono::duration<double>(kMinSampleInterval).count();
  constexpr double kMost = std::chrono::duration<double>(kMaxSampleInterval).count();
  if (!(seconds >= kLeast)) return Refuse(fmt::format("below min {}", kLeast));
  if (seconds > kMost) return Refuse(fmt::format("above max {:.0f}", kMost));
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

bool ReadBackMatches(const PointSettings& point, const Value& written, const Value& read) {
  double a = 0;
  double b = 0;
  if (!ToDouble(written, a) || !ToDouble(read, b)) return written == read;
  // Half a raw unit, and a hair for binary fractions; an f32 register keeps 24 bits.
  const double unit = point.scaled ? std::abs(point.scale) / 2 : 0;
  const bool narrow = GetString(point.driver_options, "type") == "f32";
  const double relative = narrow ? 1.2e-7 : 1e-12;
  return std::abs(a - b) <= unit * (1 + 1e-9) + relative * std::max(std::abs(a), std::abs(b));
}

Json ShortenedValue(const Json& value) {
  const std::string text = Dump(value);
  if (text.size() <= kMaxShownBytes && Depth(value) <= 1) return value;
  std::size_t cut = std::min(text.size(), kMaxShownBytes);
  while (cut > 0 && cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return cut < text.size() ? text.substr(0, cut) + "..." : text;
}

}  // namespace penumbra::shadow
