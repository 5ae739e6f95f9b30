// The configuration of a bus with sensors of one kind: schemas, the checks that a schema cannot say, and the parsed
// form. Pure. The keys are those of the driver ABI's configuration object (penumbra/driver.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "i2c/core/chip.hpp"

namespace penumbra::i2c {

struct ThingOptions {
  std::string name;
  std::uint8_t address = 0;
  int retries = 1;
  nlohmann::json options;        // the chip's own
  std::vector<Quantity> points;  // by index
};

struct BusOptions {
  std::string device;
  std::vector<ThingOptions> things;
};

using Complain = std::function<void(const std::string& pointer, const std::string& message)>;

// nullopt: at least one complaint was made.
std::optional<BusOptions> ParseOptions(const ChipType& type, const std::string& configuration,
                                       const Complain& complain);

std::string BusSchema();
std::string ThingSchema(const ChipType& type);
std::string PointSchema(const ChipType& type);

}  // namespace penumbra::i2c
