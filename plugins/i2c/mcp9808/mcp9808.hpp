// Microchip MCP9808: temperature. It measures all the time; reading takes the last result. Source: Microchip, DS25095A
// (MCP9808 datasheet; pages read): configuration register 5.1.1, ambient temperature register 5.1.3, identity 5.1.4 and
// 5.1.5, conversion times table "temperature conversion time" of the section on resolution. Compared with the Linux
// kernel's drivers/hwmon/jc42.c (registers, sign, shutdown and lock bits, device ID with its revisions), Microchip's
// own mcp9808_arduino_driver (registers; its conversion drops the fraction) and Adafruit_MCP9808.cpp (conversion, 250
// ms).
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::mcp9808 {

// Register 5: three alert bits, sign, 12 bits in sixteenths (two's complement of 13 bits).
constexpr std::int32_t Sixteenths(std::uint16_t word) {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(word << 3U)) >> 3;
}

extern const ChipType kType;

}  // namespace penumbra::i2c::mcp9808
