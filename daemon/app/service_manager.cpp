#include "app/service_manager.hpp"

#include <systemd/sd-daemon.h>

namespace penumbra::service_manager {

void Ready() {
  ::sd_notify(0, "READY=1");
}
void Reloading() {
  ::sd_notify(0, "RELOADING=1");
}
void Status(const std::string& line) {
  ::sd_notify(0, ("STATUS=" + line).c_str());
}
void Stopping() {
  ::sd_notify(0, "STOPPING=1");
}
void WatchdogPing() {
  ::sd_notify(0, "WATCHDOG=1");
}

std::optional<Duration> WatchdogInterval() {
  std::uint64_t usec = 0;
  if (::sd_watchdog_enabled(0, &usec) <= 0 || usec == 0) return std::nullopt;
  return std::chrono::microseconds(usec / 2);
}

}  // namespace penumbra::service_manager
