#include "model/settings_diff.hpp"

#include <algorithm>

namespace penumbra {
namespace {

template <typename Item>
const Item* Find(const std::vector<Item>& items, const std::string& name) {
  const auto it = std::find_if(items.begin(), items.end(), [&name](const Item& item) { return item.name == name; });
  return it == items.end() ? nullptr : &*it;
}

template <typename Item>
void NoteRemoved(std::string_view kind, const std::vector<Item>& running, const std::vector<Item>& wanted,
                 std::vector<std::string>& restart) {
  for (const Item& item : running) {
    if (Find(wanted, item.name) == nullptr) restart.push_back(std::string(kind) + " " + item.name + ": removed");
  }
}

// The parts of a thing, for words; whatever is not named here is "settings", so that no change goes unseen.
std::string ChangedParts(const ThingSettings& from, const ThingSettings& to) {
  std::vector<std::string> parts;
  if (from.bus != to.bus) parts.emplace_back("bus");
  if (from.points != to.points) parts.emplace_back("points");
  if (from.topic != to.topic) parts.emplace_back("topic");
  if (from.certificate != to.certificate || from.private_key != to.private_key) parts.emplace_back("credentials");
  if (parts.empty()) return "settings";
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

void CompareThing(const ThingSettings& from, const ThingSettings& to, SettingsDiff& diff) {
  if (from == to) return;
  ThingSettings with_interval = from;
  with_interval.sample_interval = to.sample_interval;
  if (with_interval == to) {
    diff.intervals.push_back({to.name, from.sample_interval, to.sample_interval});
  } else {
    diff.restart.push_back("thing " + to.name + ": " + ChangedParts(from, to));
  }
}

}  // namespace

SettingsDiff Compare(const Settings& running, const Settings& wanted) {
  SettingsDiff diff;
  if (running.gateway != wanted.gateway) diff.restart.emplace_back("[gateway]");
  if (running.upstream != wanted.upstream) diff.restart.emplace_back("[upstream]");
  if (running.store != wanted.store) diff.restart.emplace_back("[store]");
  if (running.clock != wanted.clock) diff.restart.emplace_back("[clock]");
  if (running.paths != wanted.paths) diff.restart.emplace_back("[paths]");
  for (const BusSettings& bus : wanted.buses) {
    const BusSettings* before = Find(running.buses, bus.name);
    if (before == nullptr) diff.restart.push_back("bus " + bus.name + ": added");
    if (before != nullptr && *before != bus) diff.restart.push_back("bus " + bus.name + ": settings");
  }
  for (const ThingSettings& thing : wanted.things) {
    const ThingSettings* before = Find(running.things, thing.name);
    if (before == nullptr) {
      diff.restart.push_back("thing " + thing.name + ": added");
    } else {
      CompareThing(*before, thing, diff);
    }
  }
  NoteRemoved("bus", running.buses, wanted.buses, diff.restart);
  NoteRemoved("thing", running.things, wanted.things, diff.restart);
  return diff;
}

}  // namespace penumbra
