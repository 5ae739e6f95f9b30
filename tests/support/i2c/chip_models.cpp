#include "support/i2c/chip_models.hpp"

#include <map>

namespace penumbra::test {

std::unique_ptr<ChipModel> MakeChipModel(const std::string& name) {
  static const std::map<std::string, std::unique_ptr<ChipModel> (*)()> kModels{
      {"aht20", MakeAht20Model},     {"bme280", MakeBme280Model}, {"hdc1080", MakeHdc1080Model},
      {"hdc302x", MakeHdc302xModel}, {"htu21d", MakeHtu21dModel}, {"lm75", MakeLm75Model},
      {"mcp9808", MakeMcp9808Model}, {"sht3x", MakeSht3xModel},   {"sht4x", MakeSht4xModel},
      {"tmp102", MakeTmp102Model}};
  const auto found = kModels.find(name);
  return found == kModels.end() ? nullptr : found->second();
}

}  // namespace penumbra::test
