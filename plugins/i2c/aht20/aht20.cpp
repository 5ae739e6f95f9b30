#include "i2c/aht20/aht20.hpp"

namespace penumbra::i2c::aht20 {
namespace {

constexpr std::uint8_t kInitialise = 0xBE, kMeasure = 0xAC, kSoftReset = 0xBA;
constexpr std::uint8_t kBusy = 0x80, kCalibrated = 0x08;
constexpr std::int64_t kInitialiseMs = 10, kMeasuringMs = 80, kResetMs = 20;
constexpr int kBusyTries = 5;  // of 10 ms

class Aht20 : public Chip {
 public:
  Outcome Init(Device& device) override {
    std::uint8_t status = 0;
    Outcome outcome = device.Read({&status, 1});
    if (!outcome.ok() || (status & kCalibrated) != 0) return outcome;
    outcome = device.WriteBytes(kInitialise, 0x08, 0x00);
    if (outcome.ok()) outcome = device.SleepMs(kInitialiseMs);
    if (outcome.ok()) outcome = device.Read({&status, 1});
    if (outcome.ok() && (status & kCalibrated) == 0) return {Fault::kNotReady, 0, "the chip does not get calibrated"};
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    Outcome outcome = device.WriteBytes(kMeasure, 0x33, 0x00);
    if (outcome.ok()) outcome = device.SleepMs(kMeasuringMs);
    for (int i = 0; outcome.ok() && i < kBusyTries; ++i) {
      std::array<std::uint8_t, kAnswerSize> answer{};
      outcome = device.Read(answer);
      if (!outcome.ok()) break;
      outcome.fault = Decode(answer, values);
      // It has lost its power since Init: what it measures now is not calibrated.
      if (outcome.ok() && (answer[0] & kCalibrated) == 0) return {Fault::kNotReady, 0, "not calibrated"};
      if (outcome.fault != Fault::kNotReady) break;
      if (i + 1 < kBusyTries) outcome = device.SleepMs(10);
    }
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = device.WriteBytes(kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetMs) : outcome;
  }
};

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 85}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 1> kAddresses{0x38};

}  // namespace

Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values) {
  if (Crc8(answer.first<6>()) != answer[6]) return Fault::kCrc;
  if ((answer[0] & kBusy) != 0) return Fault::kNotReady;
  const std::uint32_t humidity = static_cast<std::uint32_t>(answer[1]) << 12U | answer[2] << 4U | answer[3] >> 4U;
  const std::uint32_t temperature = (answer[3] & 0x0FU) << 16U | answer[4] << 8U | answer[5];
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(temperature), 100));
  values.Set(Quantity::kHumidity, Scaled(CentiPercent(humidity), 100));
  return Fault::kNone;
}

const ChipType kType{
    .name = "aht20",
    .title = "ASAIR AHT20, AHT21, AHT25",
    .measurands = kMeasurands,
    .default_address = 0x38,
    .addresses = kAddresses,
    .thing_properties = "",
    .make = [](const nlohmann::json&) -> std::unique_ptr<Chip> { return std::make_unique<Aht20>(); },
};

}  // namespace penumbra::i2c::aht20
