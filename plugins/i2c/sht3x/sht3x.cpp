#include "i2c/sht3x/sht3x.hpp"

#include <string>

#include "i2c/core/warmth.hpp"

namespace penumbra::i2c::sht3x {
namespace {

// Table 4, maximum at the lowest supply voltage, rounded up to 0.5 ms.
struct Repeatability {
  const char* name;
  std::array<std::uint8_t, 2> command;
  std::int64_t time_us;
};
constexpr std::array<Repeatability, 3> kRepeatabilities{
    {{"high", {0x24, 0x00}, 15'500}, {"medium", {0x24, 0x0B}, 6'500}, {"low", {0x24, 0x16}, 4'500}}};

constexpr std::uint16_t kSoftReset = 0x30A2;
constexpr std::uint16_t kBreak = 0x3093;    // ends a periodic mode that somebody else may have started
constexpr std::int64_t kResetTimeMs = 2;    // 1.5 ms
constexpr std::int64_t kCommandTimeMs = 1;  // between two commands

class Sht3x : public Chip {
 public:
  Sht3x(const Repeatability& repeatability, bool heater) : repeatability_(repeatability), heater_(heater) {}

  Outcome Init(Device& device) override {
    // A chip that is idle may refuse the break; one that is not there refuses what follows, too.
    Outcome outcome = SendCommand(device, kBreak);
    if (outcome.ok() || outcome.fault == Fault::kNoAnswer) outcome = device.SleepMs(kCommandTimeMs);
    bool was_on = false;
    if (outcome.ok()) outcome = SwitchHeater(device, heater_, was_on);
    if (!outcome.ok()) return outcome;
    if (heater_) {
      warmth_.On();
    } else if (was_on) {
      warmth_.OnUntil(device.NowNs());
    }
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    values.doubt = warmth_.Doubt(device.NowNs());
    return MeasurePair(device, {repeatability_.command, repeatability_.time_us}, kScale, values);
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = SendCommand(device, kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetTimeMs) : outcome;
  }

 private:
  const Repeatability& repeatability_;
  bool heater_;
  Warmth warmth_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Sht3x>(EntryNamed(kRepeatabilities, thing.value("repeatability", "high")),
                                 thing.value("heater", false));
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 2> kAddresses{0x44, 0x45};

}  // namespace

const ChipType kType{
    .name = "sht3x",
    .title = "Sensirion SHT30, SHT31, SHT35, SHT85",
    .measurands = kMeasurands,
    .default_address = 0x44,
    .addresses = kAddresses,
    .thing_properties =
        R"("repeatability":{"type":"string","enum":["high","medium","low"],"default":"high",
      "description":"How well measurements repeat: high takes 15.5 ms (0.04 Cel, 0.08 %), medium 6.5 ms, low 4.5 ms. Shorter ones warm the chip less."},
    "heater":{"type":"boolean","default":false,
      "description":"Turns the chip's heater on, to dry it or to see that it follows. It then measures some degrees too much, and too little humidity: values are uncertain while it is on and for a minute after."})",
    .make = Make,
};

}  // namespace penumbra::i2c::sht3x
