#include "config/drivers.hpp"

#include <fmt/format.h>

#include <charconv>

namespace penumbra {
namespace {

std::string Unescape(std::string_view step) {
  std::string out;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] == '~' && i + 1 < step.size()) {
      out += step[++i] == '1' ? '/' : '~';
    } else {
      out += step[i];
    }
  }
  return out;
}

std::vector<std::string> Steps(std::string_view pointer) {
  std::vector<std::string> steps;
  while (!pointer.empty() && pointer.front() == '/') {
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    steps.push_back(Unescape(pointer.substr(0, end)));
    pointer.remove_prefix(end);
  }
  return steps;
}

const Node* Item(const std::vector<Node>& items, const std::string& step) {
  std::size_t index = 0;
  const auto [end, ec] = std::from_chars(step.data(), step.data() + step.size(), index);
  return ec == std::errc() && end == step.data() + step.size() && index < items.size() ? &items[index] : nullptr;
}

// The names of the ABI that differ from those of the file.
std::string KeyInFile(const std::string& step) {
  if (step == "points") return "point";
  return step == "timeout_ms" ? "timeout" : step;
}

}  // namespace

const DriverSchemas* Drivers::Describe(const Node& name) {
  auto it = asked_.find(name.text);
  if (it == asked_.end()) it = asked_.emplace(name.text, knowledge_.describe(paths_, name.text)).first;
  if (it->second) return &*it->second;
  diagnostics_.Error(name.place, fmt::format("driver {}: {}", Quoted(name.text), it->second.error().message));
  return nullptr;
}

void Drivers::Check(const BusSettings& bus, const std::vector<ThingSettings>& things, const Tables& tables) {
  const auto complaints = knowledge_.check(paths_, bus, things);
  if (!complaints) {
    diagnostics_.Error(tables.bus->place, fmt::format("driver {} could not check bus {}: {}", Quoted(bus.driver),
                                                      Quoted(bus.name), complaints.error().message));
    return;
  }
  for (const DriverComplaint& complaint : *complaints) {
    diagnostics_.Error(FindPlace(complaint.pointer, tables), complaint.message);
  }
  CheckEndpoint(bus, tables.bus->place);
}

// A device or port that two buses reach: two masters on one line destroy each other's frames, and many devices serve
// one connection at a time. Which options make the endpoint is the driver's to say ("x-endpoint" in its schema).
void Drivers::CheckEndpoint(const BusSettings& bus, Place place) {
  const auto asked = asked_.find(bus.driver);
  if (asked == asked_.end() || !asked->second) return;
  const Json& schema = asked->second->bus;
  const auto properties = schema.find("properties");
  if (properties == schema.end() || !properties->is_object()) return;
  Json endpoint = Json::object();
  bool exclusive = false;
  for (const auto& [key, property] : properties->items()) {
    const std::string kind = GetString(property, "x-endpoint").value_or("");
    const auto value = bus.driver_options.find(key);
    if (kind.empty() || value == bus.driver_options.end()) continue;
    endpoint[key] = *value;
    exclusive = exclusive || kind == "exclusive";
  }
  if (endpoint.empty()) return;
  const auto [first, fresh] = endpoints_.emplace(bus.driver + Dump(endpoint), bus.name);
  if (fresh) return;
  std::string message = fmt::format("bus {} and bus {} reach the same {}; put their things on one bus",
                                    Quoted(bus.name), Quoted(first->second), exclusive ? "port" : "endpoint");
  if (exclusive) return diagnostics_.Error(place, message);
  diagnostics_.Warning(place, message + ": many devices serve one connection at a time");
}

Place FindPlace(const std::string& pointer, const Drivers::Tables& tables) {
  std::vector<std::string> steps = Steps(pointer);
  const Node* node = tables.bus;
  std::size_t next = 0;
  if (steps.size() >= 2 && steps[0] == "things") {
    std::size_t index = 0;
    std::from_chars(steps[1].data(), steps[1].data() + steps[1].size(), index);
    if (index >= tables.things.size()) return tables.bus->place;
    node = tables.things[index];
    next = 2;
  } else if (!steps.empty() && steps[0] == "bus") {
    next = 1;
  }
  for (; next < steps.size(); ++next) {
    const Node* inner =
        node->kind == Node::Kind::kArray ? Item(node->items, steps[next]) : node->Find(KeyInFile(steps[next]));
    if (inner == nullptr) break;
    node = inner;
  }
  return node->place;
}

Json DriverOptions(const Node& table, const Json& schema) {
  Json options = Json::object();
  const auto properties = schema.find("properties");
  if (properties == schema.end() || !properties->is_object()) return options;
  for (const auto& [key, unused] : properties->items()) {
    if (const Node* value = table.Find(key)) options[key] = ToJson(*value);
  }
  return options;
}

}  // namespace penumbra
