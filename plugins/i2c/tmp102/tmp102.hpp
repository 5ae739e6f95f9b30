// TI TMP102: temperature. One-shot conversions in shutdown, so that the chip does not warm itself. Source: TI,
// SBOS397 (TMP102 datasheet): temperature register section 7.5.2 (table 8-2 has the examples of the tests),
// configuration register 7.5.3, one-shot 7.4.3, conversion time 26 ms typical and 35 ms at most (6.5). The datasheet
// could not be read here: sections, registers and examples are from memory and have not been compared with another
// implementation yet.
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
