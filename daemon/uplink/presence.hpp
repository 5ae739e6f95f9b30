// The status message of a thing (interfaces.md, "Will and presence"). Pure.
#pragma once

#include <cstdint>
#include <string>

namespace penumbra {

std::string PresenceTopic(const std::string& thing);
std::string PresencePayload(const std::string& thing, bool connected, std::int64_t unix_ms);

}  // namespace penumbra
