// How long one request to a driver may take. Pure.
#pragma once

#include <cstddef>

#include "event/clock.hpp"
#include "model/settings.hpp"

namespace penumbra {

// Every transfer of the request with its retries, at most one per point. `timeout` and `retries` are those of the
// thing, else of the bus, else defaults.
Duration RequestTimeout(const BusSettings& bus, const ThingSettings& thing, std::size_t points);

// A probe gets one try: retries for a unit that was silent would be taken from the others on its bus.
Duration ProbeTimeout(const BusSettings& bus, const ThingSettings& thing);

// For what no device has to answer.
inline constexpr Duration kShortestRequest = std::chrono::seconds(1);
// No device needs less to answer at all.
inline constexpr Duration kShortestProbe = std::chrono::milliseconds(50);

}  // namespace penumbra
