#include "api/when.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace penumbra::api {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
// Beyond it (about the year 5138) a time is nonsense from somewhere, and localtime_r could fail.
constexpr std::int64_t kLatestMs = 100'000'000'000'000;

std::string Two(std::int64_t whole, std::string_view unit, std::int64_t rest, std::string_view rest_unit) {
  return rest == 0 ? fmt::format("{} {}", whole, unit) : fmt::format("{} {} {} {}", whole, unit, rest, rest_unit);
}

std::string Format(std::int64_t unix_ms, const char* format) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  char text[32];
  if (localtime_r(&seconds, &parts) == nullptr) return "?";
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

}  // namespace

std::string Length(Duration length) {
  const std::int64_t ms = length.count() / 1'000'000;
  if (ms <= 0) return "0 s";
  if (ms < 1000) return fmt::format("{} ms", ms);
  const std::int64_t seconds = ms / 1000;
  if (seconds < kMinute) return fmt::format("{} s", seconds);
  if (seconds < kHour) return Two(seconds / kMinute, "min", seconds % kMinute, "s");
  if (seconds < kDay) return Two(seconds / kHour, "h", seconds % kHour / kMinute, "min");
  return Two(seconds / kDay, "d", seconds % kDay / kHour, "h");
}

std::string Age(std::int64_t unix_ms, std::int64_t now_ms) {
  // Bounded before the subtraction and the conversion to nanoseconds: the two may come from anywhere.
  const auto bound = [](std::int64_t ms) { return std::min(std::max<std::int64_t>(ms, 0), kLatestMs); };
  const std::int64_t seconds = (bound(now_ms) - bound(unix_ms)) / 1000;
  if (seconds == 0) return "just now";
  const auto text = [](std::int64_t s) {
    // Not through Duration: a century does not matter, but nanoseconds end after three of them.
    return s > 9'000'000'000 ? std::string("ages") : Length(std::chrono::seconds(s));
  };
  return seconds > 0 ? text(seconds) + " ago" : "in " + text(-seconds);
}

std::string ClockTime(std::int64_t unix_ms, std::int64_t now_ms) {
  if (unix_ms <= 0 || unix_ms > kLatestMs) return "never";
  const bool near = now_ms > 0 && now_ms <= kLatestMs && std::abs(now_ms - unix_ms) < kDay / 2 * 1000;
  return Format(unix_ms, near ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S");
}

std::string Moment(std::int64_t unix_ms, std::int64_t now_ms) {
  if (unix_ms <= 0 || unix_ms > kLatestMs) return "never";
  return fmt::format("{} ({})", ClockTime(unix_ms, now_ms), Age(unix_ms, now_ms));
}

std::string FullTime(std::int64_t unix_ms) {
  if (unix_ms <= 0 || unix_ms > kLatestMs) return "never";
  return fmt::format("{}.{:03}", Format(unix_ms, "%Y-%m-%d %H:%M:%S"), unix_ms % 1000);
}

}  // namespace penumbra::api
