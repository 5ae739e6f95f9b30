// TI HDC1080, and HDC1000, HDC1010 of the same registers: humidity and temperature, both in one measurement when
// asked. The chip sends no check sum. Source: TI, SNAS672A (HDC1080 datasheet, January 2016; register map and detailed
// description read): conversion 8.6.1 and 8.6.2, configuration 8.6.3, identity in table 1, heater in the feature
// description; conversion times 7.5. Compared with the Linux kernel's drivers/iio/humidity/hdc100x.c (registers, bits,
// times, conversion) and ClosedCube_HDC1080.cpp.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::hdc1080 {

// Sections 8.6.1 and 8.6.2: T = raw / 2^16 * 165 - 40, RH = raw / 2^16 * 100; in hundredths, rounded.
constexpr std::int64_t CentiCelsius(std::uint16_t raw) {
  return RoundedDivide(16500LL * raw, 65536) - 4000;
}
constexpr std::int64_t CentiPercent(std::uint16_t raw) {
  return RoundedDivide(10000LL * raw, 65536);
}

// Temperature and humidity.
constexpr std::size_t kAnswerSize = 4;
void Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values);

extern const ChipType kType;

}  // namespace penumbra::i2c::hdc1080
