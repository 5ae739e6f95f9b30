// Sensirion SHT3x-DIS seen from the wire: 16-bit commands; a read without data, or before the measurement is over, is
// not acknowledged; while it measures it takes no other command. Datasheet SHT3x-DIS, sections 4.3 to 4.13.
#include "support/i2c/chip_models.hpp"

namespace penumbra::test {
namespace {

class Sht3xModel : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override { Reset(now_ns); }

  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.empty()) return now_ns >= awake_ns_;  // only the address
    if (now_ns < awake_ns_ || now_ns < ready_ns_ || bytes.size() != 2) return false;
    answer_ = Answer::kNone;
    switch (bytes[0] << 8U | bytes[1]) {
      case 0x2400:
        return Start(now_ns + 15 * kMs);
      case 0x240B:
        return Start(now_ns + 6 * kMs);
      case 0x2416:
        return Start(now_ns + 4 * kMs);
      case 0x30A2:
        Reset(now_ns);
        return true;
      case 0x306D:
        status_ |= 0x2000U;
        return true;
      case 0x3066:
        status_ &= ~0x2000U;
        return true;
      case 0x3041:  // clears the alert, reset and check sum bits, not the heater
        status_ &= 0x2000U;
        return true;
      case 0x3093:
        return true;
      case 0xF32D:
        answer_ = Answer::kStatus;
        return true;
      default:
        return false;
    }
  }

  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_ || answer_ == Answer::kNone) return false;
    std::fill(bytes.begin(), bytes.end(), 0xFF);
    if (answer_ == Answer::kStatus) {
      PutWord(bytes, 0, status_, 0xFF);
    } else {
      const double warm = (status_ & 0x2000U) != 0 ? 3.0 : 0.0;
      PutWord(bytes, 0, ToRaw((climate.temperature + warm + 45) / 175, 65535), 0xFF);
      PutWord(bytes, 3, ToRaw(climate.humidity / 100, 65535), 0xFF);
    }
    answer_ = Answer::kNone;
    return true;
  }

 private:
  enum class Answer { kNone, kMeasurement, kStatus };

  void Reset(std::int64_t now_ns) {
    awake_ns_ = now_ns + kMs + kMs / 2;
    ready_ns_ = now_ns;
    status_ = 0x8010;  // an alert is pending, a reset was detected
    answer_ = Answer::kNone;
  }
  bool Start(std::int64_t ready_ns) {
    ready_ns_ = ready_ns;
    answer_ = Answer::kMeasurement;
    return true;
  }

  std::int64_t awake_ns_ = 0, ready_ns_ = 0;
  std::uint32_t status_ = 0;
  Answer answer_ = Answer::kNone;
};

}  // namespace

std::unique_ptr<ChipModel> MakeSht3xModel() {
  return std::make_unique<Sht3xModel>();
}

}  // namespace penumbra::test
