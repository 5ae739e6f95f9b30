// `penumbra driver check FILE.so` and `penumbra driver new NAME`: for authors of drivers. Each answers the exit code.
// Blocking; one thread, beside the one that plays a device.
#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/options.hpp"
#include "model/settings.hpp"

namespace penumbra::cli {

// The verb: check FILE.so [CONFIGURATION.json], or new NAME [FOLDER].
int Driver(const Invocation& invocation);

struct Finding {
  std::string examination;  // "abi", "schemas", "options", "leaks", ...
  std::string text;         // what is wrong; empty: passed
  bool skipped = false;     // `text` says why
};

// Everything that can be found out about a driver without its device. `configuration`: as open() gets it; null: made
// from the schemas. One entry at least for each examination.
std::vector<Finding> CheckDriver(const PathSettings& paths, const std::string& file, const Json& configuration);

// What is wrong with a schema as documentation and as a check, in words for its author.
std::vector<std::string> JudgeSchema(const std::string& level, const Json& schema);

// A configuration with one thing that the schemas allow: the required keys with their default, first choice or least
// value; a point for each choice of a key "quantity" or "kind", else one.
Json ExampleConfiguration(const Json& bus_schema, const Json& thing_schema, const Json& point_schema);

}  // namespace penumbra::cli
