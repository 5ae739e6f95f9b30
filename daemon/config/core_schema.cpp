#include "config/core_schema.hpp"

namespace penumbra {
namespace {

const Json& Anything() {
  static const Json empty = Json::object();
  return empty;
}

}  // namespace

const Json& CoreSchema() {
  static const Json schema = [] {
    auto parsed = ParseJson(kCoreSchemaText);
    return parsed ? *std::move(parsed) : Json::object();
  }();
  return schema;
}

const Json& CoreTable(std::string_view name) {
  const auto defs = CoreSchema().find("$defs");
  if (defs == CoreSchema().end()) return Anything();
  const auto it = defs->find(name);
  return it == defs->end() ? Anything() : *it;
}

const Json& Resolve(const Json& schema) {
  constexpr std::string_view kPrefix = "#/$defs/";
  const auto ref = GetString(schema, "$ref");
  if (!ref || !ref->starts_with(kPrefix)) return schema;
  return CoreTable(std::string_view(*ref).substr(kPrefix.size()));
}

std::vector<std::string> TablesWith(std::string_view key) {
  // Tables of profiles and small inline tables would only confuse.
  static constexpr std::string_view kTables[] = {"gateway", "upstream",    "limits", "store", "clock",
                                                 "paths",   "credentials", "aws",    "rule",  "orders",
                                                 "health",  "bus",         "thing",  "point", "report"};
  std::vector<std::string> found;
  for (const std::string_view table : kTables) {
    const Json& schema = CoreTable(table);
    const auto properties = schema.find("properties");
    if (properties != schema.end() && properties->contains(key)) {
      found.push_back(GetString(schema, "x-table").value_or(std::string(table)));
    }
  }
  return found;
}

}  // namespace penumbra
