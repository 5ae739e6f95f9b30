// How one unit has fared on the line since the bus was opened. Plain numbers without I/O; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace penumbra::modbus {

// The last round trips, from the end of the request to the end of the answer.
class RoundTrips {
 public:
  static constexpr std::size_t kKept = 128;

  void Add(std::int64_t ns);
  // `share` from 0 (fastest) to 1 (slowest). Nullopt before the first answer.
  std::optional<std::int64_t> Percentile(double share) const;

 private:
  std::array<std::uint32_t, kKept> us_{};
  std::size_t added_ = 0;
};

struct UnitCounters {
  std::uint64_t requests = 0, answers = 0, timeouts = 0;
  std::uint64_t bad_crc = 0;
  std::uint64_t bad_frames = 0;                      // half a frame, wrong length, function or echo, no Modbus at all
  std::uint64_t late = 0;                            // replies to what was given up
  std::uint64_t foreign = 0;                         // replies in this unit's name that nobody asked for
  std::uint64_t withheld = 0;                        // requests not sent because a late reply could have answered them
  std::map<std::uint8_t, std::uint64_t> exceptions;  // by code
  std::int64_t last_good_ns = 0;                     // CLOCK_BOOTTIME of the last answer; 0: never
  RoundTrips round_trips;
};

// How often what happened on the bus, since it was opened; what belongs to a unit is counted there.
struct WireCounters {
  std::uint64_t connects = 0, connect_failures = 0;
  std::uint64_t stale_bytes = 0;  // thrown away before a request
  std::uint64_t foreign = 0;      // replies of units that are not asked here
  std::uint64_t anomalies = 0;    // how often the last frames were kept
  const char* anomaly = "";       // why the last time; static text
};

}  // namespace penumbra::modbus
