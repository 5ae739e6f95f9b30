// Reads an HTTP request target ("/v1/readings/sensor-001?since_ms=5&limit=10") into decoded path segments and query
// parameters. Foreign bytes: never throws, never copies more than the target itself (whose size the server bounds).
// Pure; any thread. Source: RFC 3986 sections 2.1 and 3.4; "+" is not a space (that is HTML forms, not URIs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace penumbra::api {

struct Target {
  std::vector<std::string> path;                           // decoded, without empty segments; UTF-8
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order, each name once; UTF-8
};

inline constexpr std::size_t kMaxSegments = 8;
inline constexpr std::size_t kMaxParameters = 16;

// Error kGiveUp, with what is wrong: not starting with "/", a bad percent sign, a NUL or bytes that are not UTF-8, a
// parameter twice, or more than the two bounds above.
Result<Target> ParseTarget(std::string_view target);

// "%41b" as bytes; nullopt for a "%" without two hexadecimal digits.
std::optional<std::string> PercentDecode(std::string_view text);

// Everything but RFC 3986 unreserved characters as %XX: any text as one path segment or parameter value.
std::string PercentEncode(std::string_view text);

// A whole non-negative number of at most `max`; nullopt for anything else, also signs and spaces.
std::optional<std::uint64_t> ParseNumber(std::string_view text, std::uint64_t max);

}  // namespace penumbra::api
