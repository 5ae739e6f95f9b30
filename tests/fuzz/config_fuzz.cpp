// Any bytes as penumbra.toml: LoadConfig must answer, with values only when it found no fault.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/config.hpp"

namespace {

penumbra::DriverKnowledge Drivers() {
  static const penumbra::Json kSchema = penumbra::Json::parse(
      R"({"type":"object","additionalProperties":false,"properties":{
          "address":{"type":["integer","string"],"minimum":0,"maximum":65535,"pattern":"^[0-9]{5}$"},
          "list":{"type":"array","items":{"type":"string"}},"table":{"type":"string","enum":["input","holding"]}}})");
  return {[](const penumbra::PathSettings&, const std::string& driver) -> penumbra::Result<penumbra::DriverSchemas> {
            if (driver != "sim") return penumbra::Fail(penumbra::Action::kFixConfig, "no such driver");
            return penumbra::DriverSchemas{kSchema, kSchema, kSchema, true};
          },
          [](const penumbra::PathSettings&, const penumbra::BusSettings&,
             const std::vector<penumbra::ThingSettings>& things)
              -> penumbra::Result<std::vector<penumbra::DriverComplaint>> {
            std::vector<penumbra::DriverComplaint> complaints;
            if (things.size() > 1) complaints.push_back({"/things/1/points/0/address", "complaint"});
            return complaints;
          }};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const penumbra::DriverKnowledge kDrivers = Drivers();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const penumbra::LoadedConfig config = penumbra::LoadConfigText(text, "/nonexistent/penumbra.toml", kDrivers);
  for (const penumbra::Diagnostic& diagnostic : config.diagnostics) {
    // A flood of messages, or one without a file, would be of no use to anybody.
    if (penumbra::ToString(diagnostic).size() > 8192 || diagnostic.file.empty()) std::abort();
  }
  if (config.Ok()) {
    for (const penumbra::ThingSettings& thing : config.settings.things) {
      if (thing.name.empty() || thing.points.empty() || thing.topic.empty() || thing.topic.size() > 256) std::abort();
    }
  }
  return 0;
}
