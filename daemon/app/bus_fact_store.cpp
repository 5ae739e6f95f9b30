#include "app/bus_fact_store.hpp"

#include <algorithm>

namespace penumbra {
namespace {

std::string ListKey(const std::string& bus) {
  return "bus/" + bus + "/facts";
}

std::string ValueKey(const std::string& bus, const std::string& key) {
  return "bus/" + bus + "/fact/" + key;
}

std::vector<std::string> KeysOf(const Store& store, const std::string& bus) {
  std::vector<std::string> keys;
  const auto list = ParseJson(store.Setting(ListKey(bus)).value_or("[]"));
  if (!list || !list->is_array()) return keys;
  for (const Json& key : *list) {
    if (key.is_string()) keys.push_back(key.get<std::string>());
  }
  return keys;
}

std::map<std::string, std::string> Load(const Store& store, const std::string& bus) {
  std::map<std::string, std::string> facts;
  for (const std::string& key : KeysOf(store, bus)) {
    if (auto json = store.Setting(ValueKey(bus, key))) facts[key] = std::move(*json);
  }
  return facts;
}

// The list first: a key without a value is nothing, a value that is not listed would stay for ever.
void Save(Store& store, const std::string& bus, const std::string& key, std::optional<std::string> json) {
  std::vector<std::string> keys = KeysOf(store, bus);
  const bool listed = std::find(keys.begin(), keys.end(), key) != keys.end();
  if (listed != json.has_value()) {
    if (listed) std::erase(keys, key);
    if (!listed) keys.push_back(key);
    store.PutSetting(ListKey(bus), Dump(Json(keys)), {});
  }
  store.PutSetting(ValueKey(bus, key), std::move(json), {});
}

}  // namespace

FactKeeper FactsIn(Store& store) {
  FactKeeper keeper;
  keeper.load = [&store](const std::string& bus) { return Load(store, bus); };
  keeper.save = [&store](const std::string& bus, const std::string& key, std::optional<std::string> json) {
    Save(store, bus, key, std::move(json));
  };
  return keeper;
}

}  // namespace penumbra
