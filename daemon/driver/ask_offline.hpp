// Asks the driver of one bus without a daemon: `penumbra bus scan` before the gateway runs. Starts a driver host as the
// daemon does, asks once, ends it. Blocking; for the command line, never in the daemon.
#pragma once

#include "base/json.hpp"
#include "driver/bus_manager.hpp"
#include "model/settings.hpp"

namespace penumbra {

// Answer and errors as BusManager::Ask; error kGiveUp also when `settings` has no such bus. The device must not be in
// use by a running daemon.
Result<OrderedJson> AskOffline(const Settings& settings, const std::string& bus, const Json& question,
                               Duration timeout);

}  // namespace penumbra
