// AWS's lifecycle events: what the cloud itself publishes when a client connects, disconnects, subscribes, as messages
// on $aws/events/presence/connected|disconnected/<clientId> and $aws/events/subscriptions/subscribed/<clientId>.
// Deliberately not here: connect_failed and unsubscribed, duplicates and disorder (AWS promises neither order nor
// once), the version that goes back to 0 an hour after a disconnect. Client ids with '+' or '#' get none, as at AWS.
// One thread; pure. Source: aws-iot-core.md, section 6.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "iotcore/service.hpp"

namespace penumbra::iotcore {

// Why a session ended, as far as the front can tell; AWS's words for it by ToString.
enum class EndReason {
  kClientInitiated,  // it said DISCONNECT: the only one without its will, unless it asked for that (MQTT 5, 0x04)
  kConnectionLost,
  kDuplicateClientId,
  kClientError,      // it broke a rule of MQTT or of AWS
  kForbiddenAccess,  // it did what its policy does not allow
  kAuthError,        // its certificate is active no longer
  kServerInitiated,
};
std::string_view ToString(EndReason reason);

class Lifecycle {
 public:
  // `connection`: another number for each. No thingName: certificates here are not exclusive to a thing.
  struct Client {
    std::string id, certificate;
    std::uint64_t connection = 0;
  };
  std::optional<Message> Connected(const Client& client, std::int64_t now_ms);
  std::optional<Message> Disconnected(const Client& client, EndReason reason, std::int64_t now_ms);
  std::optional<Message> Subscribed(const Client& client, const std::vector<std::string>& filters, std::int64_t now_ms);
  // {"CLIENT_ID":{"REASON":COUNT}}: how sessions have ended so far.
  Json Ends() const { return ends_; }

 private:
  static std::optional<Message> Event(const char* topic, const Client& client, const char* type, Json more,
                                      std::int64_t now_ms);
  std::map<std::string, std::uint64_t> next_version_;  // by client id
  std::map<std::uint64_t, std::uint64_t> versions_;    // of the connections that are open
  std::map<std::string, std::map<std::string, std::uint64_t>> ends_;
};

}  // namespace penumbra::iotcore
