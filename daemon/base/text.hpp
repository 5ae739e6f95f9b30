// Text forms that users type and read: durations, sizes, suggestions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hpp"
#include "base/error.hpp"

namespace penumbra {

// "250ms" "1s" "1.5m" "2h" "30d", also sums such as "1m30s". Nanosecond resolution; negative and bare numbers are
// errors (kFixConfig, with an example of what to write).
Result<std::chrono::nanoseconds> ParseDuration(std::string_view text);
// The shortest form that ParseDuration reads back: "30s", "1500ms", "2h".
std::string FormatDuration(std::chrono::nanoseconds duration);

// "64KiB" "64MiB" "1GiB" "4.5KiB" "512B" (binary), "50MB" (decimal). Error as above.
Result<std::uint64_t> ParseSize(std::string_view text);
std::string FormatSize(std::uint64_t bytes);

// The candidate that `word` is most likely a slip of (edit distance, two swapped letters counted as one, at most a
// third of its length), or nullopt.
std::optional<std::string> Suggest(std::string_view word, const std::vector<std::string>& candidates);

// Thing and shadow names as AWS allows them: 1..max characters of [a-zA-Z0-9:_-].
bool IsThingName(std::string_view name, std::size_t max = 128);

// The shortest decimal text that reads back as the same number; always valid JSON. NaN and infinities give "null".
std::string NumberText(double value);

bool IsUtf8(std::string_view text);

}  // namespace penumbra
