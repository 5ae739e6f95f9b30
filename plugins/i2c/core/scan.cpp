#include "i2c/core/scan.hpp"

#include <algorithm>
#include <vector>

#include "i2c/core/checked_pair.hpp"

namespace penumbra::i2c {
namespace {

using Json = nlohmann::json;

struct Family {
  std::uint8_t first, last;
  std::vector<const char*> likely;
  const char* others;  // what else is often there
};

// The drivers of this project by address, and the usual neighbours.
const std::vector<Family>& Families() {
  static const std::vector<Family> kFamilies{{0x18, 0x1F, {"mcp9808"}, "accelerometers (LIS3DH)"},
                                             {0x38, 0x38, {"aht20"}, "AHT10, touch panels"},
                                             {0x40, 0x40, {"htu21d", "hdc1080"}, "INA219, PCA9685"},
                                             {0x41, 0x43, {"hdc1080"}, "HDC1000, INA219"},
                                             {0x44, 0x45, {"sht3x", "sht4x", "hdc302x"}, "INA219, light sensors"},
                                             {0x46, 0x46, {"sht4x", "hdc302x"}, "INA219"},
                                             {0x47, 0x47, {"hdc302x"}, "INA219"},
                                             {0x48, 0x4B, {"tmp102", "lm75"}, "ADS1115, PCF8591"},
                                             {0x4C, 0x4F, {"lm75"}, "other thermometers"},
                                             {0x76, 0x77, {"bme280"}, "MS5611, BMP180, multiplexers"}};
  return kFamilies;
}

struct Identity {
  const char* chip = nullptr;  // nullptr: not known
  std::string why;
};

std::optional<std::uint16_t> Word(Device& device, std::span<const std::uint8_t> command) {
  std::array<std::uint8_t, 2> bytes{};
  if (!device.WriteRead(command, bytes).ok()) return std::nullopt;
  return BigEndian16(bytes);
}

// A word with a right check sum behind it: too unlikely to come from another chip.
std::optional<std::uint16_t> CheckedWord(Device& device, std::span<const std::uint8_t> command) {
  std::uint16_t word = 0;
  if (!ReadCheckedWord(device, command, "", word).ok()) return std::nullopt;
  return word;
}

Identity IdentifyMcp9808(Device& device) {
  const std::uint8_t manufacturer[] = {0x06}, chip[] = {0x07};
  const auto maker = Word(device, manufacturer);
  const auto id = Word(device, chip);
  if (maker == 0x0054 && id && *id >> 8U == 0x04) return {"mcp9808", "registers 6 and 7 are those of an MCP9808"};
  return {};
}

// 0xFF is no register of a Si7021 or HTU21D, which take 0xFE for a reset: so the manufacturer register is not asked.
Identity Identify0x40(Device& device) {
  const std::uint8_t chip[] = {0xFF};
  const auto id = Word(device, chip);
  if (id == 0x1050 || id == 0x1000) return {"hdc1080", "register 0xff is " + Hex(*id >> 8U) + Hex(*id).substr(2)};
  return {};
}

// An SHT3x and an HDC302x know the command for the status register, an SHT4x refuses it; only an HDC302x has a
// manufacturer ID. To the chips with registers of eight bits at these addresses it is a register that is not there.
Identity Identify0x44(Device& device) {
  const std::uint8_t status[] = {0xF3, 0x2D}, manufacturer[] = {0x37, 0x81}, serial[] = {0x89};
  if (CheckedWord(device, manufacturer) == 0x3000) return {"hdc302x", "manufacturer ID 0x3000"};
  if (CheckedWord(device, status)) return {"sht3x", "a status register with a right check sum"};
  Values ignored;  // two words with right check sums are enough
  if (MeasurePair(device, {serial, 1000}, {}, ignored).ok()) {
    return {"sht4x", "a serial number with right check sums"};
  }
  return {};
}

// A multiplexer (TCA9548A, PCA9544...) lives here too, and takes any byte written for a choice of channels. Reading it
// gives the same byte for ever, which a Bosch chip with its counting register pointer does not.
Identity IdentifyBosch(Device& device) {
  std::array<std::uint8_t, 255> bytes{};  // wherever the pointer stands, the trimming words are among them
  if (!device.Read(bytes).ok()) return {};
  if (std::all_of(bytes.begin(), bytes.end(), [&](std::uint8_t byte) { return byte == bytes[0]; })) {
    return {nullptr, "not asked further: it may be a multiplexer, which a question would switch"};
  }
  std::uint8_t id = 0;
  if (!device.ReadRegister(0xD0, {&id, 1}).ok()) return {};
  const std::string why = "register 0xd0 is " + Hex(id);
  if (id == 0x60) return {"bme280", why};
  if (id >= 0x56 && id <= 0x58) return {"bme280", why + ": a BMP280, without humidity"};
  return {nullptr, why};
}

Identity Identify(Device& device) {
  const std::uint8_t address = device.address();
  if (address >= 0x18 && address <= 0x1F) return IdentifyMcp9808(device);
  if (address >= 0x40 && address <= 0x43) return Identify0x40(device);
  if (address >= 0x44 && address <= 0x47) return Identify0x44(device);
  if (address >= 0x76) return IdentifyBosch(device);
  return {};
}

Json Describe(Bus& bus, std::uint8_t address, const Budget& budget) {
  Json entry{{"address", Hex(address)}, {"state", "answers"}, {"likely", Json::array()}};
  for (const Family& family : Families()) {
    if (address < family.first || address > family.last) continue;
    for (const char* chip : family.likely) entry["likely"].push_back(chip);
    entry["others"] = family.others;
  }
  Device device(bus, address, budget);
  const Identity identity = Identify(device);
  if (identity.chip != nullptr) {
    entry["chip"] = identity.chip;
    entry["likely"] = Json::array({identity.chip});
    entry.erase("others");
  }
  if (!identity.why.empty()) entry["why"] = identity.why;
  return entry;
}

}  // namespace

Outcome Scan(Bus& bus, const Budget& budget, const std::function<void(const Json&)>& found) {
  int broken = 0;
  for (int address = kFirstAddress; address <= kLastAddress; ++address) {
    const auto at = static_cast<std::uint8_t>(address);
    const Outcome outcome = bus.Probe(at, budget);
    switch (outcome.fault) {
      case Fault::kNone:
        found(Describe(bus, at, budget));
        break;
      case Fault::kOwned:
        found({{"address", Hex(address)}, {"state", "kernel driver"}, {"why", outcome.note}});
        break;
      case Fault::kNoAnswer:
        break;
      case Fault::kCancelled:
      case Fault::kDeadline:
      case Fault::kBusGone:
      case Fault::kUnsupported:
        return outcome;
      default:  // a disturbance; three in a row are a bus that does not work
        if (++broken >= 3) return outcome;
        continue;
    }
    broken = 0;
  }
  return {};
}

}  // namespace penumbra::i2c
