#include "i2c/sht4x/sht4x.hpp"

#include <string>

namespace penumbra::i2c::sht4x {
namespace {

// Tables 5 and 8: command and longest measuring time.
struct Precision {
  const char* name;
  std::uint8_t command;
  std::int64_t time_us;
};
constexpr std::array<Precision, 3> kPrecisions{{{"high", 0xFD, 8'300}, {"medium", 0xF6, 4'500}, {"low", 0xE0, 1'600}}};
constexpr std::uint8_t kReadSerial = 0x89, kSoftReset = 0x94;
constexpr std::int64_t kCommandTimeMs = 1;  // 4.8: also the time after a soft reset

class Sht4x : public Chip {
 public:
  explicit Sht4x(const Precision& precision) : precision_(precision) {}

  // Nothing is set up in this chip; the serial number shows that it is one (an SHT3x does not know the command).
  Outcome Init(Device& device) override {
    std::array<std::uint8_t, 6> answer{};
    Outcome outcome = device.WriteBytes(kReadSerial);
    if (outcome.ok()) outcome = device.SleepMs(kCommandTimeMs);
    if (outcome.ok()) outcome = device.Read(answer);
    if (outcome.ok() && !RightSums(answer)) return {Fault::kCrc, 0, "serial number"};
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    Outcome outcome = device.WriteBytes(precision_.command);
    if (outcome.ok()) outcome = device.SleepUs(precision_.time_us);
    std::array<std::uint8_t, kAnswerSize> answer{};
    if (outcome.ok()) outcome = device.Read(answer);
    if (outcome.ok()) outcome.fault = Decode(answer, values);
    return outcome;
  }

  Outcome Reset(Device& device) override {
    const Outcome outcome = device.WriteBytes(kSoftReset);
    return outcome.ok() ? device.SleepMs(kCommandTimeMs) : outcome;
  }

 private:
  static bool RightSums(std::span<const std::uint8_t, 6> answer) {
    return Crc8(answer.first<2>()) == answer[2] && Crc8(answer.subspan<3, 2>()) == answer[5];
  }
  const Precision& precision_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  const std::string wanted = thing.value("precision", "high");
  const Precision* precision = &kPrecisions.front();
  for (const Precision& known : kPrecisions) {
    if (wanted == known.name) precision = &known;
  }
  return std::make_unique<Sht4x>(*precision);
}

constexpr std::array<Measurand, 2> kMeasurands{{{Quantity::kTemperature, -40, 125}, {Quantity::kHumidity, 0, 100}}};
constexpr std::array<std::uint8_t, 3> kAddresses{0x44, 0x45, 0x46};

}  // namespace

Fault Decode(std::span<const std::uint8_t, kAnswerSize> answer, Values& values) {
  if (Crc8(answer.first<2>()) != answer[2] || Crc8(answer.subspan<3, 2>()) != answer[5]) return Fault::kCrc;
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(BigEndian16(answer.first<2>())), 100));
  values.Set(Quantity::kHumidity, Scaled(CentiPercent(BigEndian16(answer.subspan<3, 2>())), 100));
  return Fault::kNone;
}

const ChipType kType{
    .name = "sht4x",
    .title = "Sensirion SHT40, SHT41, SHT43, SHT45",
    .measurands = kMeasurands,
    .default_address = 0x44,
    .addresses = kAddresses,
    .thing_properties = R"("precision":{"type":"string","enum":["high","medium","low"],"default":"high",
      "description":"How well measurements repeat: high takes 8.3 ms (0.04 Cel, 0.08 %), medium 4.5 ms, low 1.6 ms (0.1 Cel, 0.25 %)."})",
    .make = Make,
};

}  // namespace penumbra::i2c::sht4x
