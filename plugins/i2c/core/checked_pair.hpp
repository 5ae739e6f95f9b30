// The language that Sensirion's SHT3x and SHT4x share with TI's HDC302x: commands of one or two bytes, words of two
// bytes with their check sum behind them, and a measurement that is asked for, waited for and read as a pair of such
// words, temperature first. It knows no command of any chip but the two that SHT3x and HDC302x have in common. Thread:
// the host's one bus thread. Source: Sensirion, Datasheet SHT3x-DIS (version 5, May 2018), sections 4.3, 4.4 and 4.11
// to 4.13; Datasheet SHT4x (version 6.1, March 2023), sections 4.3 to 4.6; TI, SNAS778D (HDC302x), sections 7.5.3
// to 7.5.7.
#pragma once

#include <cstdint>
#include <span>

#include "i2c/core/chip.hpp"

namespace penumbra::i2c {

// Temperature, CRC, humidity, CRC.
constexpr std::size_t kPairSize = 6;

// T = -45 + 175 * raw / (2^16 - 1) of all three (SHT3x 4.13, SHT4x 4.6, HDC302x 7.3.3), RH = 100 * raw / (2^16 - 1) of
// SHT3x and HDC302x; in hundredths, rounded.
constexpr std::int64_t ShtCentiCelsius(std::uint16_t raw) {
  return RoundedDivide(17500LL * raw, 65535) - 4500;
}
constexpr std::int64_t ShtCentiPercent(std::uint16_t raw) {
  return RoundedDivide(10000LL * raw, 65535);
}

// How the words of a chip become hundredths of Cel and of percent.
struct PairScale {
  std::int64_t (*centi_celsius)(std::uint16_t raw) = ShtCentiCelsius;
  std::int64_t (*centi_percent)(std::uint16_t raw) = ShtCentiPercent;
};

// kCrc and nothing set, or kNone.
Fault DecodePair(std::span<const std::uint8_t, kPairSize> answer, const PairScale& scale, Values& values);

// The command of a measurement and how long it takes: `first_wait_us`, and after it `tries` readings 10 ms apart, of
// which all but the last may be refused by a chip that still measures.
struct PairCommand {
  std::span<const std::uint8_t> bytes;
  std::int64_t first_wait_us = 0;
  int tries = 1;
};
Outcome MeasurePair(Device& device, const PairCommand& command, const PairScale& scale, Values& values);

// A command of two bytes.
Outcome SendCommand(Device& device, std::uint16_t command);
// A command with a word and its check sum.
Outcome SendWord(Device& device, std::uint16_t command, std::uint16_t word);
// Asks for a word; `word` is set when the outcome is ok. kCrc: the note is `what`.
Outcome ReadCheckedWord(Device& device, std::span<const std::uint8_t> command, const char* what, std::uint16_t& word);

// Turns the heater of an SHT3x or HDC302x on or off and looks in the status register whether the chip took it: kForeign
// when not. `was_on`: it was on before. Also proves that there is a chip with this register, with a right check sum.
Outcome SwitchHeater(Device& device, bool on, bool& was_on);

}  // namespace penumbra::i2c
