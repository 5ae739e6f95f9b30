#include "i2c/hdc302x/hdc302x.hpp"

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c::hdc302x {
namespace {

constexpr std::uint16_t kMeasure = 0x2400;   // low-power mode 0, the least noise
constexpr std::uint16_t kExitAuto = 0x3093;  // leaves an automatic mode that somebody else may have started
constexpr std::uint16_t kHeaterOff = 0x3066;
constexpr std::uint16_t kSoftReset = 0x30A2;
constexpr std::uint16_t kManufacturer = 0x3781;
constexpr std::uint16_t kTexasInstruments = 0x3000;
constexpr std::int64_t kMeasuringMs = 13;  // typical; it refuses a read while it measures
constexpr std::int64_t kResetMs = 5;
constexpr std::int64_t kCommandTimeMs = 1;

Outcome Send(Device& device, std::uint16_t command) {
  return device.WriteBytes(command >> 8U, command & 0xffU);
}

class Hdc302x : public Chip {
 public:
  Outcome Init(Device& device) override {
    Outcome outcome = Send(device, kExitAuto);
    if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
    if (outcome.ok()) outcome = Send(device, kHeaterOff);
    std::array<std::uint8_t, 3> answer{};
    const std::array<std::uint8_t, 2> command{kManufacturer >> 8U, kManufacturer & 0xffU};
    if (outcome.ok()) outcome = device.WriteRead(command, answer);
    if (!outcome.ok()) return outcome;
    if (Crc8(std::span(answer).first<2>()) != answer[2]) return {Fault::kCrc, 0, "manufacturer ID"};
    if (BigEndian16(std::span(answer).first<2>()) != kTexasInstruments) {
      return {Fault::kForeign, 0, "its manufacturer ID is not that of Texas Instruments"};
    }
    return {};
  }

  Outcome Measure(Device& device, Values& values) override {
    Outcome outcome = Send(device, kMeasure);
    std::array<std::uint8_t, kAnswerSize> answer{};
    if (outcome.ok()) outcome = ReadWhenReady(device, answer, kMeasuringMs);
    if (outcome.ok()) outcome.fault = Decode(answer, values);
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = Send(device, kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetMs) : outcome;
  }
};

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 4> kAddresses{0x44, 0x45, 0x46, 0x47};

}  // namespace

Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values) {
  if (Crc8(answer.first<2>()) != answer[2] || Crc8(answer.subspan<3, 2>()) != answer[5]) return Fault::kCrc;
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(BigEndian16(answer.first<2>())), 100));
  values.Set(Quantity::kHumidity, Scaled(CentiPercent(BigEndian16(answer.subspan<3, 2>())), 100));
  return Fault::kNone;
}

const ChipType kType{
    .name = "hdc302x",
    .title = "TI HDC3020, HDC3021, HDC3022",
    .measurands = kMeasurands,
    .default_address = 0x44,
    .addresses = kAddresses,
    .thing_properties = "",
    .make = [](const nlohmann::json&) -> std::unique_ptr<Chip> { return std::make_unique<Hdc302x>(); },
};

}  // namespace penumbra::i2c::hdc302x
