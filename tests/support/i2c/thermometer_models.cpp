// Thermometers that measure all the time, seen from the wire: MCP9808 and LM75. Sources: as in the drivers' headers.
#include <array>

#include "support/i2c/chip_models.hpp"

namespace penumbra::test {
namespace {

class Mcp9808Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    registers_ = {0, 0, 0, 0, 0, 0, 0x0054, 0x0400, 0x03};
    converted_ns_ = now_ns + 250 * kMs;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.empty()) return true;
    pointer_ = bytes[0] & 15U;
    if (pointer_ == 8 && bytes.size() == 2) registers_[8] = bytes[1] & 3U;
    if (pointer_ == 1 && bytes.size() == 3) registers_[1] = bytes[1] << 8U | bytes[2];
    if (bytes.size() > 1) converted_ns_ = now_ns + kConversionMs[registers_[8]] * kMs;
    return true;
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns >= converted_ns_ && (registers_[1] & 0x0100U) == 0) {
      const double step = 0.5 / static_cast<double>(1U << registers_[8]);
      const long sixteenths = std::lround(std::round(climate.temperature / step) * step * 16);
      registers_[5] = (static_cast<std::uint32_t>(sixteenths) & 0x1FFFU) | 0xC000U;  // two of the alert bits
    }
    const std::uint32_t word = pointer_ < registers_.size() ? registers_[pointer_] : 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(pointer_ == 8 || i % 2 == 1 ? word : word >> 8U);
    }
    return true;
  }

 private:
  static constexpr std::array<std::int64_t, 4> kConversionMs{30, 65, 130, 250};
  std::array<std::uint32_t, 9> registers_{};
  std::uint8_t pointer_ = 0;
  std::int64_t converted_ns_ = 0;
};

// An LM75B of NXP: 11 bits; the lower five of the register are anything.
class Lm75Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    configuration_ = 0;
    converted_ns_ = now_ns + 100 * kMs;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.empty()) return true;
    pointer_ = bytes[0] & 3U;
    if (pointer_ != 1 || bytes.size() != 2) return true;
    if ((configuration_ & 1U) != 0 && (bytes[1] & 1U) == 0) converted_ns_ = now_ns + 100 * kMs;
    configuration_ = bytes[1];
    return true;
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    std::uint32_t word = 0;
    if (now_ns >= converted_ns_) {
      word = (static_cast<std::uint32_t>(std::lround(climate.temperature * 8)) << 5U | 0x15U) & 0xFFFFU;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = pointer_ == 1 ? configuration_ : static_cast<std::uint8_t>(i % 2 == 0 ? word >> 8U : word);
    }
    return true;
  }

 private:
  std::uint8_t pointer_ = 0, configuration_ = 0;
  std::int64_t converted_ns_ = 0;
};

}  // namespace

std::unique_ptr<ChipModel> MakeMcp9808Model() {
  return std::make_unique<Mcp9808Model>();
}
std::unique_ptr<ChipModel> MakeLm75Model() {
  return std::make_unique<Lm75Model>();
}

}  // namespace penumbra::test
