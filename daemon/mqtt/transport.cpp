#include "mqtt/transport.hpp"

namespace penumbra::mqtt {
namespace {

// Length of the topic, packet identifier, length of the properties.
constexpr std::size_t kPublishHead = 2 + 2 + 1;

// The first byte and the variable length of what follows: MQTT 5 section 2.1.
std::size_t FixedHeader(std::size_t remaining) {
  std::size_t bytes = 2;
  for (; remaining > 127; remaining /= 128) ++bytes;
  return bytes;
}

}  // namespace

std::string_view Name(Version version) {
  return version == Version::k5 ? "5" : "3.1.1";
}

bool Session::Takes(std::size_t topic_bytes, std::size_t payload_bytes) const {
  const std::size_t remaining = kPublishHead + topic_bytes + payload_bytes;
  return FixedHeader(remaining) + remaining <= maximum_packet;
}

std::size_t Session::LargestPayload(std::size_t topic_bytes) const {
  std::size_t header = FixedHeader(0);
  while (maximum_packet > header && FixedHeader(maximum_packet - header) > header) ++header;
  const std::size_t around = header + kPublishHead + topic_bytes;
  return maximum_packet > around ? maximum_packet - around : 0;
}

}  // namespace penumbra::mqtt
