// Talks to systemd (sd_notify(3)): ready, status line, watchdog, stopping. Does nothing where there is no systemd. Loop
// thread.
#pragma once

#include <optional>
#include <string>

#include "base/duration.hpp"

namespace penumbra::service_manager {

void Ready();      // also after Reloading, whatever became of the reload
void Reloading();  // with the time that Type=notify-reload asks for
void Status(const std::string& line);
void Stopping();
void WatchdogPing();
// How often a ping is due (half of WatchdogSec); nullopt without a watchdog.
std::optional<Duration> WatchdogInterval();

}  // namespace penumbra::service_manager
