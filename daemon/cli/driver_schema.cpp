// Schemas of drivers: as documentation, and as the source of an example. Pure.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/driver_verbs.hpp"

namespace penumbra::cli {
namespace {

// What a person needs to choose a value.
constexpr std::size_t kShortestHelp = 15;

const Json& Member(const Json& object, const char* key) {
  static const Json kMissing;
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it == object.end() ? kMissing : *it;
}

bool HasType(const Json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

bool FitsType(const Json& value, const Json& type) {
  if (type.is_string()) return HasType(value, type.get<std::string>());
  return std::any_of(type.begin(), type.end(),
                     [&value](const Json& one) { return one.is_string() && HasType(value, one.get<std::string>()); });
}

std::string FaultOfDefault(const Json& property) {
  const Json& value = Member(property, "default");
  if (value.is_null()) return "";
  if (!FitsType(value, Member(property, "type"))) return "its default has another type";
  const Json& choices = Member(property, "enum");
  if (choices.is_array() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    return "its default is none of its choices";
  }
  const Json& low = Member(property, "minimum");
  const Json& high = Member(property, "maximum");
  if ((low.is_number() && value < low) || (high.is_number() && value > high)) return "its default is out of its range";
  return "";
}

std::vector<std::string> FaultsOf(const Json& property) {
  static constexpr std::array kKnown{"type",  "enum",    "minimum", "maximum",   "default",   "description",
                                     "items", "pattern", "x-unit",  "minLength", "maxLength", "examples"};
  std::vector<std::string> faults;
  const Json& type = Member(property, "type");
  if (!type.is_string() && !type.is_array()) return {"it has no type"};
  const Json& help = Member(property, "description");
  if (!help.is_string() || help.get<std::string>().size() < kShortestHelp) {
    faults.emplace_back("it has no description that would help anybody");
  }
  for (const auto& [key, value] : property.items()) {
    // "x-": a note of the driver for somebody else.
    if (!key.starts_with("x-") && std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end())
      faults.push_back("unknown keyword \"" + key + "\"");
  }
  if (std::string fault = FaultOfDefault(property); !fault.empty()) faults.push_back(std::move(fault));
  return faults;
}

Json ExampleOf(const Json& property) {
  if (property.contains("default")) return property["default"];
  if (const Json& examples = Member(property, "examples"); examples.is_array() && !examples.empty()) return examples[0];
  if (const Json& choices = Member(property, "enum"); choices.is_array() && !choices.empty()) return choices[0];
  if (property.contains("minimum")) return property["minimum"];
  const Json& type = Member(property, "type");
  const std::string name = type.is_string() ? type.get<std::string>() : "integer";
  if (name == "string") return "example";
  if (name == "boolean") return false;
  if (name == "array") return Json::array();
  return name == "number" ? Json(1.0) : Json(1);
}

Json ExampleKeys(const Json& schema) {
  Json keys = Json::object();
  const Json& properties = Member(schema, "properties");
  const Json& required = Member(schema, "required");
  for (const Json& key : required.is_array() ? required : Json::array()) {
    if (key.is_string() && properties.contains(key)) keys[key.get<std::string>()] = ExampleOf(properties[key]);
  }
  return keys;
}

}  // namespace

std::vector<std::string> JudgeSchema(const std::string& level, const Json& schema) {
  std::vector<std::string> faults;
  const Json& properties = Member(schema, "properties");
  if (properties.is_null() || properties.empty()) return faults;  // no keys of its own
  if (!properties.is_object()) return {level + ": \"properties\" is no object"};
  if (Member(schema, "additionalProperties") != Json(false)) {
    faults.push_back(level + ": additionalProperties is not false, so that a misspelt key is not noticed");
  }
  for (const auto& [key, property] : properties.items()) {
    for (const std::string& fault : FaultsOf(property))
      faults.push_back(fmt::format("{} key {}: {}", level, key, fault));
  }
  const Json& required = Member(schema, "required");
  for (const Json& key : required.is_array() ? required : Json::array()) {
    if (!key.is_string() || !properties.contains(key.get<std::string>())) {
      faults.push_back(fmt::format("{}: {} is required but no key", level, Dump(key)));
    }
  }
  return faults;
}

Json ExampleConfiguration(const Json& bus_schema, const Json& thing_schema, const Json& point_schema) {
  Json thing = ExampleKeys(thing_schema);
  thing["name"] = "example";
  thing["points"] = Json::array();
  const Json& properties = Member(point_schema, "properties");
  for (const char* key : {"quantity", "kind", "table"}) {
    const Json& choices = Member(Member(properties, key), "enum");
    if (!choices.is_array() || !thing["points"].empty()) continue;
    for (const Json& choice : choices) {
      Json point = ExampleKeys(point_schema);
      point[key] = choice;
      point["name"] = choice.is_string() ? choice.get<std::string>() : "example";
      thing["points"].push_back(std::move(point));
    }
  }
  if (thing["points"].empty()) {
    thing["points"].push_back(ExampleKeys(point_schema));
    thing["points"][0]["name"] = "example";
  }
  Json bus = ExampleKeys(bus_schema);
  bus["retries"] = 0;
  bus["timeout_ms"] = 50;
  return {{"bus", std::move(bus)}, {"things", Json::array({std::move(thing)})}};
}

}  // namespace penumbra::cli
