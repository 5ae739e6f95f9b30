#include "i2c/bme280/bme280.hpp"

#include <algorithm>
#include <limits>

namespace penumbra::i2c::bme280 {
namespace {

// Registers, section 5.3.
constexpr std::uint8_t kRegCalibration1 = 0x88, kRegId = 0xD0, kRegReset = 0xE0, kRegCalibration2 = 0xE1,
                       kRegCtrlHum = 0xF2, kRegStatus = 0xF3, kRegCtrlMeas = 0xF4, kRegConfig = 0xF5, kRegData = 0xF7;
constexpr std::uint8_t kIdBme280 = 0x60, kIdBmp280 = 0x58, kIdBmp280Sample1 = 0x56, kIdBmp280Sample2 = 0x57;
constexpr std::uint8_t kResetWord = 0xB6;
constexpr std::uint8_t kMeasuring = 0x08, kCopyingTrim = 0x01;
constexpr std::uint8_t kForced = 0x01;
constexpr std::int64_t kStartUpMs = 2;        // table 1
constexpr int kStatusTries = 10;              // of 1 ms, beyond the longest measuring time
constexpr std::int32_t kSkipped20 = 0x80000;  // sections 5.4.7 to 5.4.9: the reset value
constexpr std::int32_t kSkipped16 = 0x8000;

// 200 Cel each way: far beyond -40..85, and small enough that nothing below overflows.
constexpr std::int64_t kMaxFine = 200 * 5120;

std::int16_t Signed16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::int16_t>(bytes[at] | bytes[at + 1] << 8U);
}

// Oversampling 1, 2, 4, 8, 16 as its register value 1 to 5.
std::uint8_t CodeOf(std::int64_t oversampling) {
  std::uint8_t code = 1;
  for (; oversampling > 1 && code < 5; oversampling /= 2) ++code;
  return code;
}

class Bme280 : public Chip {
 public:
  // `oversampling`: 1, 2, 4, 8 or 16, for all three. `filter`: 0 off, else the coefficient 2, 4, 8 or 16.
  Bme280(std::int64_t oversampling, std::int64_t filter)
      : samples_(oversampling), osrs_(CodeOf(oversampling)), filter_(filter < 2 ? 0 : CodeOf(filter) - 1) {}

  Outcome Init(Device& device) override {
    std::uint8_t id = 0;
    Outcome outcome = device.ReadRegister(kRegId, {&id, 1});
    if (!outcome.ok()) return outcome;
    humid_ = id == kIdBme280;
    if (!humid_ && id != kIdBmp280 && id != kIdBmp280Sample1 && id != kIdBmp280Sample2) {
      return {Fault::kForeign, 0, "register 0xd0 is " + Hex(id) + ", a BME280 has 0x60 and a BMP280 0x58"};
    }
    // Sleep first: config may be ignored in the other modes (5.4.6).
    outcome = device.WriteBytes(kRegCtrlMeas, 0);
    if (outcome.ok()) outcome = device.WriteBytes(kRegConfig, filter_ << 2U);
    return outcome.ok() ? ReadCalibration(device) : outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    // ctrl_hum takes effect with the write of ctrl_meas (5.4.3). Both every time: a chip that lost its power in between
    // measures right all the same.
    Outcome outcome = humid_ ? device.WriteBytes(kRegCtrlHum, osrs_) : Outcome{};
    if (outcome.ok()) outcome = device.WriteBytes(kRegCtrlMeas, osrs_ << 5U | osrs_ << 2U | kForced);
    if (outcome.ok()) outcome = device.SleepUs(LongestMeasurementUs());
    if (outcome.ok()) outcome = WaitWhile(device, kMeasuring);
    std::array<std::uint8_t, kDataSize> data{};
    const std::size_t size = humid_ ? kDataSize : kDataSize - 2;
    if (outcome.ok()) outcome = device.ReadRegister(kRegData, std::span(data).first(size));
    if (outcome.ok()) outcome.fault = Decode(calibration_, humid_, data, values);
    if (outcome.fault == Fault::kForeign) outcome.note = "values that no working chip gives";
    return outcome;
  }

