// Which lines of mosquitto's log are worth keeping. Pure; any thread. Source: mosquitto 2.0, its wording.
#pragma once

#include <string_view>

namespace penumbra::iotcore {

// Lines that come with every message, which the log file leaves out.
bool IsPerMessage(std::string_view line);

}  // namespace penumbra::iotcore
