// Moments and lengths of time as people read them: "22:41:07 (12 s ago)". For tables and for `explain`; programs get
// milliseconds. Local time zone of the process. Pure but for the time zone; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/duration.hpp"

namespace penumbra::api {

// "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h": two units at most, rounded down. Negative lengths count as zero.
std::string Length(Duration length);

// "12 s ago", "just now", "in 40 s".
std::string Age(std::int64_t unix_ms, std::int64_t now_ms);

// "22:41:07", with the date in front when it is more than 12 hours away from now. 0 or less: "never".
std::string ClockTime(std::int64_t unix_ms, std::int64_t now_ms);

// "22:41:07 (12 s ago)"; 0 or less: "never".
std::string Moment(std::int64_t unix_ms, std::int64_t now_ms);

// "2026-11-22 22:41:07.250", for columns. 0 or less: "never".
std::string FullTime(std::int64_t unix_ms);

}  // namespace penumbra::api
