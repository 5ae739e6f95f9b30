// Device Defender's custom metrics of the gateway: the account must know each by name, as a number, before it takes a
// report. Source: aws-iot-core.md section 6.
#pragma once

#include <array>

namespace penumbra::defender {

inline constexpr const char* kBacklog = "backlog";               // unsent readings
inline constexpr const char* kOldestUnsent = "oldest_unsent_s";  // age of the oldest of them
inline constexpr const char* kBusLoad = "bus_load";              // of the busiest bus, 0 to 1
inline constexpr std::array kAll = {kBacklog, kOldestUnsent, kBusLoad};

}  // namespace penumbra::defender
