#include "iotcore/mqtt_packet.hpp"

namespace penumbra::iotcore {
namespace {

std::uint8_t Byte(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t Word(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(Byte(bytes, at) << 8 | Byte(bytes, at + 1));
}

void AppendWord(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

void AppendText(std::string& out, std::string_view text) {
  AppendWord(out, text.size());
  out += text;
}

std::string Frame(PacketType type, std::uint8_t flags, std::string_view body) {
  return EncodePacket({type, flags, body});
}

struct Length {
  std::size_t header = 0;  // bytes of the fixed header; 0: not complete yet
  std::size_t body = 0;
};

// Remaining length: at most four digits of seven bits. nullopt: malformed or too long.
std::optional<Length> ReadLength(std::string_view bytes) {
  std::size_t value = 0;
  for (std::size_t i = 1; i <= 4; ++i) {
    if (i >= bytes.size()) return Length{};
    value |= static_cast<std::size_t>(Byte(bytes, i) & 0x7F) << 7 * (i - 1);
    if ((Byte(bytes, i) & 0x80) == 0) {
      if (value > kMaxPacketBytes) return std::nullopt;
      return Length{i + 1, value};
    }
  }
  return std::nullopt;
}

}  // namespace

bool PacketReader::Feed(std::string_view bytes, const std::function<void(const Packet&)>& sink) {
  pending_ += bytes;
  std::string_view rest = pending_;
  bool whole = true;
  while (rest.size() >= 2) {
    const std::optional<Length> length = ReadLength(rest);
    if (!length) {
      whole = false;
      break;
    }
    if (length->header == 0 || rest.size() < length->header + length->body) break;
    sink({static_cast<PacketType>(Byte(rest, 0) >> 4), static_cast<std::uint8_t>(Byte(rest, 0) & 0x0F),
          rest.substr(length->header, length->body)});
    rest.remove_prefix(length->header + length->body);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return whole;
}

std::optional<Publish> ParsePublish(const Packet& packet) {
  if (packet.type != PacketType::kPublish || packet.body.size() < 2) return std::nullopt;
  Publish publish;
  publish.qos = packet.flags >> 1 & 3;
  std::size_t at = 2 + Word(packet.body, 0);
  const std::size_t after_topic = at;
  if (publish.qos > 0) at += 2;
  if (publish.qos > 2 || packet.body.size() < at) return std::nullopt;
  publish.topic = packet.body.substr(2, after_topic - 2);
  if (publish.qos > 0) publish.packet_id = Word(packet.body, after_topic);
  publish.payload = packet.body.substr(at);
  return publish;
}

std::optional<int> ParseConnack(const Packet& packet) {
  if (packet.type != PacketType::kConnack || packet.body.size() < 2) return std::nullopt;
  return Byte(packet.body, 1);
}

std::string EncodePacket(const Packet& packet) {
  std::string out(1, static_cast<char>(static_cast<std::uint8_t>(packet.type) << 4 | packet.flags));
  std::size_t left = packet.body.size();
  do {
    const std::size_t digit = left % 128;
    left /= 128;
    out += static_cast<char>(digit | (left > 0 ? 0x80 : 0));
  } while (left > 0);
  return out.append(packet.body);
}

std::string EncodeConnect(std::string_view client_id, std::uint16_t keep_alive_s) {
  std::string body;
  AppendText(body, "MQTT");
  body += '\x04';  // protocol level 3.1.1
  body += '\x02';  // clean session
  AppendWord(body, keep_alive_s);
  AppendText(body, client_id);
  return Frame(PacketType::kConnect, 0, body);
}

std::string EncodeSubscribe(std::uint16_t packet_id, const std::vector<std::string>& filters) {
  std::string body;
  AppendWord(body, packet_id);
  for (const std::string& filter : filters) {
    AppendText(body, filter);
    body += '\x01';
  }
  return Frame(PacketType::kSubscribe, 2, body);
}

std::string EncodePublish(std::uint16_t packet_id, std::string_view topic, std::string_view payload) {
  std::string body;
  AppendText(body, topic);
  AppendWord(body, packet_id);
  body += payload;
  return Frame(PacketType::kPublish, 2, body);
}

std::string EncodePuback(std::uint16_t packet_id) {
  std::string body;
  AppendWord(body, packet_id);
  return Frame(PacketType::kPuback, 0, body);
}

}  // namespace penumbra::iotcore
