// LM75 and its many relatives (LM75A, LM75B, DS75, TMP75, TMP175, STDS75): temperature. They measure all the time;
// reading takes the last result. They have no identity register and no check sum. Source: TI, SNIS153B (LM75B/C
// datasheet, pages 9 and 11 read): temperature data format with examples, pointer and configuration registers; NXP,
// LM75B data sheet revision 6.1, section 7.4.3 (11 bits, read); TI, SBOS288M (TMP75), section on the temperature
// register and table 7-1 (12 bits, read). Compared with the Linux kernel's drivers/hwmon/lm75.c (conversion, bits of
// each relative) and Zephyr's drivers/sensor/lm75/lm75.c.
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
