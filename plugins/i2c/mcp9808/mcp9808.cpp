#include "i2c/mcp9808/mcp9808.hpp"

#include "i2c/core/chip_io.hpp"

namespace penumbra::i2c::mcp9808 {
namespace {

constexpr std::uint8_t kRegConfiguration = 1, kRegAmbient = 5, kRegManufacturer = 6, kRegDevice = 7, kRegResolution = 8;
constexpr std::uint16_t kMicrochip = 0x0054;
constexpr std::uint16_t kDeviceMcp9808 = 0x04;  // the high byte; the low one is the revision
constexpr std::uint16_t kShutdown = 0x0100, kLockBits = 0x00C0;
// Section 5.1.6: conversion times of 0.5, 0.25, 0.125 and 0.0625 Cel, and a tenth on top.
constexpr std::array<std::int64_t, 4> kConversionMs{33, 72, 143, 275};

class Mcp9808 : public Chip {
 public:
  explicit Mcp9808(std::uint8_t resolution) : resolution_(resolution) {}

  Outcome Init(Device& device) override {
    std::uint16_t manufacturer = 0, chip = 0, configuration = 0;
    Outcome outcome = ReadWord(device, kRegManufacturer, manufacturer);
    if (outcome.ok()) outcome = ReadWord(device, kRegDevice, chip);
    if (outcome.ok() && (manufacturer != kMicrochip || chip >> 8U != kDeviceMcp9808)) {
      return {Fault::kForeign, 0, "its identity registers are not those of an MCP9808"};
    }
    if (outcome.ok()) outcome = ReadWord(device, kRegConfiguration, configuration);
    if (!outcome.ok()) return outcome;
    if ((configuration & kShutdown) != 0) {
      if ((configuration & kLockBits) != 0)
        return {Fault::kNotReady, 0, "it is shut down, and locked so until power goes"};
      configuration = static_cast<std::uint16_t>(configuration & ~kShutdown);
      outcome = WriteWord(device, kRegConfiguration, configuration);
    }
    if (outcome.ok()) outcome = device.WriteBytes(kRegResolution, resolution_);
    // What is in the register now may be from before, or the reset value.
    if (outcome.ok()) outcome = device.SleepMs(kConversionMs[resolution_]);
    return outcome;
  }

  Outcome Measure(Device& device, Values& values) override {
    std::uint16_t word = 0;
    const Outcome outcome = ReadWord(device, kRegAmbient, word);
    if (outcome.ok()) values.Set(Quantity::kTemperature, Scaled(Sixteenths(word), 16));
    return outcome;
  }

  // The chip has no reset but its power. Init writes all that matters.
  Outcome Reset(Device&) override { return {}; }

 private:
  std::uint8_t resolution_;
};

std::unique_ptr<Chip> Make(const nlohmann::json& thing) {
  const double resolution = thing.value("resolution", 0.0625);
  return std::make_unique<Mcp9808>(resolution > 0.4 ? 0 : resolution > 0.2 ? 1 : resolution > 0.1 ? 2 : 3);
}

constexpr std::array<Measurand, 1> kMeasurands{{{Quantity::kTemperature, -40, 125}}};
constexpr std::array<std::uint8_t, 8> kAddresses{0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F};

}  // namespace

const ChipType kType{
    .name = "mcp9808",
    .title = "Microchip MCP9808",
    .measurands = kMeasurands,
    .default_address = 0x18,
    .addresses = kAddresses,
    .thing_properties = R"("resolution":{"type":"number","enum":[0.5,0.25,0.125,0.0625],"default":0.0625,"x-unit":"Cel",
      "description":"Smallest step. A conversion takes 30, 65, 130 or 250 ms."})",
    .make = Make,
};

}  // namespace penumbra::i2c::mcp9808
