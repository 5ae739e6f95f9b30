#include "i2c/core/checked_pair.hpp"

#include <array>

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c {
namespace {

constexpr std::uint16_t kHeaterOn = 0x306D, kHeaterOff = 0x3066;
constexpr std::array<std::uint8_t, 2> kReadStatus{0xF3, 0x2D};
constexpr std::uint16_t kStatusHeater = 1U << 13U;
constexpr std::int64_t kCommandTimeMs = 1;  // between two commands (SHT3x, table 9)

// Whether the heater is on.
Outcome ReadHeater(Device& device, bool& on) {
  std::uint16_t status = 0;
  const Outcome outcome = ReadCheckedWord(device, kReadStatus, "status register", status);
  on = (status & kStatusHeater) != 0;
  return outcome;
}

}  // namespace

Fault DecodePair(std::span<const std::uint8_t, kPairSize> answer, const PairScale& scale, Values& values) {
  if (Crc8(answer.first<2>()) != answer[2] || Crc8(answer.subspan<3, 2>()) != answer[5]) return Fault::kCrc;
  values.Set(Quantity::kTemperature, Scaled(scale.centi_celsius(BigEndian16(answer.first<2>())), 100));
  values.Set(Quantity::kHumidity, Scaled(scale.centi_percent(BigEndian16(answer.subspan<3, 2>())), 100));
  return Fault::kNone;
}

Outcome MeasurePair(Device& device, const PairCommand& command, const PairScale& scale, Values& values) {
  std::array<std::uint8_t, kPairSize> answer{};
  Outcome outcome = device.Write(command.bytes);
  if (outcome.ok()) outcome = ReadWhenReady(device, answer, command.first_wait_us, command.tries);
  if (outcome.ok()) outcome.fault = DecodePair(answer, scale, values);
  return outcome;
}

Outcome SendCommand(Device& device, std::uint16_t command) {
  return device.WriteBytes(command >> 8U, command & 0xffU);
}

Outcome SendWord(Device& device, std::uint16_t command, std::uint16_t word) {
  const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(word >> 8U), static_cast<std::uint8_t>(word)};
  return device.WriteBytes(command >> 8U, command & 0xffU, bytes[0], bytes[1], Crc8(bytes));
}

Outcome ReadCheckedWord(Device& device, std::span<const std::uint8_t> command, const char* what, std::uint16_t& word) {
  std::array<std::uint8_t, 3> answer{};
  const Outcome outcome = device.WriteRead(command, answer);
  if (!outcome.ok()) return outcome;
  if (Crc8(std::span(answer).first<2>()) != answer[2]) return {Fault::kCrc, 0, what};
  word = BigEndian16(std::span(answer).first<2>());
  return outcome;
}

Outcome SwitchHeater(Device& device, bool on, bool& was_on) {
  Outcome outcome = ReadHeater(device, was_on);
  if (outcome.ok()) outcome = SendCommand(device, on ? kHeaterOn : kHeaterOff);
  if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
  bool is_on = on;
  if (outcome.ok()) outcome = ReadHeater(device, is_on);
  if (outcome.ok() && is_on != on) {
    return {Fault::kForeign, 0, "the heater bit of the status register does not follow"};
  }
  return outcome;
}

}  // namespace penumbra::i2c
