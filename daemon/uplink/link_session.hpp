// One thing's link to the cloud: connects when the gate lets it, keeps the session, sends what is due within rate and
// window, and starts again after every failure. The states are in link_state.hpp, what telemetry goes next in
// outbox_sender.hpp, what is subscribed in link_session_filters.cpp. Loop thread.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/backoff.hpp"
#include "event/receipt.hpp"
#include "mqtt/transport.hpp"
#include "uplink/absence.hpp"
#include "uplink/connect_gate.hpp"
#include "uplink/credential_watch.hpp"
#include "uplink/link_state.hpp"
#include "uplink/outbox_sender.hpp"
#include "uplink/protocol_memory.hpp"
#include "uplink/rate_window.hpp"
#include "uplink/report_gate.hpp"
#include "uplink/subscriptions.hpp"
#include "uplink/suspect_memory.hpp"
#include "uplink/suspects.hpp"
#include "uplink/topic_suspension.hpp"
#include "uplink/turns.hpp"
#include "uplink/uplink.hpp"

namespace penumbra {

// What all links share. Everything outlives them.
struct LinkContext {
  EventLoop& loop;
  mqtt::Transport& transport;
  Store& store;
  TimeTrust& trust;
  const UpstreamSettings& upstream;
  Duration patience;
  std::filesystem::path state;
  std::vector<LinkClient*>& clients;
  Random& random;
  ConnectGate& gate;
  Turns& turns;
  ProtocolMemory& protocol;
  std::int64_t last_life_ms = 0;  // see Absence::World
};

class LinkSession : public ThingLink, private mqtt::Listener, private Turns::Taker {
 public:
  // An ack may be overdue by this many operation timeouts before the connection is given up: one for a slow network,
  // one more because Paho's send thread can sleep up to a second over a lost wake-up (1.3.12, Thread.c).
  static constexpr int kOverdueFactor = 2;
  // Doubles with each connection on which nothing was answered, up to this, until answers come in time again.
  static constexpr Duration kMostPatience = std::chrono::seconds(60);
  static constexpr int kMostUnanswered = 4;
  static constexpr std::size_t kMaxQueuedPublishes = 100;  // of ThingLink::Publish
  static constexpr Duration kCredentialPoll = std::chrono::seconds(5);
  // Tries again although neither a file nor the clock has changed.
  static constexpr Duration kCredentialRetry = std::chrono::minutes(1);
  static constexpr Duration kKicked = std::chrono::seconds(5);
  static constexpr int kKicksToWarn = 3;
  static constexpr std::size_t kRememberedAcks = 64;  // for Explain

  // `gateway`: connects before all others and has no telemetry.
  LinkSession(LinkContext& context, ThingSettings thing, bool gateway);
  ~LinkSession() override;

  void Start() { Fire(LinkEvent::kStart); }
  // Other settings of the same thing, or other limits in context.upstream, while the session goes on. Not for what
  // needs another connection: credentials, endpoint.
  void Follow(ThingSettings thing);
  const ThingSettings& settings() const { return thing_; }
  void Committed(const Reading& reading);
  void SetSensor(SensorState sensor);
  const std::optional<SensorState>& sensor() const { return sensor_; }
  // Says status false and DISCONNECT if it can; `done` once it is closed. Start() begins again.
  void Shutdown(std::function<void()> done);
  LinkStatus Snapshot() const;
  std::string Explain(std::uint64_t seq) const;

  const std::string& thing() const override { return thing_.name; }
  bool online() const override { return state_ == LinkState::kOnline; }
  Duration MayHaveWaited() const override { return retained_arrives_ ? kUnknownAge : absence_.MayHaveWaited(); }
  std::shared_ptr<mqtt::PendingAck> TakeAck() override { return std::exchange(ack_, nullptr); }
  void Publish(std::string topic, std::string payload, std::function<void(Status)> done) override;

 private:
  struct Outgoing {
    std::string topic;
    std::string payload;
    bool retain = false;
    std::vector<std::uint64_t> seqs;   // telemetry
    std::function<void(Status)> done;  // ThingLink::Publish
    bool farewell = false;             // the last status message
    bool presence = false;             // a status message
    std::uint64_t fingerprint = 0;     // of ThingLink::Publish: by which the same message is known again
    bool alone = false;                // nothing else may be in flight with it
  };
  struct InFlight {
    Outgoing message;  // without its payload
    BootTime sent{};
  };

