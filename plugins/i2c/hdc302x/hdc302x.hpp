// TI HDC3020, HDC3021, HDC3022: humidity and temperature, one measurement when asked (trigger-on-demand). Source: TI,
// SNAS778 (HDC302x datasheet): commands table 7-2, trigger-on-demand 7.5.7.3, conversion 7.5.7.3.3 and 7.5.7.3.4,
// check sum 7.5.3, manufacturer ID 7.5.7.13, soft reset 7.5.7.10, heater 7.5.7.8. The datasheet could not be read
// here: section numbers are from memory; compared with excerpts of RIOT's driver alone.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::hdc302x {

// T = -45 + 175 * raw / (2^16 - 1), RH = 100 * raw / (2^16 - 1), in hundredths, rounded.
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

}  // namespace penumbra::i2c::hdc302x
