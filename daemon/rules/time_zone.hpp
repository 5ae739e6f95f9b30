// Time zones by name: UTC, offsets ("+01:00", "UTC+01:00", "GMT+1"), and the machine's zone files. Any thread.
// Deliberately without the rules of the far future that a zone file may end with: after its last change (2037 in
// Debian's files) the last offset stands. Source: RFC 8536.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penumbra::rules {

class TimeZone {
 public:
  struct Local {
    std::int32_t offset_s = 0;
    std::string abbreviation;  // "CET", "UTC", "+01:00"
  };

  // nullopt: no such zone.
  static std::optional<TimeZone> Find(const std::string& name);
  // A zone file's bytes. nullopt: damaged. Foreign bytes.
  static std::optional<TimeZone> FromFile(std::string_view bytes);

  Local At(std::int64_t unix_s) const;
  // Unix seconds of a moment that clocks in this zone show as `local_s` (seconds since 1970 as if it were UTC). Of an
  // hour that comes twice the first one; one that is left out is as if the clocks had not yet changed.
  std::int64_t ToUnix(std::int64_t local_s) const;

 private:
  std::vector<std::int64_t> changes_;  // ascending
  std::vector<std::uint8_t> kinds_;    // after each change
  std::vector<Local> locals_;          // at least one; the first stands before all changes
};

}  // namespace penumbra::rules
