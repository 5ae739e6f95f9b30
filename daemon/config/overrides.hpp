// What `update_config` has set: one small JSON file in the state directory, put over the files' values. Between the
// files and what a shadow desires (interfaces.md, "Settings, who wins"). Blocking where it reads; one thread.
//
//   {"sensor-001":{"sample_interval":"10s","report":{"temperature":{"deadband":0.2}}}}
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace penumbra {

inline constexpr std::size_t kMaxOverrideBytes = 1024 * 1024;

std::filesystem::path OverridesFile(const PathSettings& paths);

// The file as it stands; {} when there is none. Error kFixConfig: it cannot be read or is no JSON object.
Result<Json> ReadOverrides(const std::filesystem::path& file);

// Whether `config` may be put over `thing`: {"sample_interval": S, "report": {"<point>": {"deadband","max_silence",
// "min_interval"}}}, or the same as paths, {"report.<point>.deadband": D}; times in seconds or as "10s", null takes an
// override back. Anything else is refused whole; the message names the key.
Status CheckOverride(const ThingSettings& thing, const Json& config);

// `config` merged into the overrides of one thing; what becomes empty goes.
Json MergeOverride(const Json& overrides, const std::string& thing, const Json& config);

// Puts the file over `loaded`. A file or an entry that cannot be used is left out with a warning: a gateway that was
// configured from afar must come up.
void ApplyOverrides(const std::filesystem::path& file, LoadedConfig& loaded);

}  // namespace penumbra
