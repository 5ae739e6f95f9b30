// Sensirion SHT4x (SHT40, SHT41, SHT43, SHT45): humidity and temperature, one measurement when asked, sleep in between.
// The chip's heater gives single pulses with a duty cycle of at most a tenth; it is not used.
// Source: Sensirion, Datasheet SHT4x: measuring times table 5, commands 4.5 and table 8, check sum 4.4, conversion 4.6,
// serial number 4.7, soft reset 4.8. The datasheet could not be read here; what is cited was compared with two
// independent implementations: the Linux kernel's drivers/hwmon/sht4x.c and Sensirion's embedded-sht.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::sht4x {

// Section 4.6: T = -45 + 175 * raw / (2^16 - 1), RH = -6 + 125 * raw / (2^16 - 1), the latter cropped to 0..100 as the
// section says; in hundredths, rounded.
constexpr std::int64_t CentiCelsius(std::uint16_t raw) {
  return RoundedDivide(17500LL * raw, 65535) - 4500;
}
constexpr std::int64_t CentiPercent(std::uint16_t raw) {
  const std::int64_t percent = RoundedDivide(12500LL * raw, 65535) - 600;
  return percent < 0 ? 0 : percent > 10000 ? 10000 : percent;
}

// The answer to a measurement: temperature, CRC, humidity, CRC.
constexpr std::size_t kAnswerSize = 6;
// kCrc and nothing set, or kNone.
Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values);

extern const ChipType kType;

}  // namespace penumbra::i2c::sht4x
