// The schema of the configuration's own keys: schema/penumbra-config.schema.json, embedded at build.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace penumbra {

// The JSON text of the schema file; generated.
extern const std::string_view kCoreSchemaText;

const Json& CoreSchema();
// "#/$defs/<name>"; the schema without restrictions when there is no such definition.
const Json& CoreTable(std::string_view name);
// Follows one "$ref" into the core schema.
const Json& Resolve(const Json& schema);
// The tables ("[store]") in which the core schema knows `key`: for "it belongs in ...".
std::vector<std::string> TablesWith(std::string_view key);

}  // namespace penumbra
