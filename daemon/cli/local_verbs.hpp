// The verbs that read files and drivers and need no daemon, and the search for the daemon's socket. Each verb answers
// the exit code. Blocking; one thread.
#pragma once

#include <filesystem>
#include <optional>

#include "base/json.hpp"
#include "cli/options.hpp"
#include "config/config.hpp"

namespace penumbra::cli {

int ConfigCheck(const Invocation& invocation);
int ConfigShow(const Invocation& invocation);
int ListDrivers(const Invocation& invocation);

// --config or the place of installation.
std::string ConfigFile(const Invocation& invocation);
// [paths] of the configuration, or the places of installation without one. nullopt: it cannot be read; complained
// about, exit code 78.
std::optional<PathSettings> FindPaths(const Invocation& invocation);
// On standard error, a line each.
void PrintDiagnostics(const std::vector<Diagnostic>& diagnostics);
// The configuration that --config names, drivers asked. nullopt: it has errors, which have been printed; exit code 78.
std::optional<LoadedConfig> LoadWhole(const Invocation& invocation);

// --socket, PENUMBRA_SOCKET, [paths] run of --config, /run/penumbra/api.sock. nullopt: --config names a file that
// cannot be read; complained about, exit code 78.
std::optional<std::filesystem::path> FindSocket(const Invocation& invocation);

// [paths] state of --config, or its default; what a configuration with errors says of it counts too.
std::filesystem::path FindStateDirectory(const Invocation& invocation);

// {"file","ok","diagnostics":[{"file","line","column","severity","message"}]}
OrderedJson RenderDiagnostics(const std::string& file, const std::vector<Diagnostic>& diagnostics);
// The rows of `config show`: without `all`, those that a file or a profile set.
Json RenderOrigins(const std::string& file, const std::vector<Origin>& origins, bool all);
// A driver's keys at one level as a table: key, type, default, description.
std::string SchemaText(const Json& schema);

}  // namespace penumbra::cli
