// Which thing a topic is about. Pure; any thread.
#pragma once

#include <string_view>

namespace penumbra::iotcore {

// "sensors/T/..", "status/T", "commands/T/..", "$aws/things/T/.."; empty: none.
inline std::string_view ThingOfTopic(std::string_view topic) {
  const auto level = [](std::string_view rest, int number) -> std::string_view {
    for (; number > 0; --number) {
      const std::size_t slash = rest.find('/');
      if (slash == std::string_view::npos) return {};
      rest.remove_prefix(slash + 1);
    }
    return rest.substr(0, rest.find('/'));
  };
  if (topic.starts_with("$aws/things/")) return level(topic, 2);
  if (topic.starts_with("sensors/") || topic.starts_with("status/") || topic.starts_with("commands/")) {
    return level(topic, 1);
  }
  return {};
}

}  // namespace penumbra::iotcore
