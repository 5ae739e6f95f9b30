// What drivers say about themselves. The daemon never loads a driver: `driver-host --describe FILE` does, in a process
// of its own with a deadline, and prints JSON. Blocking; for start-up and the command line, never on the running loop.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "model/settings.hpp"

namespace penumbra {

struct DriverDescription {
  std::string name;
  std::string version;
  bool can_write = false;
  std::vector<std::string> capabilities;        // "write", "ask", "scan", "self_test", "plan"
  Json bus_schema, thing_schema, point_schema;  // JSON Schema subset, see penumbra/driver.h
};

// Error kFixConfig: no such driver (lists those there are), or it does not load (says why).
Result<DriverDescription> DescribeDriver(const PathSettings& paths, const std::string& driver);

// The same for a file that need not be where the gateway looks for drivers.
Result<DriverDescription> DescribeDriverFile(const PathSettings& paths, const std::string& file);

// Runs `driver-host ARGUMENTS` with `input` on its standard input, and answers the JSON object that it prints. Error
// kFixConfig: it prints none in time (how it ended), or {"error"}.
Result<Json> RunDriverHost(const PathSettings& paths, const std::vector<std::string>& arguments,
                           const std::string& input, Duration time);

// What the driver's own check says of a bus with its things: pairs of JSON pointer and complaint. Error as above.
Result<std::vector<std::pair<std::string, std::string>>> CheckDriverConfiguration(const PathSettings& paths,
                                                                                  const std::string& driver,
                                                                                  const Json& configuration);

// The configuration object that open() and check() of the ABI get for one bus.
Json DriverConfiguration(const BusSettings& bus, const std::vector<ThingSettings>& things_on_bus);

}  // namespace penumbra
