// What `penumbra` tells the shell. Source: interfaces.md "Command line", sysexits.h.
#pragma once

namespace penumbra::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnavailable = 69;  // the daemon is not reachable
inline constexpr int kExitConfig = 78;

}  // namespace penumbra::cli
