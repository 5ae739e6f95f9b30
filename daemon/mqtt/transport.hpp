// What the uplink needs of an MQTT client, and no more. Paho stands behind it (paho_transport.hpp); tests put a fake
// broker there.
//
// Everything here is asynchronous and on the loop thread: a call queues work for the MQTT thread and returns at once;
// answers come as Listener calls, posted to the loop. A Connection is one attempt and one session: it is never reused
// after it failed or closed. Behaviour of AWS IoT Core that shapes it: reference aws-iot-core.md, sections 1 and 2.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "event/loop.hpp"

namespace penumbra::mqtt {

enum class Version { k5, k311 };
std::string_view Name(Version version);  // "5", "3.1.1"

struct Will {
  std::string topic;
  std::string payload;
  bool retain = false;
};

struct ConnectOptions {
  std::string client_id;
  std::string host;           // checked against the server's certificate, and sent as SNI
  std::uint16_t port = 8883;  // 443 adds ALPN x-amzn-mqtt-ca
  std::filesystem::path root_ca, certificate, private_key;
  Version version = Version::k5;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration keep_alive = std::chrono::seconds(60);
  // How long the server keeps subscriptions and messages for us after the end; zero: nothing is kept, and what an
  // earlier session had is forgotten. MQTT 3.1.1 knows only whether.
  Duration session_expiry{};
  std::optional<Will> will;
  // Beginnings of topics whose messages are acknowledged only when their PendingAck says so.
  std::vector<std::string> commit_first;
};

// Why a connection did not come up, or ended.
struct Failure {
  enum class Kind {
    kName,             // the host name does not resolve, or not in time
    kNetwork,          // refused, unreachable, reset, timed out
    kTls,              // handshake failed: certificate, host name, clock
    kCredentials,      // our certificate or key file cannot be used
    kProtocolVersion,  // the server speaks no MQTT 5: try 3.1.1
    kRefused,          // CONNACK with another refusal, or closed before CONNACK
    kClosed,           // was up, then closed by the server or the network
    kLocal,            // we closed it
  };
  Kind kind = Kind::kNetwork;
  int reason_code = 0;  // MQTT reason code where there is one
  std::string message;  // for the operator: what happened and what to look at
};

// Answer to a publish or subscribe. `code` as MQTT 5 has it: below 0x80 is success. With 3.1.1 a PUBACK is always 0.
struct Outcome {
  int code = 0;
  bool ok() const { return code < 0x80; }
};

// What CONNACK said. With 3.1.1, which cannot say more than `present`, the rest is as here.
struct Session {
  bool present = false;
  // Unacknowledged messages the server accepts (MQTT 5 Receive Maximum). Paho holds back what is above it and looks
  // again only once a second, so a caller should stay within.
  int receive_maximum = 65535;
  std::size_t maximum_packet = SIZE_MAX;           // bytes of a whole packet that the server takes
  int maximum_qos = 2;                             // 0: it cannot acknowledge anything
  bool retain_available = true;                    // else it closes the connection over a retained message
  std::optional<std::chrono::seconds> keep_alive;  // what it wants instead of ours

  // Whether a PUBLISH with QoS 1 and no properties may be sent: MQTT 5 sections 3.3 and 3.2.2.3.6.
  bool Takes(std::size_t topic_bytes, std::size_t payload_bytes) const;
  std::size_t LargestPayload(std::size_t topic_bytes) const;  // zero: not even an empty one
};

// The PUBACK of a message below ConnectOptions::commit_first: until it is sent the server keeps the message for us.
// Whoever has it acknowledges when the message is as safe here as it is there, and soon: all connections stand still
// meanwhile. Destroyed without, or too late, no PUBACK is sent, and the message comes again, at the latest with the
// next connection; so it must be recognised. Any thread.
class PendingAck {
 public:
  virtual ~PendingAck() = default;
  virtual void Acknowledge() = 0;
};

struct Message {
  std::string topic;
  std::string payload;
  bool retained = false;            // the server kept it for whoever subscribes, so it may be of any age
  std::shared_ptr<PendingAck> ack;  // null: acknowledged already, or not to be
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void OnConnected(const Session& session) = 0;
  // Exactly once for each connection that ended or never came up, and nothing after it.
  virtual void OnDown(const Failure& failure) = 0;
  // The PUBACK of Publish(token). Comes in any order; a token not answered when OnDown comes was not acknowledged.
  virtual void OnPublished(std::uint64_t token, Outcome outcome) = 0;
  virtual void OnSubscribed(std::uint64_t token, Outcome outcome) = 0;
  virtual void OnMessage(Message message) = 0;
};

class Connection {
 public:
  // Destroying it closes at once and silences the listener; the server publishes the will. (MQTT 5: DISCONNECT 0x04.
  // With 3.1.1 Paho always says a plain DISCONNECT to a server it can still reach, and then there is no will.)
  virtual ~Connection() = default;
  // QoS 1. `token` is the caller's and unique within the connection.
  virtual void Publish(std::uint64_t token, std::string topic, std::string payload, bool retain) = 0;
  // One filter, QoS 1.
  virtual void Subscribe(std::uint64_t token, std::string filter) = 0;
  // Sends DISCONNECT; OnDown(kLocal) follows.
  virtual void Disconnect() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Starts connecting. `listener` must outlive the Connection. Never fails at once: failures come as OnDown.
  virtual std::unique_ptr<Connection> Connect(ConnectOptions options, Listener& listener) = 0;
  // Whether a connection can be tried with these files now: `done`, once and later, unless the transport ends before.
  virtual void CheckCredentials(ConnectOptions options, std::function<void(Status)> done) = 0;
};

}  // namespace penumbra::mqtt
