#include "store/units.hpp"

namespace penumbra {
namespace {

constexpr std::string_view kPrefix = "unit/";

}  // namespace

void RememberUnits(Store& store, const std::vector<ThingSettings>& things) {
  for (const ThingSettings& thing : things) {
    for (const PointSettings& point : thing.points) {
      const std::string key = std::string(kPrefix) + thing.name + "/" + point.name;
      const std::optional<std::string> unit = point.unit.empty() ? std::nullopt : std::optional(point.unit);
      if (store.Setting(key) != unit) store.PutSetting(key, unit, {});
    }
  }
}

// Thing names have no slash.
std::optional<std::pair<std::string, std::string>> SplitUnitKey(std::string_view key) {
  if (!key.starts_with(kPrefix)) return std::nullopt;
  key.remove_prefix(kPrefix.size());
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == key.size()) return std::nullopt;
  return std::pair(std::string(key.substr(0, slash)), std::string(key.substr(slash + 1)));
}

}  // namespace penumbra
