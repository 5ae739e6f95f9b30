#include "app/program.hpp"

#include <fmt/format.h>

#include <pthread.h>

#include <csignal>

#include "app/driver_knowledge.hpp"
#include "app/once.hpp"
#include "app/options.hpp"
#include "base/version.hpp"
#include "config/config.hpp"

namespace penumbra {
namespace {

// Complaints go to stderr as compilers write them; a person and an editor can both follow that.
void Print(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) fmt::print(stderr, "{}\n", ToString(diagnostic));
}

void HoldReloads() {
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &hangup, nullptr);
}

}  // namespace

int DaemonMain(int argc, const char* const* argv, const DaemonSeams& seams) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto options = ParseDaemonOptions(argc, argv);
  if (!options) {
    fmt::print(stderr, "penumbrad: {}\n", options.error().message);
    return kExitUsage;
  }
  if (options->mode == DaemonOptions::Mode::kHelp) {
    fmt::print("{}", options->help);
    return kExitOk;
  }
  if (options->mode == DaemonOptions::Mode::kVersion) {
    fmt::print("penumbrad {}\n", kVersion);
    return kExitOk;
  }
  log::SetLevel(options->log_level);
  // A reload asked for while the daemon starts is done once it is up, instead of ending it.
  if (options->mode == DaemonOptions::Mode::kRun) HoldReloads();
  const LoadedConfig loaded = LoadConfig(options->config, AskDrivers());
  Print(loaded.diagnostics);
  if (!loaded.Ok()) return kExitConfig;
  if (options->mode == DaemonOptions::Mode::kOnce) return RunOnce(loaded.settings);
  Print(CheckCredentials(loaded.settings));
  if (options->mode == DaemonOptions::Mode::kCheck) {
    fmt::print("{}: ok, {} buses, {} things\n", options->config.string(), loaded.settings.buses.size(),
               loaded.settings.things.size());
    return kExitOk;
  }
  return RunDaemon(loaded, options->config, seams);
}

}  // namespace penumbra