  Outcome Reset(Device& device) override {
    Outcome outcome = device.WriteBytes(kRegReset, kResetWord);
    if (outcome.ok()) outcome = device.SleepMs(kStartUpMs);
    return outcome.ok() ? WaitWhile(device, kCopyingTrim) : outcome;
  }

 private:
  // Appendix B, the maximum.
  std::int64_t LongestMeasurementUs() const { return 1250 + 2300 * samples_ + 2 * (2300 * samples_ + 575); }

  Outcome ReadCalibration(Device& device) {
    std::array<std::uint8_t, kFirstBlock> first{};
    std::array<std::uint8_t, kSecondBlock> second{};
    Outcome outcome = WaitWhile(device, kCopyingTrim);
    if (outcome.ok()) outcome = device.ReadRegister(kRegCalibration1, first);
    if (outcome.ok() && humid_) outcome = device.ReadRegister(kRegCalibration2, second);
    if (!outcome.ok()) return outcome;
    calibration_ = ParseCalibration(first, second);
    // An empty or dead memory: nothing could be computed with it (p1 is a divisor).
    if (calibration_.t1 == 0 || calibration_.t1 == 0xFFFF || calibration_.p1 == 0) {
      return {Fault::kForeign, 0, "its trimming words are empty"};
    }
    return outcome;
  }

  Outcome WaitWhile(Device& device, std::uint8_t bit) {
    for (int i = 0; i < kStatusTries; ++i) {
      std::uint8_t status = 0;
      Outcome outcome = device.ReadRegister(kRegStatus, {&status, 1});
      if (!outcome.ok() || (status & bit) == 0) return outcome;
      outcome = device.SleepMs(1);
      if (!outcome.ok()) return outcome;
    }
    return {Fault::kNotReady, 0, {}};
  }

  std::int64_t samples_;
  std::uint8_t osrs_;
  std::uint8_t filter_;
  bool humid_ = true;
  Calibration calibration_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  return std::make_unique<Bme280>(thing.value("oversampling", std::int64_t{1}), thing.value("filter", std::int64_t{0}));
}

constexpr std::array<Measurand, 3> kMeasurands{
    {{Quantity::kTemperature, -40, 85}, {Quantity::kHumidity, 0, 100}, {Quantity::kPressure, 300, 1100}}};
constexpr std::array<std::uint8_t, 2> kAddresses{0x76, 0x77};

}  // namespace

Calibration ParseCalibration(std::span<const std::uint8_t, kFirstBlock> first,
                             std::span<const std::uint8_t, kSecondBlock> second) {
  Calibration c;
  c.t1 = static_cast<std::uint16_t>(Signed16(first, 0));
  c.t2 = Signed16(first, 2);
  c.t3 = Signed16(first, 4);
  c.p1 = static_cast<std::uint16_t>(Signed16(first, 6));
  std::array<std::int16_t*, 8> p{&c.p2, &c.p3, &c.p4, &c.p5, &c.p6, &c.p7, &c.p8, &c.p9};
  for (std::size_t i = 0; i < p.size(); ++i) *p[i] = Signed16(first, 8 + 2 * i);
  c.h1 = first[25];
  c.h2 = Signed16(second, 0);
  c.h3 = second[2];
  c.h4 = static_cast<std::int16_t>(static_cast<std::int8_t>(second[3]) * 16 | (second[4] & 15));
  c.h5 = static_cast<std::int16_t>(static_cast<std::int8_t>(second[5]) * 16 | second[4] >> 4U);
  c.h6 = static_cast<std::int8_t>(second[6]);
  return c;
}

std::optional<std::int32_t> FineTemperature(const Calibration& c, std::int32_t raw) {
  const std::int64_t linear = (((raw >> 3) - (std::int64_t{c.t1} << 1U)) * c.t2) >> 11U;
  const std::int64_t distance = (raw >> 4) - std::int64_t{c.t1};
  const std::int64_t fine = linear + ((((distance * distance) >> 12U) * c.t3) >> 14U);
  if (fine < -kMaxFine || fine > kMaxFine) return std::nullopt;
  return static_cast<std::int32_t>(fine);
}

