// Sensirion SHT4x (SHT40, SHT41, SHT43, SHT45): humidity and temperature, one measurement when asked, sleep in between;
// and pulses of the chip's heater, for at most a tenth of the time, of which the values are told apart.
// Source: Sensirion, Datasheet SHT4x (version 6.1, March 2023; read): measuring times and length of a pulse table 5,
// check sum 4.4, commands 4.5 and table 8, conversion 4.6, serial number 4.7, soft reset 4.8, heater 4.9. Compared with
// the Linux kernel's drivers/hwmon/sht4x.c, Sensirion's embedded-i2c-sht4x (sht4x_i2c.c) and Adafruit_SHT4x.cpp.
#pragma once

#include "i2c/core/checked_pair.hpp"

namespace penumbra::i2c::sht4x {

// Section 4.6: RH = -6 + 125 * raw / (2^16 - 1), cropped to 0..100 as the section advises; in hundredths, rounded.
constexpr std::int64_t CentiPercent(std::uint16_t raw) {
  const std::int64_t percent = RoundedDivide(12500LL * raw, 65535) - 600;
  return percent < 0 ? 0 : percent > 10000 ? 10000 : percent;
}
constexpr PairScale kScale{.centi_percent = CentiPercent};

extern const ChipType kType;

}  // namespace penumbra::i2c::sht4x
