// driver-host: a small process that holds one driver and one bus, so that what a driver does wrong stays its own
// trouble. Started by the daemon (--serve) and, to ask a driver about itself, by the daemon and by people. It knows
// nothing of schedules, of the cloud, or of other buses. See ARCHITECTURE.md, "Processes and threads".
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "driver_host/describe.hpp"
#include "driver_host/examine.hpp"
#include "driver_host/process_limits.hpp"
#include "driver_host/serve.hpp"

namespace {

int Usage() {
  std::fputs(
      "usage: driver-host --describe FILE.so   what the driver says about itself, as JSON\n"
      "       driver-host --check FILE.so      checks the bus configuration (JSON) on standard input\n"
      "       driver-host --examine FILE.so NAME one examination of a driver, for `penumbra driver check`; names:\n",
      stderr);
  std::fputs(penumbra::host::Examinations().c_str(), stderr);
  std::fputs(
      "       driver-host --version\n"
      "The daemon also runs it as: driver-host --serve FILE.so PARENT_PID BUS\n",
      stderr);
  return penumbra::host::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "--version" && argc == 2) {
    std::puts("driver-host " PENUMBRA_VERSION);
    return penumbra::host::kExitOk;
  }
  if ((mode == "--describe" || mode == "--check") && argc == 3) {
    penumbra::host::LimitProcess(0);
    return mode == "--check" ? penumbra::host::Check(argv[2]) : penumbra::host::Describe(argv[2]);
  }
  if (mode == "--examine" && argc == 4) {
    penumbra::host::LimitProcess(0);
    return penumbra::host::Examine(argv[2], argv[3]);
  }
  // BUS is there for ps(1) and top(1) only.
  if (mode != "--serve" || argc != 5) return Usage();
  if (!penumbra::host::LimitProcess(std::atoi(argv[3]))) return penumbra::host::kExitFailed;
  return penumbra::host::Serve(argv[2]);
}
