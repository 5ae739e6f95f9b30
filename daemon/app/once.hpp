// penumbrad --once: poll every thing once and print what it found, for the person at the terminal who wires a sensor.
#pragma once

#include "model/settings.hpp"

namespace penumbra {

// Prints one line of telemetry JSON per thing on stdout, and what failed on stderr. Stores and sends nothing. Exit
// code: 0 when every thing gave at least one value, else 1. Bounded by a deadline per bus.
int RunOnce(const Settings& settings);

}  // namespace penumbra
