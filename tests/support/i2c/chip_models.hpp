// Helpers that several chip models share. See emulated_i2c.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "support/i2c/emulated_i2c.hpp"

namespace penumbra::test {

constexpr std::int64_t kMs = 1'000'000;

// The remainder of a division of polynomials, bit by bit over the whole message: the same as the shift register of the
// datasheets, by another way. 0x131 = x^8 + x^5 + x^4 + 1.
inline std::uint8_t ModelCrc(std::uint8_t high, std::uint8_t low, std::uint8_t start) {
  std::uint32_t rest = static_cast<std::uint32_t>(high ^ start) << 16U | static_cast<std::uint32_t>(low) << 8U;
  for (int bit = 23; bit >= 8; --bit) {
    if ((rest >> static_cast<unsigned>(bit) & 1U) != 0) rest ^= 0x131U << static_cast<unsigned>(bit - 8);
  }
  return static_cast<std::uint8_t>(rest);
}

inline std::uint32_t ToRaw(double fraction, double full_scale) {
  return static_cast<std::uint32_t>(std::lround(std::clamp(fraction, 0.0, 1.0) * full_scale));
}

// Two bytes and their check sum.
inline void PutWord(std::span<std::uint8_t> bytes, std::size_t at, std::uint32_t word, std::uint8_t start) {
  const std::uint8_t high = static_cast<std::uint8_t>(word >> 8U), low = static_cast<std::uint8_t>(word);
  const std::uint8_t all[] = {high, low, ModelCrc(high, low, start)};
  for (std::size_t i = 0; i < 3 && at + i < bytes.size(); ++i) bytes[at + i] = all[i];
}

std::unique_ptr<ChipModel> MakeAht20Model();
std::unique_ptr<ChipModel> MakeHdc1080Model();
std::unique_ptr<ChipModel> MakeHdc302xModel();
std::unique_ptr<ChipModel> MakeHtu21dModel();
std::unique_ptr<ChipModel> MakeLm75Model();
std::unique_ptr<ChipModel> MakeMcp9808Model();
std::unique_ptr<ChipModel> MakeSht3xModel();
std::unique_ptr<ChipModel> MakeSht4xModel();
std::unique_ptr<ChipModel> MakeBme280Model();
std::unique_ptr<ChipModel> MakeTmp102Model();

}  // namespace penumbra::test
