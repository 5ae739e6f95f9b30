// What to do with a reading whose time of measurement was not trusted when it was taken (interfaces.md, "Clock"). Pure.
#pragma once

#include <string>

#include "event/clock.hpp"
#include "model/reading.hpp"

namespace penumbra {

struct TimeNow {
  BootTime boot;
  std::int64_t unix_ms = 0;
  std::string boot_id;
  bool trusted = false;
};

// The same reading dated from the monotonic clock: only for one of this boot, and only when `now` is trusted.
Reading Redate(Reading reading, const TimeNow& now);

// How long it must still wait: zero when it can go, because it was trusted, can be re-dated, is of an older boot (which
// waiting does not make better), or has waited `patience` since its measurement.
Duration TimeWait(const Reading& reading, const TimeNow& now, Duration patience);

}  // namespace penumbra