  void Fire(LinkEvent event);
  void Enter(LinkState state);
  void EnterUnprovisioned();
  void EnterWaiting();
  void EnterConnecting();
  void EnterSubscribing();
  void EnterOnline();
  void EnterBackoff();
  void EnterClosing();
  void EnterClosed();

  void OnConnected(const mqtt::Session& session) override;
  void OnDown(const mqtt::Failure& failure) override;
  void OnPublished(std::uint64_t token, mqtt::Outcome outcome) override;
  void OnSubscribed(std::uint64_t token, mqtt::Outcome outcome) override;
  void OnMessage(mqtt::Message message) override;

  std::vector<std::string> WantedFilters() const;
  void SubscribeNext();
  void ConnectAnew();
  void NoAnswerToSubscribe();
  void WatchFilters();
  void ProbeFilter();
  std::string FiltersEnded(const mqtt::Failure& failure);

  bool TakeTurn() override;
  std::optional<Outgoing> NextOutgoing();
  std::optional<Outgoing> NextTelemetry();
  bool Held(const Outgoing& message) const;
  bool MaySend(const Outgoing& message) const;
  std::string WhyNot(const Outgoing& message) const;
  void Send(Outgoing message);
  int Window() const;
  void Accepted(Outgoing& message);
  void Refused(Outgoing& message, int code);
  void SayPresenceIn(Duration wait);
  void QueuePresence(bool connected, bool farewell);
  mqtt::ConnectOptions Options() const;
  bool Retains() const;

  bool Struck(const Outgoing& message);
  void Forgive(const Outgoing& message);
  std::string StandingTrouble() const;
  void LeaveSession(const mqtt::Failure& failure, bool may_blame);
  void NoteKick(const mqtt::Failure& failure);
  void Throttled();
  bool AtFault(const Outgoing& message, int code);
  void Undone(const Outgoing& message, int code);
  Duration Patience() const;
  void NothingAnswered();
  void WatchAcks();
  void CheckAcks();
  void Drop(const std::string& why);
  void GiveUp(const mqtt::Failure& failure);
  std::string ClockFingerprint() const;

  LinkContext& context_;
  ThingSettings thing_;
  UpstreamSettings limits_;  // that rate_ and backoff_ were made of
  const bool gateway_;
  LinkState state_ = LinkState::kOffline;
  std::unique_ptr<mqtt::Connection> connection_;
  mqtt::Version version_ = mqtt::Version::k5;
  mqtt::Session session_;
  bool announced_ = false;  // the clients were told OnOnline
  Backoff backoff_;
  RateWindow rate_;
  TopicSuspension suspension_;
  ReportGate report_;
  OutboxSender outbox_;
  Suspects loose_suspects_;  // of ThingLink::Publish, by fingerprint; those of telemetry are outbox_'s
  SuspectMemory loose_memory_;
  std::uint64_t loose_set_aside_ = 0;
  Absence absence_;
  // Of the message that is being handed on.
  bool retained_arrives_ = false;
  std::shared_ptr<mqtt::PendingAck> ack_;

  std::uint64_t next_token_ = 1;
  std::map<std::uint64_t, InFlight> in_flight_;  // by token, so by age
  std::deque<Outgoing> queue_;                   // ahead of telemetry; bounded by kMaxQueuedPublishes and presence
  Subscriptions subscriptions_;                  // one that is refused does not keep telemetry from going on
  Backoff quota_backoff_;
  BootTime throttled_until_{};

  SubscriptionPtr timer_;       // of the state: backoff, credentials, subscribe deadline
  SubscriptionPtr ack_timer_;   // the oldest ack
  SubscriptionPtr rate_timer_;  // the publish rate
  SubscriptionPtr stable_timer_;
  SubscriptionPtr filter_timer_;   // of refused subscriptions, while online
  bool filters_regained_ = false;  // and the clients do not know yet
  SubscriptionPtr presence_timer_;
  BootTime timer_due_{};
  BootTime connected_at_{};
  BootTime last_ack_{};
  std::string fingerprint_;  // of the files at the last attempt
  CredentialWatch credential_watch_;
  std::string clock_fingerprint_;
  BootTime unprovisioned_at_{};
  std::string told_credentials_;
  int kicks_ = 0;
  int unanswered_ = 0;   // connections in a row
  bool stable_ = false;  // the session has lasted
  bool blamed_ = false;  // the last one was closed, perhaps over what was in flight
  std::function<void()> closed_;

  LinkStatus status_;
  std::optional<SensorState> sensor_;
  std::deque<std::pair<std::uint64_t, BootTime>> recent_acks_;  // seq, when
};

}  // namespace penumbra
