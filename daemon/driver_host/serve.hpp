// One open bus: loads the driver, opens it, then answers the daemon's requests one at a time until the socket ends.
// Main thread. Deliberately without any schedule, retry or time-out of its own: the daemon has those.
#pragma once

#include <string>

namespace penumbra::host {

// Exit codes of the process.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Descriptors as in driver/wire.hpp. Answers the exit code.
int Serve(const std::string& file);

}  // namespace penumbra::host
