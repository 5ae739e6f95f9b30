// Transactions that several chips share. Thread: the host's one bus thread.
#pragma once

#include "i2c/core/chip.hpp"

namespace penumbra::i2c {

// A register of two bytes, the high one first.
inline Outcome ReadWord(Device& device, std::uint8_t reg, std::uint16_t& word) {
  std::array<std::uint8_t, 2> bytes{};
  const Outcome outcome = device.ReadRegister(reg, bytes);
  word = BigEndian16(bytes);
  return outcome;
}

inline Outcome WriteWord(Device& device, std::uint8_t reg, std::uint16_t word) {
  return device.WriteBytes(reg, word >> 8U, word & 0xffU);
}

// For chips that refuse to be read while they measure: waits, reads up to `tries` times, and goes on waiting in steps.
inline Outcome ReadWhenReady(Device& device, std::span<std::uint8_t> into, std::int64_t first_wait_us, int tries = 10) {
  constexpr std::int64_t kStepMs = 10;
  Outcome outcome = device.SleepUs(first_wait_us);
  for (int i = 0; outcome.ok() && i < tries; ++i) {
    outcome = device.Read(into);
    if (outcome.fault != Fault::kNoAnswer || i + 1 == tries) break;
    outcome = device.SleepMs(kStepMs);
  }
  return outcome;
}

}  // namespace penumbra::i2c
