// Microchip MCP9808: temperature. It measures all the time; reading takes the last result. Source: Microchip, DS25095
// (MCP9808 datasheet): ambient temperature register 5.1.3 with equation 5-1, configuration register 5.1.1, identity
// 5.1.4 and 5.1.5, resolution 5.1.6 with conversion times. The datasheet could not be read here: sections, registers
// and examples are from memory and have not been compared with another implementation yet.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c::mcp9808 {

// Register 5: three alert bits, sign, 12 bits in sixteenths (two's complement of 13 bits).
constexpr std::int32_t Sixteenths(std::uint16_t word) {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(word << 3U)) >> 3;
}

extern const ChipType kType;

}  // namespace penumbra::i2c::mcp9808
