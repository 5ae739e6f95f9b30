// [[thing.point]] to settings: the core's own keys of one point, and the checks between them. One thread.
#pragma once

#include "config/diagnostics.hpp"
#include "config/section.hpp"
#include "model/settings.hpp"

namespace penumbra {

// The schema's faults were reported before. `path`: key path of the point for origins.
PointSettings ReadPoint(const Node& table, const std::string& path, Diagnostics& diagnostics,
                        std::vector<Origin>& origins);

// Names that messages or shadows use for something else; nullopt when `name` is free, else what for.
std::optional<std::string> ReservedFor(std::string_view name);

}  // namespace penumbra
