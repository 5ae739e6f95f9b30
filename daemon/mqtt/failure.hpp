// From what Paho reports to what the uplink decides on and the operator reads. Pure; any thread.
// Sources: paho.mqtt.c 1.3.12 MQTTAsyncUtils.c (its texts), MQTT 5 section 2.4, reference aws-iot-core.md section 2.
#pragma once

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
// Up, then gone. `reason` is that of a DISCONNECT the server sent; 0: it just closed.
Failure ClosedFailure(int reason);
// "0x87 not authorized"; for codes of MQTT 5.
std::string ReasonText(int code);

}  // namespace penumbra::mqtt
