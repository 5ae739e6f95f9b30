// Loads one driver and checks that it speaks our ABI. The only user of dlfcn.h. Main thread.
#pragma once

#include <penumbra/driver.h>

#include <cstdint>
#include <string>

namespace penumbra::host {

// A field that lies beyond the size the driver states does not exist for it.
#define PENUMBRA_HAS_FIELD(driver, field) \
  ((driver)->size >= offsetof(penumbra_driver, field) + sizeof((driver)->field) && (driver)->field != nullptr)

// The driver of `file` (stays loaded until the process ends), or nullptr with one line for the operator in `error`.
const penumbra_driver* LoadDriver(const std::string& file, std::string& error);

// What the entry of a driver that is loaded already answers a host that speaks `abi` only; nullptr also without one.
const penumbra_driver* EntryFor(const std::string& file, std::uint32_t abi);

}  // namespace penumbra::host
