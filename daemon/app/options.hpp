// penumbrad's command line.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"

namespace penumbra {

// sysexits.h, as interfaces.md promises them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfig = 78;

struct DaemonOptions {
  enum class Mode { kRun, kCheck, kOnce, kVersion, kHelp };
  Mode mode = Mode::kRun;
  std::filesystem::path config = "/etc/penumbra/penumbra.toml";
  log::Level log_level = log::Level::kInfo;
  std::string help;  // the text of --help
};

// Error: the message for stderr; the exit code is kExitUsage.
Result<DaemonOptions> ParseDaemonOptions(int argc, const char* const* argv);

}  // namespace penumbra
