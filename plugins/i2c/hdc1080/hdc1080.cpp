#include "i2c/hdc1080/hdc1080.hpp"

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c::hdc1080 {
namespace {

constexpr std::uint8_t kRegTemperature = 0x00, kRegConfiguration = 0x02, kRegManufacturer = 0xFE, kRegDevice = 0xFF;
constexpr std::uint16_t kTexasInstruments = 0x5449, kHdc1080 = 0x1050, kHdc1000 = 0x1000;
// Configuration, table 5: bit 15 reset, 13 heater, 12 both values in one measurement, 10 and 9:8 resolution.
constexpr std::uint16_t kReset = 0x8000, kHeater = 0x2000, kBoth = 0x1000, kElevenBits = 0x0500;
constexpr std::int64_t kStartMs = 15;
constexpr std::int64_t kMeasuringUs = 14'000;  // 6.35 + 6.5, typical; it refuses a read while it measures

class Hdc1080 : public Chip {
 public:
  Hdc1080(bool heater, bool fast)
      : configuration_(static_cast<std::uint16_t>(kBoth | (heater ? kHeater : 0) | (fast ? kElevenBits : 0))) {}

  Outcome Init(Device& device) override {
    std::uint16_t manufacturer = 0, chip = 0;
    Outcome outcome = ReadWord(device, kRegManufacturer, manufacturer);
    if (outcome.ok()) outcome = ReadWord(device, kRegDevice, chip);
    if (!outcome.ok()) return outcome;
    if (manufacturer != kTexasInstruments || (chip != kHdc1080 && chip != kHdc1000)) {
      return {Fault::kForeign, 0, "its identity registers are not those of an HDC1080"};
    }
    return WriteWord(device, kRegConfiguration, configuration_);
  }

  Outcome Measure(Device& device, Values& values) override {
    // The heater is on during measurements alone (feature description), so that nothing is warm afterwards that was not
    // before.
    if ((configuration_ & kHeater) != 0) values.doubt = "its heater is on";
    Outcome outcome = device.WriteBytes(kRegTemperature);
    std::array<std::uint8_t, kAnswerSize> answer{};
    if (outcome.ok()) outcome = ReadWhenReady(device, answer, kMeasuringUs);
    if (outcome.ok()) Decode(answer, values);
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = WriteWord(device, kRegConfiguration, kReset);
    return outcome.ok() ? device.SleepMs(kStartMs) : outcome;
  }

 private:
  std::uint16_t configuration_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Hdc1080>(thing.value("heater", false), thing.value("resolution", 14) == 11);
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 4> kAddresses{0x40, 0x41, 0x42, 0x43};

}  // namespace

void Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values) {
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(BigEndian16(answer.first<2>())), 100));
  values.Set(Quantity::kHumidity, Scaled(CentiPercent(BigEndian16(answer.subspan<2, 2>())), 100));
}

const ChipType kType{
    .name = "hdc1080",
    .title = "TI HDC1080 (0x40), HDC1000, HDC1010 (0x40 to 0x43)",
    .measurands = kMeasurands,
    .default_address = 0x40,
    .addresses = kAddresses,
    .thing_properties = R"("resolution":{"type":"integer","enum":[11,14],"default":14,"x-unit":"bit",
      "description":"Bits of each value. 14 takes 13 ms, 11 takes 8 ms and warms the chip less."},
    "heater":{"type":"boolean","default":false,
      "description":"Heats during measurements, to dry the chip. Temperature is then too high and humidity too low, and both are uncertain."})",
    .make = Make,
};

}  // namespace penumbra::i2c::hdc1080
