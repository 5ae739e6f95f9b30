#include "iotcore/mqtt_inspect.hpp"

#include <algorithm>

namespace penumbra::iotcore {
namespace {

// Reads a packet from the left; once it has run past the end it stays failed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : all_(bytes) {}

  std::uint8_t Byte() {
    if (at_ >= all_.size()) return Failed();
    return static_cast<std::uint8_t>(all_[at_++]);
  }
  std::uint16_t Word() {
    const int high = Byte();
    return static_cast<std::uint16_t>(high << 8 | Byte());
  }
  std::string_view Bytes(std::size_t size) {
    if (size > all_.size() - std::min(at_, all_.size())) return Failed(), std::string_view();
    const std::string_view bytes = all_.substr(at_, size);
    at_ += size;
    return bytes;
  }
  std::string_view Text() { return Bytes(Word()); }
  std::size_t VariableInteger() {
    std::size_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const std::uint8_t byte = Byte();
      value |= static_cast<std::size_t>(byte & 0x7F) << 7 * i;
      if ((byte & 0x80) == 0) return value;
    }
    return Failed();
  }
  std::string_view Properties() { return Bytes(VariableInteger()); }

  bool ok() const { return ok_; }
  bool at_end() const { return at_ >= all_.size(); }
  std::size_t left() const { return all_.size() - at_; }
  std::string_view before() const { return all_.substr(0, at_); }

 private:
  std::uint8_t Failed() {
    ok_ = false;
    at_ = all_.size();
    return 0;
  }
  std::string_view all_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

constexpr std::uint8_t kTopicAlias = 0x23;

// The topic alias among the properties of a PUBLISH. False: malformed, or a property that no PUBLISH has.
bool ReadAlias(std::string_view properties, std::optional<std::uint16_t>& alias) {
  Reader reader(properties);
  while (!reader.at_end()) {
    switch (reader.VariableInteger()) {
      case 0x01:
        reader.Byte();
        break;  // payload format
      case 0x02:
        reader.Bytes(4);
        break;  // message expiry
      case 0x03:
      case 0x08:
      case 0x09:
        reader.Text();
        break;  // content type, response topic, correlation data
      case 0x0B:
        reader.VariableInteger();
        break;  // subscription identifier
      case 0x26:
        reader.Text(), reader.Text();
        break;  // user property
      case kTopicAlias:
        alias = reader.Word();
        break;
      default:
        return false;
    }
    if (!reader.ok()) return false;
  }
  return true;
}

void AppendWord(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

}  // namespace

std::optional<ConnectView> InspectConnect(const Packet& packet) {
  if (packet.type != PacketType::kConnect) return std::nullopt;
  Reader reader(packet.body);
  const std::string_view protocol = reader.Text();
  ConnectView view{.level = reader.Byte()};
  if (protocol != "MQTT" && protocol != "MQIsdp") return std::nullopt;
  const std::uint8_t flags = reader.Byte();
  reader.Word();  // keep-alive
  if (view.level >= kMqtt5) reader.Properties();
  view.client_id = std::string(reader.Text());
  if ((flags & 0x04) != 0) {
    if (view.level >= kMqtt5) reader.Properties();
    view.will_topic = std::string(reader.Text());
    reader.Text();  // payload
    view.will_retain = (flags & 0x20) != 0;
  }
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::optional<PublishView> InspectPublish(const Packet& packet, int level) {
  if (packet.type != PacketType::kPublish) return std::nullopt;
  Reader reader(packet.body);
  PublishView view{
      .topic = std::string(reader.Text()), .qos = packet.flags >> 1 & 3, .retain = (packet.flags & 1) != 0};
  if (view.qos > 0) view.packet_id = reader.Word();
  if (level >= kMqtt5 && !ReadAlias(reader.Properties(), view.alias)) return std::nullopt;
  if (!reader.ok() || view.qos > 2) return std::nullopt;
  view.payload_bytes = reader.left();
  return view;
}

std::optional<SubscribeView> InspectSubscribe(const Packet& packet, int level) {
  if (packet.type != PacketType::kSubscribe) return std::nullopt;
  Reader reader(packet.body);
  SubscribeView view{.packet_id = reader.Word()};
  if (level >= kMqtt5) reader.Properties();
  view.head = reader.before();
  while (!reader.at_end()) {
    std::string filter(reader.Text());
    view.filters.push_back({std::move(filter), reader.Byte()});
  }
  if (!reader.ok() || view.filters.empty()) return std::nullopt;
  return view;
}

std::string EncodeSubscribe(const SubscribeView& view, const std::vector<SubscribeView::Filter>& filters) {
  std::string body(view.head);
  for (const auto& [filter, options] : filters) {
    AppendWord(body, filter.size());
    body += filter;
    body += static_cast<char>(options);
  }
  return EncodePacket({PacketType::kSubscribe, 2, body});
}

std::optional<SubackView> InspectSuback(const Packet& packet, int level) {
  if (packet.type != PacketType::kSuback) return std::nullopt;
  Reader reader(packet.body);
  SubackView view{.packet_id = reader.Word()};
  if (level >= kMqtt5) reader.Properties();
  view.head = reader.before();
  while (!reader.at_end()) view.codes.push_back(reader.Byte());
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::string EncodeSuback(std::string_view head, const std::vector<std::uint8_t>& codes) {
  std::string body(head);
  for (const std::uint8_t code : codes) body += static_cast<char>(code);
  return EncodePacket({PacketType::kSuback, 0, body});
}

std::string SubackHead(std::uint16_t packet_id, int level) {
  std::string head;
  AppendWord(head, packet_id);
  if (level >= kMqtt5) head += '\0';  // no properties
  return head;
}

std::string EncodeConnackRefused(std::uint8_t code, int level) {
  std::string body(1, '\0');
  body += static_cast<char>(code);
  if (level >= kMqtt5) body += '\0';
  return EncodePacket({PacketType::kConnack, 0, body});
}

std::string EncodePubackCode(std::uint16_t packet_id, std::uint8_t code) {
  std::string body;
  AppendWord(body, packet_id);
  body += static_cast<char>(code);
  return EncodePacket({PacketType::kPuback, 0, body});
}

std::string EncodeDisconnect(std::uint8_t code) {
  const std::string body(1, static_cast<char>(code));
  return EncodePacket({PacketType::kDisconnect, 0, body});
}

}  // namespace penumbra::iotcore
