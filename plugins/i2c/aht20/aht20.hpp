// ASAIR AHT20 (also AHT21, AHT25 and the AHT20 side of combined boards): humidity and temperature, one measurement
// when asked. AHT10 and AHT15 have no check sum and are not meant. Source: ASAIR, DHT20 data sheet 1.0, sections 7.3
// and 7.4 (the same chip in another case; read): status bits, reading, check sum; AHT20 product manuals for the
// initialisation, which could not be read here and contradict each other (1.0 and 1.1): it is after the Linux kernel's
// drivers/hwmon/aht10.c (AHT20 since 6.7) and Adafruit_AHTX0.cpp, with which the rest was compared as well.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::aht20 {

// Section 6: RH = raw / 2^20 * 100, T = raw / 2^20 * 200 - 50; in hundredths, rounded.
constexpr std::int64_t CentiPercent(std::uint32_t raw) {
  return RoundedDivide(10000LL * raw, 1 << 20);
}
constexpr std::int64_t CentiCelsius(std::uint32_t raw) {
  return RoundedDivide(20000LL * raw, 1 << 20) - 5000;
}

// Status, 20 bits of humidity, 20 bits of temperature, CRC.
constexpr std::size_t kAnswerSize = 7;
// kCrc, kNotReady (nothing set), or kNone.
Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values);

extern const ChipType kType;

}  // namespace penumbra::i2c::aht20
