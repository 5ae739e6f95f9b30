// penumbrad that dies by SIGKILL at a chosen moment in the life of a command or a rotation: PENUMBRA_KILL_AT names it
// (shadow::moment, orders::moment, app/config_update.hpp, identity/enrolment.cpp), and the file PENUMBRA_KILL_ARMED
// says from when on; that believes in the boot id PENUMBRA_BOOT_ID, so that a test can reboot it; and that gives a new
// configuration PENUMBRA_CONFIG_PATIENCE seconds to work. A program of the tests; the shipped one has no such switches.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "app/program.hpp"

int main(int argc, char** argv) {
  const char* moment = std::getenv("PENUMBRA_KILL_AT");
  const char* armed = std::getenv("PENUMBRA_KILL_ARMED");
  penumbra::DaemonSeams seams;
  if (const char* boot = std::getenv("PENUMBRA_BOOT_ID"); boot != nullptr) seams.boot_id = boot;
  if (const char* patience = std::getenv("PENUMBRA_CONFIG_PATIENCE"); patience != nullptr) {
    seams.config_patience = std::chrono::seconds(std::atoi(patience));
  }
  if (moment != nullptr && armed != nullptr) {
    seams.moment = [moment, armed](std::string_view now) {
      if (now == moment && ::access(armed, F_OK) == 0) ::kill(::getpid(), SIGKILL);
    };
  }
  return penumbra::DaemonMain(argc, argv, seams);
}
