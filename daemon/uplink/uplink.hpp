// The uplink: one MQTT session per thing, and the telemetry outbox behind each. Loop thread.
//
// Promises: no more than connect_rate CONNECTs a second over the whole gateway, full-jitter backoff, nothing counted as
// sent before its PUBACK, at most in_flight unacknowledged messages and publish_rate messages a second per connection,
// a bound on what is in flight over all things together (they take turns), fresh readings before the backlog, and a
// refused topic is set aside instead of looping, and so is a single message that the server answers by closing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"
#include "mqtt/transport.hpp"
#include "store/store.hpp"

namespace penumbra {

struct LinkStatus {
  std::string thing;
  // "offline" (no upstream configured), "waiting" (gate or backoff), "connecting", "online", "unprovisioned"
  // (credentials missing or bad)
  std::string link;
  std::string protocol;    // "5", "3.1.1" or ""
  std::string last_error;  // why it last went down or does not come up; empty after it is stable
  std::int64_t connected_since_ms = 0;
  std::int64_t next_attempt_ms = 0;  // Unix time, when waiting
  std::uint64_t connects = 0, published = 0, acked = 0, refused = 0;
  int in_flight = 0;
  std::size_t set_aside = 0;          // messages that seem to cost the connection, or are too large (suspects.hpp), now
  std::uint64_t set_aside_total = 0;  // and how often one was set aside
  bool leaving = false;               // not configured any more: only sends what is left
  std::vector<std::string> suspended_topics;  // refused by the cloud, probed from time to time
};

// What is known of the device behind a thing, for its status message.
struct SensorState {
  std::string state;          // "ok", "stale", "unreachable"
  std::string reason;         // why it is not ok
  std::int64_t since_ms = 0;  // Unix time
  friend bool operator==(const SensorState&, const SensorState&) = default;
};

// One thing's session as other modules (shadow, commands, jobs) use it.
class ThingLink {
 public:
  virtual ~ThingLink() = default;
  virtual const std::string& thing() const = 0;
  virtual bool online() const = 0;
  // How long at most a message that comes now may have waited in the cloud because the thing was not connected. Zero
  // when the cloud kept no session, and once everything that it kept must have come. Within OnMessage of a retained
  // message: kUnknownAge (event/receipt.hpp).
  virtual Duration MayHaveWaited() const = 0;
  // Within OnMessage of a topic of CommitFirst: takes over when the message is acknowledged, or gives null.
  virtual std::shared_ptr<mqtt::PendingAck> TakeAck() = 0;
  // Publishes QoS 1 ahead of telemetry, within the same rate and window. Not stored: `done` says whether it was
  // acknowledged; a session that ends first answers kRetry, a refusal kGiveUp.
  virtual void Publish(std::string topic, std::string payload, std::function<void(Status)> done) = 0;
};

// What another module wants of each thing's session.
class LinkClient {
 public:
  virtual ~LinkClient() = default;
  // Filters to subscribe before OnOnline; those of a session that the cloud has kept it has kept, too. Messages that
  // waited there may come before OnOnline.
  virtual std::vector<std::string> Subscriptions(const std::string& thing) = 0;
  // Beginnings of topics whose messages the cloud keeps until the client acknowledges them (ThingLink::TakeAck).
  virtual std::vector<std::string> CommitFirst(const std::string& /*thing*/) { return {}; }
  // Subscribed (a refused filter is reported and the rest goes on).
  virtual void OnOnline(ThingLink& link) = 0;
  virtual void OnOffline(ThingLink& link) = 0;
  virtual void OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) = 0;
};

class Uplink {
 public:
  struct Options {
    UpstreamSettings upstream;
    ClockSettings clock;
    std::filesystem::path state;  // where relative credentials live; for messages to the operator
    std::uint64_t seed = 0;       // of jitter; 0: from the system. Tests and simulations set it
  };

  static std::unique_ptr<Uplink> Create(Options options, EventLoop& loop, mqtt::Transport& transport, Store& store,
                                        TimeTrust& time_trust);
  virtual ~Uplink() = default;

  // Before Start; clients outlive the uplink.
  virtual void Attach(LinkClient& client) = 0;
  // Once. `gateway` has no telemetry; its session carries presence and health.
  virtual void Start(const GatewaySettings& gateway, const std::vector<ThingSettings>& things) = 0;
  // Other things and other limits, while everything runs; after Start. A session of which only topic, report policy or
  // limits change goes on; where the connection itself would be another (credentials, endpoint, port, root_ca,
  // protocol, keep_alive, session_expiry, status_retained) it says goodbye and connects anew through the gate. The
  // session of a thing that is gone stays until all that the store holds for it is acknowledged (LinkStatus::leaving),
  // then says goodbye; a restart ends it, too, and what is unsent then waits in the store for the thing to come again.
  virtual void Reconfigure(const UpstreamSettings& upstream, const std::vector<ThingSettings>& things) = 0;
  // What the store has just committed.
  virtual void OnCommitted(const std::vector<Reading>& readings) = 0;
  // Part of the thing's status from here on; told at once when `state` is another than before.
  virtual void SetSensor(const std::string& thing, SensorState sensor) = 0;
  // Sends status false and DISCONNECT everywhere; `done` when all are closed or after the operation timeout.
  virtual void Shutdown(std::function<void()> done) = 0;

  // Closes a thing's session, with a proper goodbye, and keeps it closed until Release: somebody else needs the client
  // id for a moment. Its readings stay in the store meanwhile. `done` once it is closed; at once for a thing that is
  // not ours.
  virtual void Hold(const std::string& thing, std::function<void()> done) = 0;
  virtual void Release(const std::string& thing) = 0;

  virtual std::vector<LinkStatus> Links() const = 0;
  // "sent seq 4711 at ...", "waits in the backlog", "suspended: ...": what became of a thing's reading, for `explain`.
  virtual std::string Explain(const std::string& thing, std::uint64_t seq) const = 0;
};

}  // namespace penumbra
