// The driver ABI around a kind of chip: PENUMBRA_I2C_DRIVER(sht3x) in one file makes a driver .so of sht3x::kType.
// Deliberately without the headers of the chips: ten driver files would compile them ten times.
#pragma once

#include "penumbra/driver.h"

namespace penumbra::i2c {

struct ChipType;

// The driver for the one kind of chip of this .so; the same object at each call.
const penumbra_driver* DriverFor(const ChipType& type, const uint32_t* host_abis, size_t count);

}  // namespace penumbra::i2c

#define PENUMBRA_I2C_DRIVER(chip)                                                                    \
  namespace penumbra::i2c::chip {                                                                    \
  extern const ChipType kType;                                                                       \
  }                                                                                                  \
  extern "C" const penumbra_driver* penumbra_driver_entry(const uint32_t* host_abis, size_t count) { \
    return ::penumbra::i2c::DriverFor(::penumbra::i2c::chip::kType, host_abis, count);               \
  }
