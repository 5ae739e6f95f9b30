#include "uplink/presence.hpp"

#include <fmt/format.h>

#include "base/json.hpp"

namespace penumbra {

std::string PresenceTopic(const std::string& thing) {
  return "status/" + thing;
}

std::string PresencePayload(const std::string& thing, bool connected, std::int64_t unix_ms) {
  return fmt::format(R"({{"thing":{},"connected":{},"timestamp":{}}})", Dump(Json(thing)), connected, unix_ms);
}

}  // namespace penumbra
