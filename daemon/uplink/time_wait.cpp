#include "uplink/time_wait.hpp"

#include <algorithm>

namespace penumbra {

Duration TimeWait(const Reading& redated, const TimeNow& now, Duration patience) {
  if (redated.boot_id != now.boot_id) return Duration::zero();
  // A doubt ends by itself, within the same patience.
  if (now.in_doubt) return std::max<Duration>(patience, std::chrono::milliseconds(1));
  if (redated.time_trusted) return Duration::zero();
  const BootTime since = std::max(BootTime{redated.boot_ns}, now.reachable_since);
  return std::max(Duration::zero(), patience - (now.boot - since));
}

}  // namespace penumbra
