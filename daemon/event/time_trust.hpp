// Is the wall clock worth believing? Pis have no battery clock: after a boot without network it may be 1970, or last
// week. Rule (interfaces.md, "Clock"): trusted when configured so; when the kernel or timesyncd says synchronised; or
// when a battery clock set it at boot and it is not before the newest time the store has seen. Loop thread.
#pragma once

#include "event/clock.hpp"

namespace penumbra {

class TimeTrust {
 public:
  // `newest_seen_ms`: the newest trusted time of measurement in the store; 0 when there is none.
  TimeTrust(Clock& clock, bool always, std::int64_t newest_seen_ms)
      : clock_(clock), always_(always), newest_seen_ms_(newest_seen_ms) {}

  // Asked per reading. Once synchronised in this boot it stays trusted: holdover drifts by seconds a day, not by weeks.
  bool Trusted();

 private:
  Clock& clock_;
  bool always_;
  std::int64_t newest_seen_ms_;
  bool synchronised_ = false;
  std::int64_t asked_ns_ = -1;  // adjtimex at most once a second
  bool battery_ = false;
};

}  // namespace penumbra
