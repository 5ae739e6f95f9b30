// TI TMP102: temperature. One-shot conversions in shutdown, so that the chip does not warm itself. Source: TI, SBOS397C
// (TMP102 datasheet, October 2012; pages 6, 7 and 9 read): temperature register with the 12-bit and 13-bit formats and
// their examples (tables 3 to 6), configuration register (table 7), one-shot and what its bit reads during a
// conversion. Compared with the Linux kernel's drivers/hwmon/tmp102.c (registers, bits, 35 ms for a conversion) and
// SparkFun's SparkFunTMP102.cpp (both formats, told apart by bit 0).
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::tmp102 {

// The temperature register, bit 0 of which tells the format: 0 = 12 bits, 1 = extended, 13 bits; a step is 1/16 Cel.
constexpr std::int32_t Sixteenths(std::uint16_t word) {
  const auto value = static_cast<std::int16_t>(word);  // two's complement, left-justified
  return (word & 1U) != 0 ? value >> 3 : value >> 4;
}

extern const ChipType kType;

}  // namespace penumbra::i2c::tmp102
