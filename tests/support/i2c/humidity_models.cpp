// Humidity sensors seen from the wire: SHT4x, HDC302x, HDC1080, AHT20 and HTU21D. Each refuses to be read, or says that
// it is busy, until its measuring time is over. Sources: as in the drivers' headers (plugins/i2c/*).
#include <array>

#include "support/i2c/chip_models.hpp"

namespace penumbra::test {
namespace {

// Two values with their check sums, as SHT4x and HDC302x send them.
void PutPair(std::span<std::uint8_t> bytes, std::uint32_t first, std::uint32_t second) {
  std::fill(bytes.begin(), bytes.end(), 0xFF);
  PutWord(bytes, 0, first, 0xFF);
  PutWord(bytes, 3, second, 0xFF);
}

// A heater-on command keeps the chip busy for its time and ends with a measurement of the hot chip; the heat goes
// within seconds.
class Sht4xModel : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    ready_ns_ = now_ns + kMs;
    command_ = 0;
    hot_until_ns_ = kLongAgoNs;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.empty()) return true;
    if (bytes.size() != 1 || (now_ns < ready_ns_ && bytes[0] != 0x94)) return false;
    command_ = bytes[0];
    switch (command_) {
      case 0xFD:
        ready_ns_ = now_ns + 8 * kMs;
        return true;
      case 0xF6:
        ready_ns_ = now_ns + 4 * kMs;
        return true;
      case 0xE0:
        ready_ns_ = now_ns + kMs;
        return true;
      case 0x89:
      case 0x94:
        ready_ns_ = now_ns + kMs / 2;
        if (command_ == 0x94) command_ = 0;
        return true;
      case 0x39:
      case 0x2F:
      case 0x1E:
        return Heat(now_ns, 1090 * kMs);
      case 0x32:
      case 0x24:
      case 0x15:
        return Heat(now_ns, 109 * kMs);
      default:
        command_ = 0;
        return false;
    }
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_ || command_ == 0) return false;
    if (command_ == 0x89) {
      PutPair(bytes, 0x1234, 0x5678);
    } else {
      const double warm = now_ns < hot_until_ns_ + 20'000 * kMs ? 12.0 : 0.0;
      PutPair(bytes, ToRaw((climate.temperature + warm + 45) / 175, 65535),
              ToRaw((climate.humidity - warm + 6) / 125, 65535));
    }
    command_ = 0;
    return true;
  }

 private:
  bool Heat(std::int64_t now_ns, std::int64_t length_ns) {
    hot_until_ns_ = now_ns + length_ns;
    ready_ns_ = hot_until_ns_ + 8 * kMs;
    return true;
  }
  static constexpr std::int64_t kLongAgoNs = -100'000 * kMs;
  std::int64_t ready_ns_ = 0, hot_until_ns_ = kLongAgoNs;
  std::uint8_t command_ = 0;
};

// The heater is configured by a word with its check sum (a wrong one is not acknowledged), and only while it is off.
class Hdc302xModel : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    ready_ns_ = now_ns + 5 * kMs;
    command_ = 0;
    heating_ = false;
    heater_ = 0x009F;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (bytes.empty()) return true;
    if (now_ns < ready_ns_ || bytes.size() < 2) return false;
    command_ = bytes[0] << 8U | bytes[1];
    if (bytes.size() == 5) return Configure(bytes);
    if (bytes.size() != 2) return false;
    switch (command_) {
      case 0x2400:
        ready_ns_ = now_ns + 14 * kMs;
        return true;
      case 0x30A2:
        PowerOn(now_ns);
        return true;
      case 0x306D:
        heating_ = true;
        return true;
      case 0x3066:
        heating_ = false;
        return true;
      case 0x306E:
      case 0x3781:
      case 0x3093:
      case 0xF32D:
        return true;
      default:
        return false;
    }
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_) return false;
    const double warm = heating_ ? heater_ / 16383.0 * 120 : 0;
    switch (command_) {
      case 0x3781:
        PutWord(bytes, 0, 0x3000, 0xFF);
        return true;
      case 0x306E:
        PutWord(bytes, 0, heater_, 0xFF);
        return true;
      case 0xF32D:
        PutWord(bytes, 0, heating_ ? 0xA010 : 0x8010, 0xFF);
        return true;
      case 0x2400:
        PutPair(bytes, ToRaw((climate.temperature + warm + 45) / 175, 65535), ToRaw(climate.humidity / 100, 65535));
        return true;
      default:
        return false;
    }
  }

 private:
  bool Configure(std::span<const std::uint8_t> bytes) {
    if (command_ != 0x306E || heating_ || ModelCrc(bytes[2], bytes[3], 0xFF) != bytes[4]) return false;
    heater_ = (bytes[2] << 8U | bytes[3]) & 0x3FFFU;
    return true;
  }
  std::int64_t ready_ns_ = 0;
  int command_ = 0;
  bool heating_ = false;
  std::uint32_t heater_ = 0;
};

