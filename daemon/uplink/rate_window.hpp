// A publish rate that is never exceeded, not even for a second: at most kept_ messages in any window of length
// kept_/rate, and so at most rate * s in any s seconds that are a multiple of it. A token bucket lets its burst through
// on top of the rate, which a broker that counts per second takes for a violation. Pure; the caller brings the time.
#pragma once

#include <cstddef>
#include <vector>

#include "event/clock.hpp"

namespace penumbra {

class RateWindow {
 public:
  // rate > 0 messages a second.
  explicit RateWindow(double rate);
  // Another rate from here on. What was sent before counts as if all of it went just now.
  void Change(double rate, BootTime now);
  // Zero: now. Else how long to wait.
  Duration Wait(BootTime now) const;
  // A message goes out; only when Wait was zero.
  void Take(BootTime now);

 private:
  std::vector<BootTime> taken_;  // a ring of the last moments
  std::size_t next_ = 0;
  bool full_ = false;
  Duration window_;
};

}  // namespace penumbra
