// The few MQTT 3.1.1 packets that the stand-in's own connections to its broker need: bytes to packets and back.
// Deliberately not a client library, and no MQTT 5. Pure; any thread. Source: OASIS MQTT 3.1.1, sections 2 and 3.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penumbra::iotcore {

enum class PacketType : std::uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};

// Largest packet accepted: AWS's 128 KB payload with room for topic and headers.
inline constexpr std::size_t kMaxPacketBytes = 256 * 1024;

struct Packet {
  PacketType type;
  std::uint8_t flags;
  std::string_view body;  // after the fixed header; valid during the callback
};

// Cuts a byte stream into packets.
class PacketReader {
 public:
  // Calls `sink` for each packet that is complete now. False: the stream is broken (length field, size); stop reading.
  bool Feed(std::string_view bytes, const std::function<void(const Packet&)>& sink);

 private:
  std::string pending_;
};

struct Publish {
  std::string_view topic, payload;
  int qos = 0;
  std::uint16_t packet_id = 0;  // 0 with QoS 0
};
// The parts of a PUBLISH, or nullopt where it is malformed.
std::optional<Publish> ParsePublish(const Packet& packet);
// Return code of a CONNACK (0: accepted), or nullopt where it is malformed.
std::optional<int> ParseConnack(const Packet& packet);

// Fixed header and body.
std::string EncodePacket(const Packet& packet);
// Clean session, no will, no user. `keep_alive_s` 0 switches the mechanism off.
std::string EncodeConnect(std::string_view client_id, std::uint16_t keep_alive_s);
// All filters with QoS 1.
std::string EncodeSubscribe(std::uint16_t packet_id, const std::vector<std::string>& filters);
// QoS 1, not retained.
std::string EncodePublish(std::uint16_t packet_id, std::string_view topic, std::string_view payload);
std::string EncodePuback(std::uint16_t packet_id);

}  // namespace penumbra::iotcore
