// The unit of each point, kept in the store's settings ("unit/<thing>/<point>"), so that exported and queried data says
// what it is, also of things that are not configured any more. Loop thread, but for SplitUnitKey.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/settings.hpp"
#include "store/store.hpp"

namespace penumbra {

// Stores what has changed; nothing is written when nothing has.
void RememberUnits(Store& store, const std::vector<ThingSettings>& things);

// Thing and point of a setting's key; nullopt: it is no unit.
std::optional<std::pair<std::string, std::string>> SplitUnitKey(std::string_view key);

}  // namespace penumbra
