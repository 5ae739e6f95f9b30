#include "i2c/lm75/lm75.hpp"

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c::lm75 {
namespace {

constexpr std::uint8_t kRegTemperature = 0, kRegConfiguration = 1;
constexpr std::uint8_t kShutdown = 0x01;
constexpr std::int64_t kConversionMs = 300;  // the slowest of the family: 12 bits of a TMP75, 300 ms of an LM75B/C

class Lm75 : public Chip {
 public:
  explicit Lm75(int bits) : bits_(bits) {}

  Outcome Init(Device& device) override {
    std::uint8_t configuration = 0;
    Outcome outcome = device.ReadRegister(kRegConfiguration, {&configuration, 1});
    if (!outcome.ok() || (configuration & kShutdown) == 0) return outcome;
    outcome = device.WriteBytes(kRegConfiguration, configuration & ~kShutdown);
    return outcome.ok() ? device.SleepMs(kConversionMs) : outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    std::uint16_t word = 0;
    const Outcome outcome = ReadWord(device, kRegTemperature, word);
    if (outcome.ok()) values.Set(Quantity::kTemperature, Scaled(Sixteenths(word, bits_), 16));
    return outcome;
  }

  // There is no reset but the power, and for some the general call, which would reset others on the bus as well.
  Outcome Reset(Device&) override { return {}; }

 private:
  int bits_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Lm75>(thing.value("bits", 9));
}

constexpr std::array<Measurand, 1> kMeasurands{{{Quantity::kTemperature, -55, 127}}};
constexpr std::array<std::uint8_t, 8> kAddresses{0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F};

}  // namespace

const ChipType kType{
    .name = "lm75",
    .title = "LM75, LM75A, LM75B, DS75, TMP75, TMP175",
    .measurands = kMeasurands,
    .default_address = 0x48,
    .addresses = kAddresses,
    .thing_properties = R"("bits":{"type":"integer","minimum":9,"maximum":12,"default":9,"x-unit":"bit",
      "description":"Bits of the value: 9 (0.5 Cel) for an LM75 or LM75A, 11 (0.125 Cel) for an LM75B of NXP, 12 for a chip that is set to them."})",
    .make = Make,
};

}  // namespace penumbra::i2c::lm75
