// Times as text: patterns of Joda-Time (parse_time) and of Java's DateTimeFormatter (time_to_epoch), as far as sensors
// need them: G y Y M d D E e H h k K m s S a z Z V X and 'text'; x and w (weeks) are left out, and give Undefined.
// Names are English. Time zones are UTC, offsets, and the names that the machine's zone files have.
// Reads /usr/share/zoneinfo; otherwise pure. Any thread. Source: RFC 8536 for the zone files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penumbra::rules {

// nullopt: a letter that is not known, a zone that is not, a year outside 1..9999.
std::optional<std::string> FormatTime(std::string_view pattern, std::int64_t unix_ms, std::string_view zone);

// nullopt also when the text is not what the pattern says. Without a zone in it: UTC. What the pattern does not say is
// the first of it (January, the first day, midnight); a pattern without a year gives nullopt.
std::optional<std::int64_t> ReadTime(std::string_view text, std::string_view pattern);

}  // namespace penumbra::rules
