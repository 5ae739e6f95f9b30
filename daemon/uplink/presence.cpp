#include "uplink/presence.hpp"

#include <fmt/format.h>

#include "base/json.hpp"

namespace penumbra {

std::string PresenceTopic(const std::string& thing) {
  return "status/" + thing;
}

std::string PresencePayload(const std::string& thing, bool connected, std::int64_t unix_ms,
                            const std::optional<SensorState>& sensor) {
  std::string text =
      fmt::format(R"({{"thing":{},"connected":{},"timestamp":{})", Dump(Json(thing)), connected, unix_ms);
  if (sensor) {
    text += fmt::format(R"(,"sensor":{},"since":{})", Dump(Json(sensor->state)), sensor->since_ms);
    if (!sensor->reason.empty()) text += fmt::format(R"(,"reason":{})", Dump(Json(sensor->reason)));
  }
  return text + "}";
}

}  // namespace penumbra
