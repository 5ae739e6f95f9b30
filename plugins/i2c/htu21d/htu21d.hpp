// TE HTU21D, Silicon Labs Si7021 (Si7013, Si7020), Sensirion SHT20, SHT21, SHT25: one command set for humidity and
// temperature. Without holding the clock, so that the bus is free while the chip measures. Source: TE, HPC199_6
// (HTU21D(F) datasheet, May 2017; read): measuring times pages 4 and 6, commands page 10, soft reset and heater page
// 12, user register page 13, check sum with examples page 14, conversion with example page 15. Compared with the Linux
// kernel's drivers/iio/humidity/htu21.c with drivers/iio/common/ms_sensors/ms_sensors_i2c.c,
// drivers/iio/humidity/si7020.c, and SparkFun's SparkFunHTU21DBreakout.cpp.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::htu21d {

// Page 15: T = -46.85 + 175.72 * raw / 2^16, RH = -6 + 125 * raw / 2^16, with the two status bits at 0; the latter
// cropped to 0..100; in hundredths, rounded.
constexpr std::int64_t CentiCelsius(std::uint16_t raw) {
  return RoundedDivide(17572LL * (raw & 0xFFFC), 65536) - 4685;
}
constexpr std::int64_t CentiPercent(std::uint16_t raw) {
  const std::int64_t percent = RoundedDivide(12500LL * (raw & 0xFFFC), 65536) - 600;
  return percent < 0 ? 0 : percent > 10000 ? 10000 : percent;
}

// A word and its CRC, which begins with 0 in this family. kCrc or kNone.
constexpr std::size_t kAnswerSize = 3;
Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, std::uint16_t& raw);

extern const ChipType kType;

}  // namespace penumbra::i2c::htu21d
