// The composition root: makes the modules, connects them, and takes them down again in order.
#pragma once

#include "config/config.hpp"

namespace penumbra {

// Runs until SIGTERM or SIGINT. Answers the exit code: 0 after a stop that committed everything, kExitConfig for what
// the operator must mend (paths, permissions, a second daemon), kExitFailed for the rest.
int RunDaemon(const LoadedConfig& loaded, const std::filesystem::path& config_file);

}  // namespace penumbra
