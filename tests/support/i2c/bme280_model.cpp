// Bosch BME280 seen from the wire: registers with auto-increment, calibration words, forced mode that takes its time,
// soft reset. The raw values come from the floating point formulas of the datasheet (BST-BME280-DS002, section 4.2.3,
// appendix 8.1), turned round by bisection; the driver uses the integer ones.
#include <array>

#include "support/i2c/chip_models.hpp"

namespace penumbra::test {
namespace {

// The calibration of the worked example in the BMP280 datasheet (BST-BMP280-DS001, section 3.12), and humidity words of
// a real chip.
struct Calibration {
  double t1 = 27504, t2 = 26435, t3 = -1000;
  double p1 = 36477, p2 = -10685, p3 = 3024, p4 = 2855, p5 = 140, p6 = -7, p7 = 15500, p8 = -14600, p9 = 6000;
  double h1 = 75, h2 = 362, h3 = 0, h4 = 313, h5 = 50, h6 = 30;
};

double FineTemperature(const Calibration& c, double raw) {
  const double a = (raw / 16384.0 - c.t1 / 1024.0) * c.t2;
  const double b = (raw / 131072.0 - c.t1 / 8192.0) * (raw / 131072.0 - c.t1 / 8192.0) * c.t3;
  return a + b;
}

double Pressure(const Calibration& c, double fine, double raw) {
  double a = fine / 2.0 - 64000.0;
  double b = a * a * c.p6 / 32768.0;
  b = b + a * c.p5 * 2.0;
  b = b / 4.0 + c.p4 * 65536.0;
  a = (c.p3 * a * a / 524288.0 + c.p2 * a) / 524288.0;
  a = (1.0 + a / 32768.0) * c.p1;
  double p = 1048576.0 - raw;
  p = (p - b / 4096.0) * 6250.0 / a;
  a = c.p9 * p * p / 2147483648.0;
  b = p * c.p8 / 32768.0;
  return p + (a + b + c.p7) / 16.0;
}

double Humidity(const Calibration& c, double fine, double raw) {
  double h = fine - 76800.0;
  h = (raw - (c.h4 * 64.0 + c.h5 / 16384.0 * h)) *
      (c.h2 / 65536.0 * (1.0 + c.h6 / 67108864.0 * h * (1.0 + c.h3 / 67108864.0 * h)));
  h = h * (1.0 - c.h1 * h / 524288.0);
  return std::clamp(h, 0.0, 100.0);
}

// The raw value below `end` at which `f` comes nearest to `wanted`; `f` grows, or falls when `falling`.
template <typename F>
std::uint32_t Solve(F f, double wanted, std::uint32_t end, bool falling) {
  std::uint32_t low = 0, high = end - 1;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const bool below = f(static_cast<double>(middle)) < wanted;
    if (below != falling) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low > 0 && std::abs(f(low - 1.0) - wanted) < std::abs(f(low) - wanted)) --low;
  return low;
}

class Bme280Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override { Reset(now_ns); }

  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < awake_ns_) return false;
    Tick(now_ns);
    if (bytes.empty()) return true;
    pointer_ = bytes[0];
    for (std::size_t i = 1; i < bytes.size(); i += 2) {  // writing: pairs of register and value
      Put(bytes[i - 1], bytes[i], now_ns);
    }
    return true;
  }

  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < awake_ns_) return false;
    Tick(now_ns);
    for (std::uint8_t& byte : bytes) byte = registers_[pointer_++];
    return true;
  }

 private:
  void Reset(std::int64_t now_ns) {
    registers_.fill(0);
    registers_[0xD0] = 0x60;
    registers_[0xF7] = registers_[0xFA] = registers_[0xFD] = 0x80;
    PutCalibration();
    awake_ns_ = now_ns + 2 * kMs;
    busy_ = false;
    pointer_ = 0;
  }

  void Put(std::uint8_t reg, std::uint8_t value, std::int64_t now_ns) {
    if (reg == 0xE0 && value == 0xB6) return Reset(now_ns);
    if (reg != 0xF2 && reg != 0xF4 && reg != 0xF5) return;
    registers_[reg] = value;
    // Oversampling of the humidity takes effect with the next write of ctrl_meas.
    if (reg == 0xF4) {
      humidity_oversampling_ = registers_[0xF2] & 7U;
      const unsigned mode = value & 3U;
      if (mode == 1 || mode == 2) Start(now_ns);
    }
  }

  static double Samples(unsigned osrs) { return osrs == 0 ? 0 : osrs >= 5 ? 16 : 1U << (osrs - 1U); }

  // Appendix B of the datasheet: the typical measuring time.
  void Start(std::int64_t now_ns) {
    const double t = Samples(registers_[0xF4] >> 5U), p = Samples(registers_[0xF4] >> 2U & 7U),
                 h = Samples(humidity_oversampling_);
    const double ms = 1 + 2 * t + (p > 0 ? 2 * p + 0.5 : 0) + (h > 0 ? 2 * h + 0.5 : 0);
    done_ns_ = now_ns + static_cast<std::int64_t>(ms * kMs);
    busy_ = true;
  }

  void Tick(std::int64_t now_ns) {
    registers_[0xF3] = busy_ && now_ns < done_ns_ ? 0x08 : 0;
    if (!busy_ || now_ns < done_ns_) return;
    busy_ = false;
    registers_[0xF4] &= 0xFC;  // forced mode ends in sleep
    const std::uint32_t t =
        Solve([&](double raw) { return FineTemperature(c_, raw) / 5120.0; }, climate.temperature, 1U << 20U, false);
    const double fine = FineTemperature(c_, t);
    const std::uint32_t p =
        Solve([&](double raw) { return Pressure(c_, fine, raw) / 100.0; }, climate.pressure, 1U << 20U, true);
    const std::uint32_t h =
        Solve([&](double raw) { return Humidity(c_, fine, raw); }, climate.humidity, 1U << 16U, false);
    Put20(0xF7, (registers_[0xF4] >> 2U & 7U) == 0 ? 0x80000 : p);
    Put20(0xFA, registers_[0xF4] >> 5U == 0 ? 0x80000 : t);
    const std::uint32_t shown = humidity_oversampling_ == 0 ? 0x8000 : h;
    registers_[0xFD] = static_cast<std::uint8_t>(shown >> 8U);
    registers_[0xFE] = static_cast<std::uint8_t>(shown);
  }

  void Put20(std::size_t at, std::uint32_t raw) {
    registers_[at] = static_cast<std::uint8_t>(raw >> 12U);
    registers_[at + 1] = static_cast<std::uint8_t>(raw >> 4U);
    registers_[at + 2] = static_cast<std::uint8_t>(raw << 4U);
  }

  void PutCalibration() {
    const std::array<double, 12> words{c_.t1, c_.t2, c_.t3, c_.p1, c_.p2, c_.p3,
                                       c_.p4, c_.p5, c_.p6, c_.p7, c_.p8, c_.p9};
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto word = static_cast<std::uint32_t>(static_cast<std::int32_t>(words[i]));
      registers_[0x88 + 2 * i] = static_cast<std::uint8_t>(word);
      registers_[0x89 + 2 * i] = static_cast<std::uint8_t>(word >> 8U);
    }
    const auto h4 = static_cast<std::uint32_t>(c_.h4), h5 = static_cast<std::uint32_t>(c_.h5);
    registers_[0xA1] = static_cast<std::uint8_t>(c_.h1);
    registers_[0xE1] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(c_.h2));
    registers_[0xE2] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(c_.h2) >> 8U);
    registers_[0xE3] = static_cast<std::uint8_t>(c_.h3);
    registers_[0xE4] = static_cast<std::uint8_t>(h4 >> 4U);
    registers_[0xE5] = static_cast<std::uint8_t>((h4 & 15U) | (h5 & 15U) << 4U);
    registers_[0xE6] = static_cast<std::uint8_t>(h5 >> 4U);
    registers_[0xE7] = static_cast<std::uint8_t>(c_.h6);
  }

  Calibration c_;
  std::array<std::uint8_t, 256> registers_{};
  std::uint8_t pointer_ = 0;
  unsigned humidity_oversampling_ = 0;
  std::int64_t awake_ns_ = 0, done_ns_ = 0;
  bool busy_ = false;
};

}  // namespace

std::unique_ptr<ChipModel> MakeBme280Model() {
  return std::make_unique<Bme280Model>();
}

}  // namespace penumbra::test
