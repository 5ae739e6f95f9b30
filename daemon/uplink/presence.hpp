// The status message of a thing (interfaces.md, "Will and presence"). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "uplink/uplink.hpp"

namespace penumbra {

std::string PresenceTopic(const std::string& thing);
// `sensor`: what is known of the device behind the thing.
std::string PresencePayload(const std::string& thing, bool connected, std::int64_t unix_ms,
                            const std::optional<SensorState>& sensor = std::nullopt);

}  // namespace penumbra
