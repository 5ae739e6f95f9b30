// What mosquitto's log tells about connections and refusals: the only place where the broker says which client id a
// certificate came with. Pure; any thread. Source: mosquitto 2.0 src/handle_connect.c, src/handle_publish.c (wording).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penumbra::iotcore {

struct BrokerEvent {
  enum class Kind { kConnected, kDeniedPublish };
  Kind kind = Kind::kConnected;
  std::string client_id;
  std::string thing;            // kConnected: user name, that is the common name of the certificate; empty: none
  std::uint16_t peer_port = 0;  // kConnected: the port from which the connection came
  int protocol = 0;             // kConnected: 4 is MQTT 3.1.1, 5 is MQTT 5
  std::string topic;            // kDeniedPublish
};

// nullopt: a line that says neither.
std::optional<BrokerEvent> ParseBrokerLog(std::string_view line);

// Lines that come with every message, which the log file leaves out.
bool IsPerMessage(std::string_view line);

}  // namespace penumbra::iotcore
