#include "i2c/tmp102/tmp102.hpp"

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c::tmp102 {
namespace {

constexpr std::uint8_t kRegTemperature = 0, kRegConfiguration = 1;
// One shot, 12-bit resolution (read-only bits), shutdown; and extended mode, so that above 128 Cel it does not stop.
constexpr std::uint8_t kOneShotHigh = 0xE1, kShutdownHigh = 0x61, kExtendedLow = 0xB0;
constexpr std::uint16_t kResolutionBits = 0x6000;  // always 11
constexpr std::uint16_t kDone = 0x8000;
constexpr std::int64_t kConversionMs = 35;
constexpr int kTries = 5;

class Tmp102 : public Chip {
 public:
  Outcome Init(Device& device) override {
    Outcome outcome = device.WriteBytes(kRegConfiguration, kShutdownHigh, kExtendedLow);
    std::uint16_t configuration = 0;
    if (outcome.ok()) outcome = ReadWord(device, kRegConfiguration, configuration);
    if (outcome.ok() && (configuration & kResolutionBits) != kResolutionBits) {
      return {Fault::kForeign, 0, "the resolution bits of the configuration register are not those of a TMP102"};
    }
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    Outcome outcome = device.WriteBytes(kRegConfiguration, kOneShotHigh, kExtendedLow);
    if (outcome.ok()) outcome = device.SleepMs(kConversionMs);
    if (outcome.ok()) outcome = WaitDone(device);
    std::uint16_t word = 0;
    if (outcome.ok()) outcome = ReadWord(device, kRegTemperature, word);
    if (outcome.ok()) values.Set(Quantity::kTemperature, Scaled(Sixteenths(word), 16));
    return outcome;
  }

  // The only reset of this chip is the general call, which would reset every chip on the bus that knows it. Init writes
  // all that matters.
  Outcome Reset(Device&) override { return {}; }

 private:
  static Outcome WaitDone(Device& device) {
    for (int i = 0; i < kTries; ++i) {
      std::uint16_t configuration = 0;
      Outcome outcome = ReadWord(device, kRegConfiguration, configuration);
      if (!outcome.ok() || (configuration & kDone) != 0) return outcome;
      outcome = device.SleepMs(5);
      if (!outcome.ok()) return outcome;
    }
    return {Fault::kNotReady, 0, {}};
  }
};

constexpr std::array<Measurand, 1> kMeasurands{{{Quantity::kTemperature, -55, 150}}};
constexpr std::array<std::uint8_t, 4> kAddresses{0x48, 0x49, 0x4A, 0x4B};

}  // namespace

const ChipType kType{
    .name = "tmp102",
    .title = "TI TMP102",
    .measurands = kMeasurands,
    .default_address = 0x48,
    .addresses = kAddresses,
    .thing_properties = "",
    .make = [](const nlohmann::json&) -> std::unique_ptr<Chip> { return std::make_unique<Tmp102>(); },
};

}  // namespace penumbra::i2c::tmp102
