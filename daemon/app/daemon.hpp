// The composition root: makes the modules, connects them, and takes them down again in order.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.hpp"

namespace penumbra {

// Where tests reach in; empty in the program that is shipped.
struct DaemonSeams {
  // at_moment of shadow::Shadows, orders::Orders and ConfigUpdate, and of enrolments.
  std::function<void(std::string_view)> moment;
  std::string boot_id;                      // instead of the machine's, so that a test can "reboot"; empty: that
  std::optional<Duration> config_patience;  // instead of ConfigUpdate::kHealthPatience
};

// Runs until SIGTERM or SIGINT. Answers the exit code: 0 after a stop that committed everything, kExitConfig for what
// the operator must mend (paths, permissions, a second daemon), kExitFailed for the rest.
int RunDaemon(const LoadedConfig& loaded, const std::filesystem::path& config_file, const DaemonSeams& seams);

}  // namespace penumbra
