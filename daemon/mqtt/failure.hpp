// From what Paho reports to what the uplink decides on and the operator reads. Pure; any thread.
// Sources: paho.mqtt.c 1.3.12 MQTTAsyncUtils.c (its texts), MQTT 5 section 2.4, reference aws-iot-core.md section 2.
#pragma once

#include <optional>
#include <string>

#include "mqtt/transport.hpp"

namespace penumbra::mqtt {

// A connect that failed, in Paho's terms.
struct ConnectReport {
  int code = 0;      // CONNACK code when `text` says so, else Paho's own (negative)
  std::string text;  // Paho's, may be empty
  std::string tls;   // OpenSSL's error lines, may be empty
  bool host_mismatch = false;
};

Failure ConnectFailure(const ConnectReport& report, const ConnectOptions& options, const std::string& address);
// A CONNACK that accepts, but says what MQTT 5 forbids (section 3.2.2.3): nothing could be sent, or nothing is right.
std::optional<Failure> ForbiddenInConnack(const Session& session);
// Up, then gone. `reason` is that of a DISCONNECT the server sent; 0: it just closed.
Failure ClosedFailure(int reason);
// Whether the server may have ended the connection because of what we sent, which would come again after the next
// connect. MQTT 3.1.1 never says why; MQTT 5 servers often do not either (AWS over what a policy forbids or what is too
// large), and what they say is rarely more than "unspecified": only some reasons certainly speak of something else.
bool MayBlameMessage(const Failure& failure, Version version);
// "0x87 not authorized"; for codes of MQTT 5.
std::string ReasonText(int code);

}  // namespace penumbra::mqtt
