// The driver "@NAME@". Reads a number from a file; put your device in its place.
#include <penumbra/sensor.hpp>

#include <fstream>
#include <iterator>
#include <string>

#include "formula.hpp"

namespace kit = penumbra::kit;

namespace {

constexpr const char* kThingSchema = R"({
  "type": "object", "additionalProperties": false, "required": ["file"],
  "properties": {
    "file": {"type": "string", "examples": ["/sys/class/thermal/thermal_zone0/temp"],
             "description": "The file that holds the temperature in thousandths of a degree."}
  }
})";

class Sensor {
 public:
  static constexpr kit::Quantity kQuantities[] = {{"temperature", "Cel", "What the file says, in degrees."}};

  Sensor(kit::NoTransport&, const kit::Thing& thing, kit::Host) : file_(thing.options.Text("file")) {}

  void Measure(const kit::Call&, kit::Measurement& out) {
    std::ifstream file(file_);
    if (!file) throw kit::Failure(PENUMBRA_IO, "cannot read the file");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto value = @NAME@::Thousandths(text);
    if (!value) return out.Bad("temperature", PENUMBRA_IO, "not a number");
    out.Set("temperature", *value);
  }

 private:
  std::string file_;
};

// What this bus needs of the system: its host can reach nothing else.
void Needs(const kit::Configuration& configuration, kit::Needs& needs) {
  for (const kit::Thing& thing : configuration.things) needs.Read(thing.options.Text("file"));
}

using TheBus = kit::SensorBus<Sensor>;
const std::string kPointSchema = kit::PointSchema(Sensor::kQuantities);
const kit::Definition kDefinition{.name = "@NAME@",
                                  .version = "0.1.0",
                                  .thing_schema = kThingSchema,
                                  .point_schema = kPointSchema.c_str(),
                                  .open = TheBus::Open,
                                  .check = TheBus::Check,
                                  .needs = Needs};

}  // namespace

PENUMBRA_DRIVER(kDefinition)
