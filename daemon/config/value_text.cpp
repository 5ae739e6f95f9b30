#include "config/value_text.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/text.hpp"
#include "config/node.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kLongestQuantity = 64;

// The same comparison for durations and sizes. Limits in the schema are right by test.
template <typename Parse>
std::optional<std::string> QuantityFault(const std::string& text, const Json& schema, const std::string& name,
                                         Parse parse, std::string_view little, std::string_view much) {
  const auto value = parse(text);
  if (!value) return fmt::format("{}: {}", name, value.error().message);
  const auto minimum = GetString(schema, "x-minimum");
  if (const auto least = parse(minimum.value_or("")); minimum && least && *value < *least) {
    return fmt::format("{} = {} is too {}; the smallest is \"{}\"", name, Quoted(text), little, *minimum);
  }
  const auto maximum = GetString(schema, "x-maximum");
  if (const auto most = parse(maximum.value_or("")); maximum && most && *value > *most) {
    return fmt::format("{} = {} is too {}; the largest is \"{}\"", name, Quoted(text), much, *maximum);
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> ParsePercent(std::string_view text) {
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text != "%" && text != " %") return std::nullopt;
  return value;
}

std::optional<std::string> FormatFault(const std::string& text, const Json& schema, const std::string& name) {
  const std::string format = GetString(schema, "format").value_or("");
  if (!format.empty() && text.size() > kLongestQuantity)
    return fmt::format("{}: {} is no {}", name, Quoted(text), format);
  if (format == "duration") {
    return QuantityFault(text, schema, name, ParseDuration, "short", "long");
  }
  if (format == "size") {
    return QuantityFault(text, schema, name, ParseSize, "small", "large");
  }
  if (format == "deadband") {
    const auto percent = ParsePercent(text);
    if (!percent || *percent < 0 || *percent > 100) {
      return fmt::format("{}: {} is not a deadband; write a number such as 0.1, or a percentage such as \"1%\"", name,
                         Quoted(text));
    }
  }
  return std::nullopt;
}

}  // namespace penumbra
