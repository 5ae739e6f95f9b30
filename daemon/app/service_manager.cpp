#include "app/service_manager.hpp"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <ctime>

namespace penumbra::service_manager {

void Ready() {
  ::sd_notify(0, "READY=1");
}
void Reloading() {
  // sd_notify(3): MONOTONIC_USEC tells systemd that this answers its signal and not an earlier one.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t usec = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec)).c_str());
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
