// penumbrad that dies by SIGKILL at a chosen moment in the life of a command or a rotation: PENUMBRA_KILL_AT names it
// (shadow::moment, orders::moment, app/config_update.hpp, identity/enrolment.cpp), and the file PENUMBRA_KILL_ARMED
// says from when on; that believes in the boot id PENUMBRA_BOOT_ID, so that a test can reboot it; and that gives a new
// configuration PENUMBRA_CONFIG_PATIENCE seconds to work. Once a new configuration is swapped in and nobody has read
// it, it renames the file PENUMBRA_HOLD, if there is one, to PENUMBRA_HOLD.reached, and waits until that is gone: what
// a test does to the device meanwhile is after the daemon's look at how it was before. A program of the tests; the
// shipped one has no such switches.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "app/config_update.hpp"
#include "app/program.hpp"

namespace {

constexpr std::chrono::milliseconds kLook{5};
constexpr int kLooks = 6'000;  // half a minute, then it goes on: the test has ended

void Hold(const char* file) {
  if (file == nullptr) return;
  const std::string reached = std::string(file) + ".reached";
  if (std::rename(file, reached.c_str()) != 0) return;
  for (int i = 0; i < kLooks && ::access(reached.c_str(), F_OK) == 0; ++i) std::this_thread::sleep_for(kLook);
}

}  // namespace

int main(int argc, char** argv) {
  const char* moment = std::getenv("PENUMBRA_KILL_AT");
  const char* armed = std::getenv("PENUMBRA_KILL_ARMED");
  penumbra::DaemonSeams seams;
  if (const char* boot = std::getenv("PENUMBRA_BOOT_ID"); boot != nullptr) seams.boot_id = boot;
  if (const char* patience = std::getenv("PENUMBRA_CONFIG_PATIENCE"); patience != nullptr) {
    seams.config_patience = std::chrono::seconds(std::atoi(patience));
  }
  if (moment != nullptr && armed != nullptr) {
    seams.moment = [moment, armed, hold = std::getenv("PENUMBRA_HOLD")](std::string_view now) {
      if (now == penumbra::moment::kConfigSwapped) Hold(hold);
      if (now == moment && ::access(armed, F_OK) == 0) ::kill(::getpid(), SIGKILL);
    };
  }
  return penumbra::DaemonMain(argc, argv, seams);
}
