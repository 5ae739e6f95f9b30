// TI TMP102 seen from the wire: a pointer register, two-byte registers with the high byte first, one-shot conversions
// in shutdown. Datasheet SBOS397, sections 7.3 to 7.5.
#include <array>

#include "support/i2c/chip_models.hpp"

namespace penumbra::test {
namespace {

class Tmp102Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    pointer_ = 0;
    config_ = 0x60A0;
    raw_ = 0;  // 0 Cel until the first conversion is over
    converted_ns_ = now_ns + 26 * kMs;
  }

  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    Convert(now_ns);
    if (bytes.empty()) return true;
    pointer_ = bytes[0] & 3U;
    if (bytes.size() < 3) return true;
    const std::uint32_t word = static_cast<std::uint32_t>(bytes[1]) << 8U | bytes[2];
    if (pointer_ == 1) {
      if ((word & 0x8000U) != 0 && (word & 0x0100U) != 0) {
        converted_ns_ = now_ns + 26 * kMs;
        converting_ = true;
      }
      config_ = (word & 0x7FF0U) | 0x6000U;
    } else if (pointer_ > 1) {
      limits_[pointer_ - 2U] = word;
    }
    return true;
  }

  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    Convert(now_ns);
    // OS reads 0 during a one-shot conversion and 1 after it.
    const std::uint32_t config = config_ | ((config_ & 0x0100U) != 0 && !converting_ ? 0x8000U : 0U);
    const std::array<std::uint32_t, 4> registers{raw_, config, limits_[0], limits_[1]};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(i % 2 == 0 ? registers[pointer_] >> 8U : registers[pointer_]);
    }
    return true;
  }

 private:
  void Convert(std::int64_t now_ns) {
    const bool continuous = (config_ & 0x0100U) == 0;
    if (now_ns < converted_ns_ || (!continuous && !converting_)) return;
    converting_ = false;
    // 12 bits left-justified, or 13 in extended mode.
    const long steps = std::lround(climate.temperature / 0.0625);
    const bool extended = (config_ & 0x0010U) != 0;
    const long most = extended ? 4095 : 2047;
    const auto clipped = static_cast<std::uint32_t>(std::clamp(steps, -most - 1, most));
    raw_ = extended ? ((clipped << 3U) & 0xFFF8U) | 1U : (clipped << 4U) & 0xFFF0U;
  }

  std::uint8_t pointer_ = 0;
  std::uint32_t config_ = 0, raw_ = 0;
  std::array<std::uint32_t, 2> limits_{0x4B00, 0x5000};
  std::int64_t converted_ns_ = 0;
  bool converting_ = false;
};

}  // namespace

std::unique_ptr<ChipModel> MakeTmp102Model() {
  return std::make_unique<Tmp102Model>();
}

}  // namespace penumbra::test
