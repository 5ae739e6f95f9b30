#include "fake_drivers.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <fstream>
#include <set>

namespace penumbra::test {
namespace {

constexpr const char* kModbusBus = R"({"type":"object","additionalProperties":false,"properties":{
  "transport":{"type":"string","enum":["tcp","rtu"],"default":"tcp"},
  "host":{"type":"string"},
  "port":{"type":"integer","minimum":1,"maximum":65535,"default":502},
  "device":{"type":"string"},
  "baud":{"type":"integer","enum":[9600,19200],"default":9600},
  "parity":{"type":"string","enum":["none","even","odd"]}}})";
constexpr const char* kModbusThing = R"({"type":"object","additionalProperties":false,"properties":{
  "unit":{"type":"integer","minimum":0,"maximum":255,"default":1},
  "max_words":{"type":"integer","minimum":1,"maximum":125},
  "max_gap":{"type":"integer","minimum":0,"maximum":125},
  "forbidden":{"type":"array","items":{"type":"string","pattern":"^[0-9]{1,5}$"}}}})";
constexpr const char* kModbusPoint =
    R"({"type":"object","additionalProperties":false,"required":["address"],"properties":{
  "table":{"type":"string","enum":["coil","discrete","input","holding"]},
  "address":{"type":["integer","string"],"minimum":0,"maximum":65535,"pattern":"^[0134]([0-9]{4}|[0-9]{5})$"},
  "type":{"type":"string","enum":["bool","s16","u16","s32","u32","s64","u64","f32","f64","string"]},
  "order":{"type":"string","enum":["ABCD","CDAB","BADC","DCBA"]}}})";
constexpr const char* kSimBus = R"({"type":"object","additionalProperties":false,"properties":{
  "seed":{"type":"integer","minimum":0}}})";
constexpr const char* kSimThing = R"({"type":"object","additionalProperties":false,"properties":{
  "fault":{"type":"string","enum":["none","crash"]}}})";
constexpr const char* kSimPoint = R"({"type":"object","additionalProperties":false,"properties":{
  "kind":{"type":"string","enum":["temperature","humidity","setpoint"]},"value":{"type":"number"}}})";
constexpr const char* kSht3xBus = R"({"type":"object","additionalProperties":false,"required":["device"],"properties":{
  "device":{"type":"string","description":"I2C bus, /dev/i2c-1."}}})";
constexpr const char* kSht3xThing = R"({"type":"object","additionalProperties":false,"properties":{
  "address":{"type":"integer","enum":[68,69],"default":68}}})";
constexpr const char* kSht3xPoint = R"({"type":"object","additionalProperties":false,"properties":{}})";

DriverSchemas Parsed(const char* bus, const char* thing, const char* point, bool can_write) {
  return {ParseJson(bus).value(), ParseJson(thing).value(), ParseJson(point).value(), can_write};
}

Result<DriverSchemas> Describe(const std::string& driver) {
  if (driver == "modbus") return Parsed(kModbusBus, kModbusThing, kModbusPoint, true);
  if (driver == "sim") return Parsed(kSimBus, kSimThing, kSimPoint, true);
  static const std::set<std::string> kI2c{"aht20", "bme280",  "hdc1080", "hdc302x", "htu21d",
                                          "lm75",  "mcp9808", "sht3x",   "sht4x",   "tmp102"};
  if (kI2c.count(driver) != 0) return Parsed(kSht3xBus, kSht3xThing, kSht3xPoint, false);
  return Fail(Action::kFixConfig, "there is no such driver; there are modbus, sht3x, sim");
}

std::vector<DriverComplaint> CheckModbus(const BusSettings& bus, const std::vector<ThingSettings>& things) {
  std::vector<DriverComplaint> complaints;
  const bool tcp = GetString(bus.driver_options, "transport").value_or("tcp") == "tcp";
  if (tcp && !bus.driver_options.contains("host")) complaints.push_back({"/bus", "transport \"tcp\" needs host"});
  if (tcp && bus.driver_options.contains("baud")) {
    complaints.push_back({"/bus/baud", "baud goes with transport \"rtu\"; this bus is \"tcp\""});
  }
  for (std::size_t t = 0; t < things.size(); ++t) {
    for (std::size_t p = 0; p < things[t].points.size(); ++p) {
      const Json& options = things[t].points[p].driver_options;
      if (GetInt(options, "address") == 65535 && GetString(options, "type") == "u32") {
        complaints.push_back({fmt::format("/things/{}/points/{}/address", t, p), "u32 at 65535 does not fit"});
      }
    }
  }
  return complaints;
}

std::string Listed(const LoadedConfig& config, bool warnings) {
  std::string text;
  for (const Diagnostic& diagnostic : config.diagnostics) {
    if (diagnostic.warning == warnings) text += ToString(diagnostic) + "\n";
  }
  return text;
}

}  // namespace

DriverKnowledge FakeDrivers::Knowledge() {
  return {[this](const PathSettings&, const std::string& driver) {
            described.push_back(driver);
            return Describe(driver);
          },
          [this](const PathSettings&, const BusSettings& bus,
                 const std::vector<ThingSettings>& things) -> Result<std::vector<DriverComplaint>> {
            checked.push_back(bus.name);
            if (bus.driver != "modbus") return std::vector<DriverComplaint>{};
            return CheckModbus(bus, things);
          }};
}

TestFolder::TestFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "penumbra-config-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TestFolder::Write(const std::string& name, const std::string& text) const {
  const std::filesystem::path file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

std::string Errors(const LoadedConfig& config) {
  return Listed(config, false);
}

std::string Warnings(const LoadedConfig& config) {
  return Listed(config, true);
}

int LineOf(const LoadedConfig& config, const std::string& text) {
  for (const Diagnostic& diagnostic : config.diagnostics) {
    if (!diagnostic.warning && diagnostic.message.find(text) != std::string::npos) return diagnostic.line;
  }
  return 0;
}

std::string OriginOf(const LoadedConfig& config, const std::string& key) {
  for (const Origin& origin : config.origins) {
    if (origin.key == key) return origin.value + " @ " + origin.origin;
  }
  return {};
}

}  // namespace penumbra::test
