// `penumbra bus scan BUS`: a scan in slices, between which the bus is polled, and the profiles that fit what was found.
// Only reads. Blocking; one thread. SuggestProfiles is pure but for `read`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/options.hpp"
#include "config/profile_list.hpp"

namespace penumbra::cli {

// Reads places of one unit; the answers in their order, null where there is none.
using ReadPlaces = std::function<std::vector<Json>(const Json& unit, const std::vector<Json>& places)>;
inline constexpr std::size_t kMaxPlacesAtOnce = 32;

// [{"profile","title","values":{point:value}}] of those whose every check fits.
OrderedJson SuggestProfiles(const std::vector<ProfileSummary>& profiles, const Json& unit, const ReadPlaces& read);

int Scan(const Invocation& invocation, const Json& question, Duration timeout);

}  // namespace penumbra::cli