std::optional<std::uint32_t> PascalTimes256(const Calibration& c, std::int32_t fine, std::int32_t raw) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 3125;
  const std::int64_t t = std::int64_t{fine} - 128000;
  // Products instead of shifts of signed values: the same numbers, defined for negative ones.
  const std::int64_t offset = t * t * c.p6 + t * c.p5 * (1LL << 17) + c.p4 * (1LL << 35);
  const std::int64_t bend = ((t * t * c.p3) >> 8U) + t * c.p2 * (1LL << 12);
  const std::int64_t base = (1LL << 47) + bend;
  if (c.p1 == 0 || base <= 0 || base > std::numeric_limits<std::int64_t>::max() / c.p1) return std::nullopt;
  const std::int64_t scale = (base * c.p1) >> 33U;
  if (scale == 0) return std::nullopt;
  const std::int64_t span = (1048576LL - raw) * (1LL << 31) - offset;
  if (span < 0 || span > kMost) return std::nullopt;
  const std::int64_t p = span * 3125 / scale;
  if (p > 1LL << 36) return std::nullopt;
  const std::int64_t square = (c.p9 * (p >> 13U) * (p >> 13U)) >> 25U;
  const std::int64_t linear = (c.p8 * p) >> 19U;
  const std::int64_t result = ((p + square + linear) >> 8U) + c.p7 * 16LL;
  if (result < 0 || result > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  return static_cast<std::uint32_t>(result);
}

std::uint32_t PercentTimes1024(const Calibration& c, std::int32_t fine, std::int32_t raw) {
  const std::int64_t t = std::int64_t{fine} - 76800;
  const std::int64_t level = (raw * (1LL << 14) - c.h4 * (1LL << 20) - c.h5 * t + 16384) >> 15U;
  const std::int64_t bend = (((t * c.h6) >> 10U) * (((t * c.h3) >> 11U) + 32768)) >> 10U;
  std::int64_t h = level * (((bend + 2097152) * c.h2 + 8192) >> 14U);
  h -= ((((h >> 15U) * (h >> 15U)) >> 7U) * c.h1) >> 4U;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(h, 0, 419430400) >> 12U);
}

Fault Decode(const Calibration& calibration, bool humid, std::span<const std::uint8_t, kDataSize> data,
             Values& values) {
  const std::int32_t raw_p = data[0] << 12U | data[1] << 4U | data[2] >> 4U;
  const std::int32_t raw_t = data[3] << 12U | data[4] << 4U | data[5] >> 4U;
  const std::int32_t raw_h = data[6] << 8U | data[7];
  if (raw_t == kSkipped20 || raw_p == kSkipped20 || (humid && raw_h == kSkipped16)) return Fault::kNotReady;
  const auto fine = FineTemperature(calibration, raw_t);
  const auto pressure = fine ? PascalTimes256(calibration, *fine, raw_p) : std::nullopt;
  if (!pressure) return Fault::kForeign;
  values.Set(Quantity::kTemperature, Scaled(CentiCelsius(*fine), 100));
  values.Set(Quantity::kPressure, Scaled(RoundedDivide(std::int64_t{*pressure} * 10, 256), 1000));  // 0.1 Pa
  if (humid) {
    const std::int64_t percent = PercentTimes1024(calibration, *fine, raw_h);
    values.Set(Quantity::kHumidity, Scaled(RoundedDivide(percent * 100, 1024), 100));
  }
  return Fault::kNone;
}

const ChipType kType{
    .name = "bme280",
    .title = "Bosch BME280; BMP280 without humidity",
    .measurands = kMeasurands,
    .default_address = 0x76,
    .addresses = kAddresses,
    .thing_properties =
        R"("oversampling":{"type":"integer","enum":[1,2,4,8,16],"default":1,
      "description":"Samples averaged for each value. 1 takes 9 ms (noise 3.3 Pa), 16 takes 113 ms (0.8 Pa) and warms the chip more."},
    "filter":{"type":"integer","enum":[0,2,4,8,16],"default":0,
      "description":"Coefficient of the chip's own low pass for pressure and temperature over successive measurements; 0 turns it off."})",
    .make = Make,
};

}  // namespace penumbra::i2c::bme280
