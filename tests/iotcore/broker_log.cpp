#include "iotcore/broker_log.hpp"

#include <algorithm>
#include <array>

namespace penumbra::iotcore {
namespace {

// "1795388071: text" -> "text".
std::string_view WithoutTime(std::string_view line) {
  const std::size_t colon = line.find(": ");
  return colon == std::string_view::npos ? line : line.substr(colon + 2);
}

}  // namespace

bool IsPerMessage(std::string_view line) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"Received PUBLISH", "Sending PUBLISH",  "Received PUBACK",
                                                         "Sending PUBACK",   "Received PINGREQ", "Sending PINGRESP"};
  const std::string_view text = WithoutTime(line);
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](auto prefix) { return text.starts_with(prefix); });
}

}  // namespace penumbra::iotcore
