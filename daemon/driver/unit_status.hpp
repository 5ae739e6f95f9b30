// How each unit of a bus fares, as its driver counts it (driver.h, {"ask":"counters"}: the objects with
// "answer":"unit"). Pure; the answer is foreign, so that nothing in it is taken for granted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "event/clock.hpp"

namespace penumbra {

struct UnitStatus {
  std::string unit;  // as the configuration writes it: "1"
  // Since the driver host was started.
  std::uint64_t requests = 0, answers = 0, timeouts = 0, bad_crc = 0, bad_frames = 0;
  std::uint64_t late = 0;                           // replies to what was given up
  std::uint64_t foreign = 0;                        // replies in its name that nobody asked for
  std::map<std::string, std::uint64_t> exceptions;  // by code
  // Also over restarts of the host. Nullopt: never.
  std::optional<BootTime> last_answer;
  // The same as Unix time; 0: never. Filled when it is shown, because the wall clock may have been set since.
  std::int64_t last_answer_ms = 0;
  std::optional<double> p50_ms, p90_ms, p99_ms;  // of the last round trips
};

// At most this many; what a driver says beyond is not looked at. Modbus has 247 addresses.
inline constexpr std::size_t kMaxUnits = 256;

// `now`: when the answer was given, for its ages.
std::vector<UnitStatus> UnitsOf(const OrderedJson& answer, BootTime now);

}  // namespace penumbra
