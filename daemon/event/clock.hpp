// The one source of time. Everything that asks what time it is gets a Clock, so that tests run on virtual time.
//
// Two times exist and never mix: BootTime (CLOCK_BOOTTIME, monotonic, counts through suspend, the same for every
// process of this boot) for intervals and deadlines, and Unix milliseconds (CLOCK_REALTIME, may jump) for what people
// and the cloud read. Source: clock_gettime(2), adjtimex(2) STA_UNSYNC, systemd-timesyncd.service(8) (the flag file).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/duration.hpp"

namespace penumbra {

// A moment on CLOCK_BOOTTIME.
struct BootTime {
  std::int64_t ns = 0;
  friend auto operator<=>(const BootTime&, const BootTime&) = default;
  friend BootTime operator+(BootTime t, Duration d) { return {t.ns + d.count()}; }
  friend BootTime operator-(BootTime t, Duration d) { return {t.ns - d.count()}; }
  friend Duration operator-(BootTime a, BootTime b) { return Duration(a.ns - b.ns); }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual BootTime Now() const = 0;
  virtual std::int64_t UnixMs() const = 0;
  // The kernel or timesyncd says that the wall clock follows a reference.
  virtual bool Synchronised() const = 0;
  // A battery-backed clock set the wall clock when this boot began (/sys/class/rtc/rtc0/hctosys).
  virtual bool SetFromBattery() const = 0;
  // /proc/sys/kernel/random/boot_id: BootTime of different boots never compare.
  virtual const std::string& BootId() const = 0;
};

// The machine's clocks. Any thread.
class SystemClock : public Clock {
 public:
  SystemClock();
  BootTime Now() const override;
  std::int64_t UnixMs() const override;
  bool Synchronised() const override;
  bool SetFromBattery() const override;
  const std::string& BootId() const override { return boot_id_; }

 private:
  std::string boot_id_;
};

}  // namespace penumbra
