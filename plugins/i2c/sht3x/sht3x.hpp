// Sensirion SHT3x-DIS (SHT30, SHT31, SHT35; also SHT85, STS excluded): humidity and temperature, single shot without
// clock stretching, so that the bus is free while the chip measures.
// Source: Sensirion, Datasheet SHT3x-DIS (version 5, May 2018; read): measuring times table 4, single shot section 4.3
// and table 9, soft reset 4.9, heater 4.10 and table 16, status register 4.11 and table 18, check sum 4.12 and table
// 20, conversion 4.13. Compared with the Linux kernel's drivers/hwmon/sht3x.c and Sensirion's embedded-sht (sht3x.c).
#pragma once

#include "i2c/core/checked_pair.hpp"

namespace penumbra::i2c::sht3x {

// Section 4.13; see checked_pair.hpp.
constexpr PairScale kScale{};

extern const ChipType kType;

}  // namespace penumbra::i2c::sht3x
