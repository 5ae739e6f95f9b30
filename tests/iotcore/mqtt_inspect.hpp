// What the front must know of the packets that pass it, in MQTT 3.1.1 and 5: who connects with which will, what is
// published and subscribed; and the few packets that it answers with itself. Foreign bytes: every reader says nullopt
// where a packet is malformed. Pure; any thread. Source: OASIS MQTT 3.1.1 and 5, section 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iotcore/mqtt_packet.hpp"

namespace penumbra::iotcore {

inline constexpr int kMqtt5 = 5;  // protocol level; 4 is 3.1.1

struct ConnectView {
  int level = 4;
  std::string client_id;
  std::optional<std::string> will_topic;
  bool will_retain = false;
};
std::optional<ConnectView> InspectConnect(const Packet& packet);

struct PublishView {
  std::string topic;  // empty: `alias` stands for it
  int qos = 0;
  bool retain = false;
  std::uint16_t packet_id = 0;
  std::optional<std::uint16_t> alias;
  std::size_t payload_bytes = 0;
};
std::optional<PublishView> InspectPublish(const Packet& packet, int level);

struct SubscribeView {
  std::uint16_t packet_id = 0;
  std::string_view head;  // packet id and properties, as they came
  struct Filter {
    std::string filter;
    std::uint8_t options;
  };
  std::vector<Filter> filters;
};
std::optional<SubscribeView> InspectSubscribe(const Packet& packet, int level);
// The same SUBSCRIBE with other filters.
std::string EncodeSubscribe(const SubscribeView& view, const std::vector<SubscribeView::Filter>& filters);

struct SubackView {
  std::uint16_t packet_id = 0;
  std::string_view head;
  std::vector<std::uint8_t> codes;
};
std::optional<SubackView> InspectSuback(const Packet& packet, int level);
std::string EncodeSuback(std::string_view head, const std::vector<std::uint8_t>& codes);
// The head of a SUBACK that no broker has answered.
std::string SubackHead(std::uint16_t packet_id, int level);

std::string EncodeConnackRefused(std::uint8_t code, int level);
std::string EncodePubackCode(std::uint16_t packet_id, std::uint8_t code);  // MQTT 5
std::string EncodeDisconnect(std::uint8_t code);                           // MQTT 5

}  // namespace penumbra::iotcore