class Hdc1080Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    ready_ns_ = now_ns + 15 * kMs;
    configuration_ = 0x1000;
    pointer_ = 0;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_) return false;
    if (bytes.empty()) return true;
    pointer_ = bytes[0];
    if (pointer_ == 0x02 && bytes.size() == 3) {
      configuration_ = bytes[1] << 8 | bytes[2];
      if ((configuration_ & 0x8000) != 0) PowerOn(now_ns);
    }
    if (pointer_ == 0x00) ready_ns_ = now_ns + ((configuration_ & 0x0500) != 0 ? 8 : 13) * kMs;
    return true;
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_) return false;
    const std::uint32_t temperature = ToRaw((climate.temperature + 40) / 165, 65536) & 0xFFFCU;
    const std::uint32_t humidity = ToRaw(climate.humidity / 100, 65535) & 0xFFFCU;
    std::uint32_t words = humidity;
    if (pointer_ == 0x00) words = temperature;
    if (pointer_ == 0x02) words = static_cast<std::uint32_t>(configuration_);
    if (pointer_ == 0xFE) words = 0x5449;
    if (pointer_ == 0xFF) words = 0x1050;
    words = words << 16U | humidity;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = i < 4 ? static_cast<std::uint8_t>(words >> (24U - 8U * i)) : 0xFF;
    }
    return true;
  }

 private:
  std::int64_t ready_ns_ = 0;
  int configuration_ = 0;
  std::uint8_t pointer_ = 0;
};

class Aht20Model : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    awake_ns_ = now_ns + 40 * kMs;
    status_ = 0x10;  // not calibrated yet
    ready_ns_ = now_ns;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < awake_ns_) return false;
    if (bytes.empty()) return true;
    if (bytes.size() == 3 && bytes[0] == 0xBE) status_ = 0x18;
    if (bytes.size() == 3 && bytes[0] == 0xAC) ready_ns_ = now_ns + 85 * kMs;
    if (bytes[0] == 0xBA) {
      awake_ns_ = now_ns + 20 * kMs;
      ready_ns_ = now_ns;
    }
    return true;
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < awake_ns_) return false;
    const std::uint32_t t = ToRaw((climate.temperature + 50) / 200, 1048575),
                        h = ToRaw(climate.humidity / 100, 1048575);
    std::array<std::uint8_t, 7> all{static_cast<std::uint8_t>(status_ | (now_ns < ready_ns_ ? 0x80U : 0U)),
                                    static_cast<std::uint8_t>(h >> 12U),
                                    static_cast<std::uint8_t>(h >> 4U),
                                    static_cast<std::uint8_t>(h << 4U | t >> 16U),
                                    static_cast<std::uint8_t>(t >> 8U),
                                    static_cast<std::uint8_t>(t)};
    std::uint8_t rest = 0xFF;  // the division of ModelCrc, two bytes at a time
    for (std::size_t i = 0; i < 6; i += 2) {
      rest = ModelCrc(static_cast<std::uint8_t>(all[i] ^ rest), all[i + 1], 0);
    }
    all[6] = rest;
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = i < all.size() ? all[i] : 0xFF;
    return true;
  }

 private:
  std::int64_t awake_ns_ = 0, ready_ns_ = 0;
  std::uint8_t status_ = 0;
};

class Htu21dModel : public ChipModel {
 public:
  void PowerOn(std::int64_t now_ns) override {
    ready_ns_ = now_ns + 15 * kMs;
    user_ = 0x02;  // on-chip memory reload is off, and reserved bits stay
    command_ = 0;
  }
  bool Write(std::span<const std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_) return false;
    if (bytes.empty()) return true;
    command_ = bytes[0];
    if (command_ == 0xF3) ready_ns_ = now_ns + 44 * kMs;
    if (command_ == 0xF5) ready_ns_ = now_ns + 14 * kMs;
    if (command_ == 0xE6 && bytes.size() == 2) user_ = bytes[1];
    if (command_ == 0xFE) PowerOn(now_ns);
    return true;
  }
  bool Read(std::span<std::uint8_t> bytes, std::int64_t now_ns) override {
    if (now_ns < ready_ns_) return false;
    std::fill(bytes.begin(), bytes.end(), 0xFF);
    const double warm = (user_ & 0x04U) != 0 ? 1.0 : 0.0;
    if (command_ == 0xE7) {
      bytes[0] = user_;
    } else if (command_ == 0xF3) {
      PutWord(bytes, 0, ToRaw((climate.temperature + warm + 46.85) / 175.72, 65536) & 0xFFFCU, 0);
    } else if (command_ == 0xF5) {
      PutWord(bytes, 0, (ToRaw((climate.humidity + 6) / 125, 65536) & 0xFFFCU) | 2U, 0);
    } else {
      return false;
    }
    return true;
  }

 private:
  std::int64_t ready_ns_ = 0;
  std::uint8_t user_ = 0, command_ = 0;
};

}  // namespace

std::unique_ptr<ChipModel> MakeSht4xModel() {
  return std::make_unique<Sht4xModel>();
}
std::unique_ptr<ChipModel> MakeHdc302xModel() {
  return std::make_unique<Hdc302xModel>();
}
std::unique_ptr<ChipModel> MakeHdc1080Model() {
  return std::make_unique<Hdc1080Model>();
}
std::unique_ptr<ChipModel> MakeAht20Model() {
  return std::make_unique<Aht20Model>();
}
std::unique_ptr<ChipModel> MakeHtu21dModel() {
  return std::make_unique<Htu21dModel>();
}

}  // namespace penumbra::test
