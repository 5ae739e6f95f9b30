// How long a reading must wait for the clock before it may be sent (interfaces.md, "Clock"). Its true time comes from
// store/time_book.hpp. Pure.
#pragma once

#include <string>

#include "event/clock.hpp"
#include "model/reading.hpp"

namespace penumbra {

struct TimeNow {
  BootTime boot;
  std::string boot_id;
  bool in_doubt = false;  // the clock has jumped, and it is not known yet which time is right
  // Since when the cloud can be reached: before that, a reading waits for the link and not for the clock. What was
  // measured during an hour without network gets its chance of a synchronisation that comes with the network.
  BootTime reachable_since;
};

// `redated` has its true time as far as it is known. Zero when it can go: it is trusted and the clock not in doubt, is
// of an older boot (which waiting does not make better), or has waited `patience`.
Duration TimeWait(const Reading& redated, const TimeNow& now, Duration patience);

}  // namespace penumbra
