#include "uplink/redate.hpp"

#include <algorithm>

namespace penumbra {

Reading Redate(Reading reading, const TimeNow& now) {
  if (reading.time_trusted || !now.trusted || reading.boot_id != now.boot_id) return reading;
  const std::int64_t age_ms = (now.boot.ns - reading.boot_ns) / 1'000'000;
  reading.unix_ms = now.unix_ms - age_ms;
  reading.time_trusted = true;
  return reading;
}

Duration TimeWait(const Reading& reading, const TimeNow& now, Duration patience) {
  if (reading.time_trusted || now.trusted || reading.boot_id != now.boot_id) return Duration::zero();
  return std::max(Duration::zero(), patience - Duration(now.boot.ns - reading.boot_ns));
}

}  // namespace penumbra
