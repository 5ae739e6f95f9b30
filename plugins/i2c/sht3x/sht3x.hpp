// Sensirion SHT3x-DIS (SHT30, SHT31, SHT35; also SHT85, STS excluded): humidity and temperature, single shot without
// clock stretching, so that the bus is free while the chip measures.
// Source: Sensirion, Datasheet SHT3x-DIS: command and measurement times section 4.3 and table 4, soft reset 4.9, heater
// 4.10, status register 4.11, check sum 4.12, conversion 4.13. The datasheet itself could not be read here; what is
// cited was compared with two independent implementations: the Linux kernel's drivers/hwmon/sht3x.c and Sensirion's
// embedded-sht.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::sht3x {

// Section 4.13: T = -45 + 175 * raw / (2^16 - 1), RH = 100 * raw / (2^16 - 1); in hundredths, rounded.
constexpr std::int64_t CentiCelsius(std::uint16_t raw) {
  return RoundedDivide(17500LL * raw, 65535) - 4500;
}
constexpr std::int64_t CentiPercent(std::uint16_t raw) {
  return RoundedDivide(10000LL * raw, 65535);
}

// The answer to a measurement: temperature, CRC, humidity, CRC.
constexpr std::size_t kAnswerSize = 6;
// kCrc and nothing set, or kNone.
Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values);

extern const ChipType kType;

}  // namespace penumbra::i2c::sht3x
