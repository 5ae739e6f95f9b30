#include "i2c/htu21d/htu21d.hpp"

#include <string>

#include "i2c/core/chip_io.hpp"
#include "i2c/core/warmth.hpp"

namespace penumbra::i2c::htu21d {
namespace {

constexpr std::uint8_t kMeasureTemperature = 0xF3, kMeasureHumidity = 0xF5;  // no hold
constexpr std::uint8_t kWriteUser = 0xE6, kReadUser = 0xE7, kSoftReset = 0xFE;
// User register, page 13: bits 7 and 0 resolution, 2 heater; the others must stay as they are.
constexpr std::uint8_t kResolutionMask = 0x81, kHeater = 0x04;
constexpr std::int64_t kResetMs = 15;
// Of the whole family: 50 ms for 14 bits of an HTU21D, 85 ms of an SHT21, 11 ms of a Si7021. It refuses a read while it
// measures, so the wait begins short and goes on in steps.
constexpr std::int64_t kFirstWaitUs = 12'000;

struct Resolution {
  const char* name;  // bits of humidity and temperature
  std::uint8_t bits;
};
constexpr std::array<Resolution, 4> kResolutions{{{"12/14", 0x00}, {"8/12", 0x01}, {"10/13", 0x80}, {"11/11", 0x81}}};

class Htu21d : public Chip {
 public:
  Htu21d(std::uint8_t resolution, bool heater)
      : user_(static_cast<std::uint8_t>(resolution | (heater ? kHeater : 0))) {}

  Outcome Init(Device& device) override {
    std::uint8_t user = 0;
    Outcome outcome = device.ReadRegister(kReadUser, {&user, 1});
    if (!outcome.ok()) return outcome;
    if ((user_ & kHeater) != 0) {
      warmth_.On();
    } else if ((user & kHeater) != 0) {
      warmth_.OnUntil(device.NowNs());
    }
    const auto wanted = static_cast<std::uint8_t>((user & ~(kResolutionMask | kHeater)) | user_);
    if (wanted == user) return outcome;
    outcome = device.WriteBytes(kWriteUser, wanted);
    if (outcome.ok()) outcome = device.ReadRegister(kReadUser, {&user, 1});
    if (outcome.ok() && (user & (kResolutionMask | kHeater)) != user_) {
      return {Fault::kForeign, 0, "its user register does not take what is written"};
    }
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    std::uint16_t temperature = 0, humidity = 0;
    values.doubt = warmth_.Doubt(device.NowNs());
    Outcome outcome = One(device, kMeasureTemperature, temperature);
    if (outcome.ok()) outcome = One(device, kMeasureHumidity, humidity);
    if (!outcome.ok()) return outcome;
    values.Set(Quantity::kTemperature, Scaled(CentiCelsius(temperature), 100));
    values.Set(Quantity::kHumidity, Scaled(CentiPercent(humidity), 100));
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = device.WriteBytes(kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetMs) : outcome;
  }

 private:
  static Outcome One(Device& device, std::uint8_t command, std::uint16_t& raw) {
    Outcome outcome = device.WriteBytes(command);
    std::array<std::uint8_t, kAnswerSize> answer{};
    if (outcome.ok()) outcome = ReadWhenReady(device, answer, kFirstWaitUs);
    if (outcome.ok()) outcome.fault = Decode(answer, raw);
    return outcome;
  }
  std::uint8_t user_;
  Warmth warmth_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Htu21d>(EntryNamed(kResolutions, thing.value("resolution", "12/14")).bits,
                                  thing.value("heater", false));
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 1> kAddresses{0x40};

}  // namespace

Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, std::uint16_t& raw) {
  if (Crc8(answer.first<2>(), 0) != answer[2]) return Fault::kCrc;
  raw = BigEndian16(answer.first<2>());
  return Fault::kNone;
}

const ChipType kType{
    .name = "htu21d",
    .title = "TE HTU21D, Silicon Labs Si7021, Sensirion SHT20, SHT21, SHT25",
    .measurands = kMeasurands,
    .default_address = 0x40,
    .addresses = kAddresses,
    .thing_properties =
        R"("resolution":{"type":"string","enum":["12/14","8/12","10/13","11/11"],"default":"12/14","x-unit":"bit",
      "description":"Bits of humidity and of temperature. Fewer are faster and warm the chip less."},
    "heater":{"type":"boolean","default":false,
      "description":"Turns the chip's heater on, to dry it or to see that it follows. It then measures 0.5 to 1.5 Cel too much, and too little humidity: values are uncertain while it is on and for a minute after."})",
    .make = Make,
};

}  // namespace penumbra::i2c::htu21d
