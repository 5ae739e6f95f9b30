// Brings config and driver together, which do not know each other: what the drivers say about their options.
#pragma once

#include "config/config.hpp"

namespace penumbra {

// Asks driver-host, once per driver. Blocking; not for the running loop.
DriverKnowledge AskDrivers();

}  // namespace penumbra
