#include "iotcore/lifecycle.hpp"

#include <fmt/format.h>

namespace penumbra::iotcore {

std::string_view ToString(EndReason reason) {
  switch (reason) {
    case EndReason::kClientInitiated:
      return "CLIENT_INITIATED_DISCONNECT";
    case EndReason::kConnectionLost:
      return "CONNECTION_LOST";
    case EndReason::kDuplicateClientId:
      return "DUPLICATE_CLIENTID";
    case EndReason::kClientError:
      return "CLIENT_ERROR";
    case EndReason::kForbiddenAccess:
      return "FORBIDDEN_ACCESS";
    case EndReason::kAuthError:
      return "AUTH_ERROR";
    case EndReason::kServerInitiated:
      break;
  }
  return "SERVER_INITIATED_DISCONNECT";
}

std::optional<Message> Lifecycle::Event(const char* topic, const Client& client, const char* type, Json more,
                                        std::int64_t now_ms) {
  if (client.id.empty() || client.id.find_first_of("+#") != std::string::npos) return std::nullopt;
  more["clientId"] = client.id;
  more["timestamp"] = now_ms;
  more["eventType"] = type;
  more["sessionIdentifier"] = fmt::format("00000000-0000-4000-9000-{:012}", client.connection);
  more["principalIdentifier"] = client.certificate;
  return Message{fmt::format("$aws/events/{}/{}", topic, client.id), Dump(more)};
}

std::optional<Message> Lifecycle::Connected(const Client& client, std::int64_t now_ms) {
  const std::uint64_t version = next_version_[client.id]++;
  versions_[client.connection] = version;
  return Event("presence/connected", client, "connected", {{"ipAddress", "127.0.0.1"}, {"versionNumber", version}},
               now_ms);
}

std::optional<Message> Lifecycle::Disconnected(const Client& client, EndReason reason, std::int64_t now_ms) {
  const auto open = versions_.find(client.connection);
  if (open == versions_.end()) return std::nullopt;  // it had never connected
  const std::uint64_t version = open->second;
  versions_.erase(open);
  ++ends_[client.id][std::string(ToString(reason))];
  return Event("presence/disconnected", client, "disconnected",
               {{"clientInitiatedDisconnect", reason == EndReason::kClientInitiated},
                {"disconnectReason", ToString(reason)},
                {"versionNumber", version}},
               now_ms);
}

std::optional<Message> Lifecycle::Subscribed(const Client& client, const std::vector<std::string>& filters,
                                             std::int64_t now_ms) {
  return Event("subscriptions/subscribed", client, "subscribed", {{"topics", filters}}, now_ms);
}

}  // namespace penumbra::iotcore
