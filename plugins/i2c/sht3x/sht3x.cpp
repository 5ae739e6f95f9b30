#include "i2c/sht3x/sht3x.hpp"

#include <string>

namespace penumbra::i2c::sht3x {
namespace {

// Table 4, maximum at the lowest supply voltage, rounded up to 0.5 ms.
struct Repeatability {
  const char* name;
  std::uint16_t command;
  std::int64_t time_us;
};
constexpr std::array<Repeatability, 3> kRepeatabilities{
    {{"high", 0x2400, 15'500}, {"medium", 0x240B, 6'500}, {"low", 0x2416, 4'500}}};

constexpr std::uint16_t kSoftReset = 0x30A2;
constexpr std::uint16_t kBreak = 0x3093;  // ends a periodic mode that somebody else may have started
constexpr std::uint16_t kHeaterOn = 0x306D, kHeaterOff = 0x3066;
constexpr std::uint16_t kReadStatus = 0xF32D;
constexpr std::uint16_t kStatusHeater = 1U << 13U;
constexpr std::int64_t kResetTimeMs = 2;    // 1.5 ms
constexpr std::int64_t kCommandTimeMs = 1;  // between two commands

Outcome Send(Device& device, std::uint16_t command) {
  return device.WriteBytes(command >> 8U, command & 0xffU);
}

class Sht3x : public Chip {
 public:
  Sht3x(const Repeatability& repeatability, bool heater) : repeatability_(repeatability), heater_(heater) {}

  Outcome Init(Device& device) override {
    // A chip that is idle may refuse the break; one that is not there refuses what follows, too.
    Outcome outcome = Send(device, kBreak);
    if (outcome.ok() || outcome.fault == Fault::kNoAnswer) outcome = device.SleepMs(kCommandTimeMs);
    if (outcome.ok()) outcome = Send(device, heater_ ? kHeaterOn : kHeaterOff);
    if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
    return outcome.ok() ? CheckStatus(device) : outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    Outcome outcome = Send(device, repeatability_.command);
    if (outcome.ok()) outcome = device.SleepUs(repeatability_.time_us);
    std::array<std::uint8_t, kAnswerSize> answer{};
    if (outcome.ok()) outcome = device.Read(answer);
    if (outcome.ok()) outcome.fault = Decode(answer, values);
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = Send(device, kSoftReset);
    return outcome.ok() ? device.SleepMs(kResetTimeMs) : outcome;
  }

 private:
  // That the chip took the heater command; and that it is a chip with this register, with a right CRC, at all.
  Outcome CheckStatus(Device& device) {
    const std::array<std::uint8_t, 2> command{kReadStatus >> 8U, kReadStatus & 0xffU};
    std::array<std::uint8_t, 3> answer{};
    Outcome outcome = device.WriteRead(command, answer);
    if (!outcome.ok()) return outcome;
    if (Crc8(std::span(answer).first<2>()) != answer[2]) return {Fault::kCrc, 0, "status register"};
    const bool on = (BigEndian16(std::span(answer).first<2>()) & kStatusHeater) != 0;
    if (on != heater_) return {Fault::kForeign, 0, "the heater bit of the status register does not follow"};
    return {};
  }

  const Repeatability& repeatability_;
  bool heater_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  const std::string wanted = thing.value("repeatability", "high");
  const Repeatability* repeatability = &kRepeatabilities.front();
  for (const Repeatability& known : kRepeatabilities) {
    if (wanted == known.name) repeatability = &known;
  }
  return std::make_unique<Sht3x>(*repeatability, thing.value("heater", false));
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 2> kAddresses{0x44, 0x45};

}  // namespace

Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values) {
  if (Crc8(answer.first<2>()) != answer[2] || Crc8(answer.subspan<3, 2>()) != answer[5]) return Fault::kCrc;
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(BigEndian16(answer.first<2>())), 100));
  values.Set(Quantity::kHumidity, Scaled(CentiPercent(BigEndian16(answer.subspan<3, 2>())), 100));
  return Fault::kNone;
}

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
      "description":"Turns the chip's heater on, to dry it or to see that it follows. It then measures some degrees too much: for tests, not for operation."})",
    .make = Make,
};

}  // namespace penumbra::i2c::sht3x
