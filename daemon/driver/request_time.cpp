#include "driver/request_time.hpp"

#include <algorithm>
#include <cstdint>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// What a driver takes per transfer when nothing is configured: the slowest default among ours, with room.
constexpr Duration kDefaultTimeout = 1s;
constexpr Duration kLongestRequest = 10s;
// A driver ends its own waiting a little before the deadline it was given.
constexpr Duration kProbeMargin = 5ms;

Duration TransferTimeout(const BusSettings& bus, const ThingSettings& thing) {
  return thing.timeout.value_or(bus.timeout.value_or(kDefaultTimeout));
}

}  // namespace

Duration RequestTimeout(const BusSettings& bus, const ThingSettings& thing, std::size_t points) {
  const int tries = 1 + std::clamp(thing.retries.value_or(bus.retries), 0, 100);
  const Duration transfer = TransferTimeout(bus, thing) * tries;
  const Duration all = transfer * static_cast<std::int64_t>(std::clamp<std::size_t>(points, 1, 1000));
  return std::max({std::min(all, kLongestRequest), transfer, kShortestRequest});
}

Duration ProbeTimeout(const BusSettings& bus, const ThingSettings& thing) {
  return TransferTimeout(bus, thing) + kProbeMargin;
}

}  // namespace penumbra
