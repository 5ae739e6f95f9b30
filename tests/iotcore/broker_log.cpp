#include "iotcore/broker_log.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace penumbra::iotcore {
namespace {

// "1795388071: text" -> "text".
std::string_view WithoutTime(std::string_view line) {
  const std::size_t colon = line.find(": ");
  return colon == std::string_view::npos ? line : line.substr(colon + 2);
}

std::optional<std::uint16_t> Port(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::uint16_t port = 0;
  const std::string_view digits = address.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return port;
}

// "127.0.0.1:41632 as bob (p5, c1, k60, u'bob')."; the client id may hold anything, so the tail is read from the right.
std::optional<BrokerEvent> ParseConnected(std::string_view text) {
  const std::size_t as = text.find(" as "), tail = text.rfind(" (p");
  if (as == std::string_view::npos || tail == std::string_view::npos || tail < as + 4) return std::nullopt;
  const auto port = Port(text.substr(0, as));
  if (!port || tail + 3 >= text.size()) return std::nullopt;
  BrokerEvent event{.client_id = std::string(text.substr(as + 4, tail - as - 4)), .peer_port = *port};
  event.protocol = text[tail + 3] == '5' ? 5 : text[tail + 3] == '2' ? 4 : 3;  // mosquitto's own numbering
  const std::string_view details = text.substr(tail);
  const std::size_t user = details.find(", u'"), end = details.rfind("')");
  if (user != std::string_view::npos && end != std::string_view::npos && end >= user + 4) {
    event.thing = std::string(details.substr(user + 4, end - user - 4));
  }
  return event;
}

// "bob (d0, q1, r0, m1, 'sensors/bob', ... (2 bytes))"
std::optional<BrokerEvent> ParseDenied(std::string_view text) {
  const std::size_t details = text.find(" (d"), topic = text.find(", '"), end = text.rfind("', ... (");
  if (details == std::string_view::npos || topic == std::string_view::npos || end == std::string_view::npos ||
      end < topic + 3) {
    return std::nullopt;
  }
  return BrokerEvent{.kind = BrokerEvent::Kind::kDeniedPublish,
                     .client_id = std::string(text.substr(0, details)),
                     .topic = std::string(text.substr(topic + 3, end - topic - 3))};
}

}  // namespace

std::optional<BrokerEvent> ParseBrokerLog(std::string_view line) {
  constexpr std::string_view kConnected = "New client connected from ", kDenied = "Denied PUBLISH from ";
  const std::string_view text = WithoutTime(line);
  if (text.starts_with(kConnected)) return ParseConnected(text.substr(kConnected.size()));
  if (text.starts_with(kDenied)) return ParseDenied(text.substr(kDenied.size()));
  return std::nullopt;
}

bool IsPerMessage(std::string_view line) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"Received PUBLISH", "Sending PUBLISH",  "Received PUBACK",
                                                         "Sending PUBACK",   "Received PINGREQ", "Sending PINGRESP"};
  const std::string_view text = WithoutTime(line);
  return std::any_of(kPrefixes.begin(), kPrefixes.end(), [&](auto prefix) { return text.starts_with(prefix); });
}

}  // namespace penumbra::iotcore
