#include "event/clock.hpp"

#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

namespace penumbra {
namespace {

std::int64_t ReadClock(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

}  // namespace

SystemClock::SystemClock() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  if (!std::getline(file, boot_id_)) boot_id_ = "unknown";
}

BootTime SystemClock::Now() const {
  return {ReadClock(CLOCK_BOOTTIME)};
}

std::int64_t SystemClock::UnixMs() const {
  return ReadClock(CLOCK_REALTIME) / 1'000'000;
}

bool SystemClock::Synchronised() const {
  timex state{};
  if (::adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) == 0) return true;
  return ::access("/run/systemd/timesync/synchronized", F_OK) == 0;
}

bool SystemClock::SetFromBattery() const {
  std::ifstream file("/sys/class/rtc/rtc0/hctosys");
  return file.get() == '1';
}

}  // namespace penumbra
