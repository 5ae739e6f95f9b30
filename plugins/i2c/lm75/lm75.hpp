// LM75 and its many relatives (LM75A, LM75B, DS75, TMP75, TMP175, STDS75): temperature. They measure all the time;
// reading takes the last result. They have no identity register and no check sum. Source: TI, SNIS153 (LM75B/C
// datasheet): temperature register 7.6.3 with table 1, configuration 7.6.4; NXP, LM75B data sheet, section 7.4.3 (11
// bits). The datasheet could not be read here: sections, registers and examples are from memory and have not been
// compared with another implementation yet.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::lm75 {

// The temperature register, of which the upper `bits` (9 to 12) are the value: two's complement, left-justified.
constexpr std::int32_t Sixteenths(std::uint16_t word, int bits) {
  const auto kept = static_cast<std::uint16_t>(word & 0xFFFFU << static_cast<unsigned>(16 - bits));
  return static_cast<std::int16_t>(kept) >> 4;
}

extern const ChipType kType;

}  // namespace penumbra::i2c::lm75
