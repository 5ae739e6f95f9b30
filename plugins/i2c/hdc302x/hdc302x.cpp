#include "i2c/hdc302x/hdc302x.hpp"

#include "i2c/core/warmth.hpp"

namespace penumbra::i2c::hdc302x {
namespace {

constexpr std::array<std::uint8_t, 2> kMeasure{0x24, 0x00};  // low-power mode 0, the least noise
constexpr std::uint16_t kExitAuto = 0x3093;  // leaves an automatic mode that somebody else may have started
constexpr std::uint16_t kHeaterOff = 0x3066;
constexpr std::uint16_t kConfigureHeater = 0x306E;
constexpr std::array<std::uint8_t, 2> kReadHeater{0x30, 0x6E};
constexpr std::uint16_t kSoftReset = 0x30A2;
constexpr std::array<std::uint8_t, 2> kManufacturer{0x37, 0x81};
constexpr std::uint16_t kTexasInstruments = 0x3000;
constexpr std::int64_t kMeasuringUs = 13'000;  // 12.5 ms, typical; it refuses a read while it measures
constexpr int kTries = 10;
constexpr std::int64_t kResetMs = 5;
constexpr std::int64_t kCommandTimeMs = 1;
// 7.3.7: a wet chip must not exceed 100 Cel.
constexpr double kHottest = 100;

class Hdc302x : public Chip {
 public:
  // `heater`: which of the fourteen resistors heat; 0: none.
  explicit Hdc302x(std::uint16_t heater) : heater_(heater) {}

  Outcome Init(Device& device) override {
    Outcome outcome = SendCommand(device, kExitAuto);
    if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
    std::uint16_t maker = 0;
    if (outcome.ok()) outcome = ReadCheckedWord(device, kManufacturer, "manufacturer ID", maker);
    if (outcome.ok() && maker != kTexasInstruments) {
      return {Fault::kForeign, 0, "its manufacturer ID is not that of Texas Instruments"};
    }
    return outcome.ok() ? SetHeater(device) : outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    values.doubt = warmth_.Doubt(device.NowNs());
    const Outcome outcome = MeasurePair(device, {kMeasure, kMeasuringUs, kTries}, kScale, values);
    if (outcome.ok() && warmth_.on() && *values.Get(Quantity::kTemperature) >= kHottest &&
        SendCommand(device, kHeaterOff).ok()) {
      too_hot_ = true;
      warmth_.OnUntil(device.NowNs());
    }
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = SendCommand(device, kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetMs) : outcome;
  }

 private:
  // The configuration goes first: TI says that it is not taken while the heater is on.
  Outcome SetHeater(Device& device) {
    const bool on = heater_ != 0 && !too_hot_;
    bool was_on = false;
    Outcome outcome = SwitchHeater(device, false, was_on);
    if (outcome.ok() && was_on) warmth_.OnUntil(device.NowNs());
    if (!outcome.ok() || !on) return outcome;
    std::uint16_t configured = 0;
    outcome = SendWord(device, kConfigureHeater, heater_);
    if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
    if (outcome.ok()) outcome = ReadCheckedWord(device, kReadHeater, "heater configuration", configured);
    if (outcome.ok() && configured != heater_) return {Fault::kForeign, 0, "its heater configuration does not follow"};
    if (outcome.ok()) outcome = SwitchHeater(device, true, was_on);
    if (outcome.ok()) warmth_.On();
    return outcome;
  }

  std::uint16_t heater_;
  bool too_hot_ = false;  // switched off for good, until the bus is opened again
  Warmth warmth_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  const int configuration = thing.value("heater_configuration", 0x009F);
  return std::make_unique<Hdc302x>(thing.value("heater", false) ? static_cast<std::uint16_t>(configuration & 0x3FFF)
                                                                : std::uint16_t{0});
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 4> kAddresses{0x44, 0x45, 0x46, 0x47};

}  // namespace

const ChipType kType{
    .name = "hdc302x",
    .title = "TI HDC3020, HDC3021, HDC3022",
    .measurands = kMeasurands,
    .default_address = 0x44,
    .addresses = kAddresses,
    .thing_properties = R"("heater":{"type":"boolean","default":false,
      "description":"Turns the chip's heater on, to dry it or to mend an offset after long exposure. Values are uncertain while it is on and for a minute after. At 100 Cel it is switched off until the gateway opens the bus again."},
    "heater_configuration":{"type":"integer","minimum":1,"maximum":16383,"default":159,
      "description":"Which of the heater's fourteen resistors are used, one bit each: 159 (0x009F) is a quarter of the power (about 66 mW at 3.3 V), 1023 (0x03FF) half, 16383 (0x3FFF) all of it (about 270 mW)."})",
    .make = Make,
};

}  // namespace penumbra::i2c::hdc302x
