#include "uplink/link_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mqtt/failure.hpp"
#include "uplink/credential_files.hpp"
#include "uplink/presence.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr int kRetainNotSupported = 0x9A;
constexpr int kQosNotSupported = 0x9B;
constexpr Duration kQuotaBase = std::chrono::seconds(1);
constexpr Duration kQuotaMax = std::chrono::minutes(1);

}  // namespace

LinkSession::LinkSession(LinkContext& context, ThingSettings thing, bool gateway)
    : context_(context),
      thing_(std::move(thing)),
      limits_(context.upstream),
      gateway_(gateway),
      backoff_(context.upstream.reconnect_base, context.upstream.reconnect_max),
      rate_(context.upstream.publish_rate),
      report_(thing_),
      outbox_(thing_, context.loop, context.store, context.trust, context.patience, suspension_,
              [this] { context_.turns.Wake(*this); }),
      loose_memory_(context.store, "uplink/" + thing_.name + "/set_aside_message"),
      absence_({context.loop, context.trust, context.store, context.last_life_ms}, thing_.name),
      quota_backoff_(kQuotaBase, kQuotaMax, kQuotaBase / 2),
      credential_watch_(context.loop, context.transport, thing_.name,
                        {[this] { return FilesFingerprint(thing_, context_.upstream.root_ca); },
                         [this] { return ContentsDigest(thing_, context_.upstream.root_ca); },
                         [this] { return Options(); }, [this] { ConnectAnew(); }}) {
  status_.thing = thing_.name;
  loose_memory_.Recall(loose_suspects_, context.loop.Now());
}

LinkSession::~LinkSession() {
  context_.gate.Cancel(thing_.name);
  context_.turns.Leave(*this);
}

void LinkSession::Follow(ThingSettings thing) {
  thing_ = std::move(thing);
  const UpstreamSettings& now = context_.upstream;
  if (now.publish_rate != limits_.publish_rate) rate_.Change(now.publish_rate, context_.loop.Now());
  if (now.reconnect_base != limits_.reconnect_base || now.reconnect_max != limits_.reconnect_max) {
    backoff_ = Backoff(now.reconnect_base, now.reconnect_max);
  }
  limits_ = now;
  context_.turns.Wake(*this);  // a wider window, another topic
}

// --- states ---

void LinkSession::Fire(LinkEvent event) {
  const auto next = NextState(state_, event);
  if (!next) return;
  timer_.reset();
  state_ = *next;
  Enter(*next);
}

void LinkSession::Enter(LinkState state) {
  switch (state) {
    case LinkState::kOffline:
      return;
    case LinkState::kUnprovisioned:
      return EnterUnprovisioned();
    case LinkState::kWaiting:
      return EnterWaiting();
    case LinkState::kConnecting:
      return EnterConnecting();
    case LinkState::kSubscribing:
      return EnterSubscribing();
    case LinkState::kOnline:
      return EnterOnline();
    case LinkState::kBackoff:
      return EnterBackoff();
    case LinkState::kClosing:
      return EnterClosing();
    case LinkState::kClosed:
      return EnterClosed();
  }
}

// A certificate that is "not valid yet" is so because the clock was wrong: when it is set, the link must not wait.
std::string LinkSession::ClockFingerprint() const {
  const std::int64_t boot_at_s = context_.loop.clock().UnixMs() / 1000 - context_.loop.Now().ns / 1'000'000'000;
  return fmt::format("{}:{}", context_.trust.Trusted(), boot_at_s / 60);  // drift and slewing are no change
}

void LinkSession::EnterUnprovisioned() {
  unprovisioned_at_ = context_.loop.Now();
  clock_fingerprint_ = ClockFingerprint();
  if (told_credentials_ != status_.last_error) {
    told_credentials_ = status_.last_error;
    log::Warning("uplink.unprovisioned", status_.last_error, {{"thing", thing_.name}});
  }
  struct Poll {
    static void Again(LinkSession& self) {
      self.timer_ = self.context_.loop.After(kCredentialPoll, [&self] {
        const bool waited = self.context_.loop.Now() - self.unprovisioned_at_ >= kCredentialRetry;
        const bool clock_set = self.ClockFingerprint() != self.clock_fingerprint_;
        if (waited || clock_set || FilesFingerprint(self.thing_, self.context_.upstream.root_ca) != self.fingerprint_)
          return self.Fire(LinkEvent::kLookAgain);
        Again(self);
      });
    }
  };
  Poll::Again(*this);
}

void LinkSession::EnterWaiting() {
  fingerprint_ = FilesFingerprint(thing_, context_.upstream.root_ca);
  if (auto missing = MissingFile(thing_)) {
    status_.last_error = std::move(*missing);
    return Fire(LinkEvent::kNoCredentials);
  }
  context_.gate.Request(
      thing_.name,
      [this]() -> std::int64_t {
        if (gateway_) return INT64_MIN;
        const std::int64_t oldest = context_.store.Outbox(thing_.name).oldest_unsent_ms;
        return oldest == 0 ? INT64_MAX : oldest;
      },
      [this] { Fire(LinkEvent::kGateOpened); });
}

mqtt::ConnectOptions LinkSession::Options() const {
  const UpstreamSettings& upstream = context_.upstream;
  mqtt::ConnectOptions options;
  options.client_id = thing_.name;
  options.host = upstream.endpoint;
  options.port = upstream.port;
  options.root_ca = upstream.root_ca;
  options.certificate = thing_.certificate;
  options.private_key = thing_.private_key;
  options.version = version_;
  options.connect_timeout = upstream.connect_timeout;
  options.keep_alive = context_.protocol.KeepAlive(upstream.keep_alive);
  options.session_expiry = upstream.session_expiry;
  options.will =
      mqtt::Will{PresenceTopic(thing_.name), PresencePayload(thing_.name, false, context_.trust.UnixMs()), Retains()};
  for (LinkClient* client : context_.clients) {
    for (std::string& beginning : client->CommitFirst(thing_.name)) {
      options.commit_first.push_back(std::move(beginning));
    }
  }
  return options;
}

bool LinkSession::Retains() const {
  return context_.upstream.status_retained && context_.protocol.MayRetain(context_.loop.Now());
}

void LinkSession::EnterConnecting() {
  version_ = context_.protocol.Choose(context_.upstream.protocol, context_.loop.Now());
  connection_ = context_.transport.Connect(Options(), *this);
}

void LinkSession::EnterOnline() {
  stable_ = false;
  log::Info("uplink.online", "connected", {{"thing", thing_.name}, {"protocol", mqtt::Name(version_)}});
  QueuePresence(true, false);
  if (!gateway_) outbox_.Begin(session_);
  stable_timer_ = context_.loop.After(context_.upstream.reconnect_stable, [this] {
    backoff_.Reset();
    std::set<std::string> untried;
    for (const Outgoing& message : queue_) {
      if (Held(message)) untried.insert(message.topic);
    }
    stable_ = true;
    suspension_.Stable(untried);
    subscriptions_.Stable();
    kicks_ = 0;
    status_.last_error = StandingTrouble();
    context_.turns.Wake(*this);
  });
  context_.turns.Wake(*this);
  announced_ = true;
  filters_regained_ = false;
  for (LinkClient* client : context_.clients) {
    if (state_ == LinkState::kOnline) client->OnOnline(*this);
  }
  WatchFilters();
  credential_watch_.Begin(fingerprint_);
}

// With a proper goodbye, unless somebody else wants the session closed meanwhile.
void LinkSession::ConnectAnew() {
  Shutdown([this] { Start(); });
}

void LinkSession::EnterBackoff() {
  const Duration wait = backoff_.Next(context_.random);
  timer_due_ = context_.loop.Now() + wait;
  timer_ = context_.loop.After(wait, [this] { Fire(LinkEvent::kLookAgain); });
}

void LinkSession::EnterClosing() {
  presence_timer_.reset();
  outbox_.End();
  QueuePresence(false, true);
  // Whoever supervises the shutdown has the clock; a goodbye that cannot be sent is no reason to stay.
  timer_ = context_.loop.After(context_.upstream.operation_timeout, [this] { Drop("no answer to the last message"); });
  context_.turns.Wake(*this);
}

void LinkSession::EnterClosed() {
  context_.gate.Cancel(thing_.name);
  context_.turns.Leave(*this);
  connection_.reset();
  if (const auto closed = std::exchange(closed_, {})) closed();
}

void LinkSession::Shutdown(std::function<void()> done) {
  closed_ = std::move(done);
  if (state_ == LinkState::kClosed) return EnterClosed();
  Fire(LinkEvent::kShutdown);
}

// --- the connection ---

void LinkSession::OnConnected(const mqtt::Session& session) {
  context_.gate.Finished(thing_.name);
  // Nothing could count as delivered, and a QoS 1 message is a protocol error to it.
  if (session.maximum_qos < 1) {
    return GiveUp({mqtt::Failure::Kind::kRefused, kQosNotSupported,
                   "the server takes no QoS 1 (its Maximum QoS is 0): nothing could be delivered safely, so nothing is "
                   "sent; readings stay in the store"});
  }
  // Paho 1.3.12 pings as often as it has asked for, whatever the server says: so ask for what the server wants.
  const Duration keep_alive = context_.protocol.KeepAlive(context_.upstream.keep_alive);
  if (session.keep_alive.value_or(0s) > 0s && *session.keep_alive < keep_alive) {
    context_.protocol.keep_alive = *session.keep_alive;
    log::Notice("uplink.keep_alive", "the server wants a shorter keep alive; connecting again with that",
                {{"thing", thing_.name}, {"keep_alive", FormatDuration(*session.keep_alive)}});
    return connection_->Disconnect();
  }
  session_ = session;
  if (!session.retain_available && Retains()) context_.protocol.RefusedRetain(context_.loop.Now());
  const UpstreamSettings& upstream = context_.upstream;
  absence_.Came(session.present, upstream.session_expiry, keep_alive * 3 / 2);
  ++status_.connects;
  connected_at_ = context_.loop.Now();
  status_.connected_since_ms = context_.trust.UnixMs();
  told_credentials_.clear();
  Fire(LinkEvent::kConnected);
}

void LinkSession::OnMessage(mqtt::Message message) {
  retained_arrives_ = message.retained;
  ack_ = std::move(message.ack);
  for (LinkClient* client : context_.clients) client->OnMessage(*this, message.topic, message.payload);
  retained_arrives_ = false;
  if (const auto nobodys = TakeAck()) nobodys->Acknowledge();
}

// Gives up a connection that is of no use any more.
void LinkSession::Drop(const std::string& why) {
  GiveUp({mqtt::Failure::Kind::kNetwork, 0, why});
}

void LinkSession::GiveUp(const mqtt::Failure& failure) {
  connection_.reset();
  OnDown(failure);
}

void LinkSession::OnDown(const mqtt::Failure& failure) {
  using Kind = mqtt::Failure::Kind;
  const LinkState was = state_;
  context_.gate.Finished(thing_.name);
  connection_.reset();
  if (status_.connected_since_ms != 0) absence_.Went();
  const std::string over_filters = FiltersEnded(failure);
  if (was == LinkState::kOnline || was == LinkState::kClosing) LeaveSession(failure, over_filters.empty());
  if (failure.reason_code == kRetainNotSupported && Retains()) context_.protocol.RefusedRetain(context_.loop.Now());
  if (failure.kind != Kind::kLocal) {
    // The same trouble again and again is one line; credentials have their own.
    const std::string why = failure.message + over_filters;
    if (status_.last_error != why && failure.kind != Kind::kCredentials) {
      log::Warning("uplink.down", why, {{"thing", thing_.name}});
    }
    status_.last_error = why;
  }
  status_.connected_since_ms = 0;
  const bool may_fall_back = context_.upstream.protocol == MqttProtocol::kAuto && version_ == mqtt::Version::k5;
  if (failure.kind == Kind::kProtocolVersion && may_fall_back) {
    context_.protocol.refused_5 = context_.loop.Now();
    return Fire(LinkEvent::kOtherVersion);
  }
  Fire(failure.kind == Kind::kCredentials ? LinkEvent::kNoCredentials : LinkEvent::kDown);
}

// The session ended while it was unacknowledged. True: that makes the message the culprit, and its topic innocent.
bool LinkSession::Struck(const Outgoing& message) {
  if (suspension_.Suspended(message.topic)) return false;  // it was the topic's probe
  if (!message.seqs.empty()) return outbox_.Struck(message.seqs);
  if (message.fingerprint == 0) return false;
  const bool newly = loose_suspects_.Struck(message.fingerprint, context_.loop.Now());
  loose_memory_.Keep(loose_suspects_);
  if (!newly) return false;
  ++loose_set_aside_;
  log::Warning("uplink.set_aside", "the connection ends whenever this message is sent; set aside, and refused here",
               {{"thing", thing_.name}, {"topic", message.topic}});
  return true;
}

// It has an answer.
void LinkSession::Forgive(const Outgoing& message) {
  if (message.fingerprint != 0 && loose_suspects_.Clear(message.fingerprint)) loose_memory_.Keep(loose_suspects_);
}

// `may_blame`: what was in flight may be why the session ended.
void LinkSession::LeaveSession(const mqtt::Failure& failure, bool may_blame) {
  stable_timer_.reset();
  ack_timer_.reset();
  rate_timer_.reset();
  filter_timer_.reset();
  presence_timer_.reset();
  credential_watch_.End();
  outbox_.End();
  const bool may_be_refusal = may_blame && mqtt::MayBlameMessage(failure, version_);
  blamed_ = may_be_refusal;
  const BootTime now = context_.loop.Now();
  std::set<std::string> unacked;
  std::vector<std::function<void(Status)>> undone;
  const auto abandon = [&](Outgoing& message) {
    if (message.done) undone.push_back(std::move(message.done));
  };
  for (auto& [token, flight] : in_flight_) {
    const bool suspicious = may_be_refusal && now - flight.sent <= TopicSuspension::kSuspicious;
    if (!suspicious || !Struck(flight.message)) unacked.insert(flight.message.topic);
    abandon(flight.message);
  }
  for (Outgoing& message : queue_) abandon(message);
  context_.turns.Landed(static_cast<int>(in_flight_.size()));
  in_flight_.clear();
  queue_.clear();

  for (const std::string& topic : suspension_.SessionEnded(may_be_refusal, unacked, now)) {
    log::Warning("uplink.suspended", "the server closes the connection whenever we publish here; topic set aside",
                 {{"thing", thing_.name}, {"topic", topic}});
  }
  NoteKick(failure);
  if (std::exchange(announced_, false)) {
    for (LinkClient* client : context_.clients) client->OnOffline(*this);
  }
  for (const auto& done : undone) done(Fail(Action::kRetry, "the session ended before the acknowledgement"));
}

void LinkSession::NoteKick(const mqtt::Failure& failure) {
  if (failure.kind != mqtt::Failure::Kind::kClosed || context_.loop.Now() - connected_at_ > kKicked) return;
  if (++kicks_ != kKicksToWarn) return;
  log::Warning("uplink.kicked",
               "the server closes the connection right after it came up, three times now: is the same client id in use "
               "elsewhere?",
               {{"thing", thing_.name}});
}

// --- publishing ---

void LinkSession::Committed(const Reading& reading) {
  if (!report_.Due(reading)) return context_.store.Acked(thing_.name, reading.seq);
  if (state_ == LinkState::kOnline) outbox_.Committed(reading);
}

void LinkSession::Publish(std::string topic, std::string payload, std::function<void(Status)> done) {
  if (!online()) return done(Fail(Action::kRetry, thing_.name + " is not online"));
  if (queue_.size() >= kMaxQueuedPublishes) return done(Fail(Action::kBackOff, "too many messages wait already"));
  const std::uint64_t fingerprint = std::hash<std::string>{}(topic + '\n' + payload);
  queue_.push_back({std::move(topic), std::move(payload), false, {}, std::move(done), false, false, fingerprint});
  context_.turns.Wake(*this);
}

void LinkSession::SetSensor(SensorState sensor) {
  const bool told = sensor_ && sensor_->state == sensor.state;
  sensor_ = std::move(sensor);
  if (told || state_ != LinkState::kOnline) return;
  QueuePresence(true, false);
  context_.turns.Wake(*this);
}

void LinkSession::QueuePresence(bool connected, bool farewell) {
  queue_.push_front({PresenceTopic(thing_.name),
                     PresencePayload(thing_.name, connected, context_.trust.UnixMs(), sensor_),
                     Retains(),
                     {},
                     {},
                     farewell,
                     true});
}

void LinkSession::SayPresenceIn(Duration wait) {
  presence_timer_ = context_.loop.After(wait, [this] {
    QueuePresence(true, false);
    context_.turns.Wake(*this);
  });
}

int LinkSession::Window() const {
  // While a topic is suspected of closing the connection, one message at a time shows which one it is.
  if (suspension_.Suspects()) return 1;
  if (!in_flight_.empty() && in_flight_.begin()->second.message.alone) return 1;
  return std::min(context_.upstream.in_flight, session_.receive_maximum);
}

bool LinkSession::TakeTurn() {
  if (state_ != LinkState::kOnline && state_ != LinkState::kClosing) return false;
  if (static_cast<int>(in_flight_.size()) >= Window()) return false;  // the next ack wakes
  if (const Duration wait = rate_.Wait(context_.loop.Now()); wait > Duration::zero()) {
    rate_timer_ = context_.loop.After(wait, [this] { context_.turns.Wake(*this); });
    return false;
  }
  auto message = NextOutgoing();
  if (!message) return false;
  Send(std::move(*message));
  return true;
}

// A server of MQTT 3.1.1 that forbids our topics closes over each of them three times. Telemetry need not wait for
// that: what is about to be suspended waits until the session has lasted.
bool LinkSession::Held(const Outgoing& message) const {
  return !stable_ && !message.farewell && !gateway_ && suspension_.Doubted(message.topic);
}

std::optional<LinkSession::Outgoing> LinkSession::NextOutgoing() {
  // While anything is suspected of a close telemetry goes first, until it has shown that it is innocent.
  if (blamed_ && suspension_.Suspects() && !suspension_.Proven(thing_.topic)) {
    if (auto telemetry = NextTelemetry()) return telemetry;
    if (state_ == LinkState::kOnline && outbox_.reading()) return std::nullopt;  // the page wakes us
  }
  for (;;) {
    const auto next = std::find_if(queue_.begin(), queue_.end(), [this](const auto& queued) { return !Held(queued); });
    if (next == queue_.end()) break;
    const bool alone = loose_suspects_.Apart(next->fingerprint);
    if (alone && !in_flight_.empty()) return std::nullopt;
    Outgoing message = std::move(*next);
    queue_.erase(next);
    message.alone = alone;
    if (MaySend(message)) return message;
    Refused(message, 0);
    if (message.farewell) connection_->Disconnect();
  }
  return NextTelemetry();
}

std::optional<LinkSession::Outgoing> LinkSession::NextTelemetry() {
  if (state_ != LinkState::kOnline || gateway_) return std::nullopt;
  auto telemetry = outbox_.Next(in_flight_.empty());
  if (!telemetry) return std::nullopt;
  Outgoing message{std::move(telemetry->topic), std::move(telemetry->payload), false, std::move(telemetry->seqs)};
  message.alone = telemetry->alone;
  return message;
}

// Of messages that are no telemetry.
bool LinkSession::MaySend(const Outgoing& message) const {
  const BootTime now = context_.loop.Now();
  if (!suspension_.Allows(message.topic, now)) return false;
  if (!session_.Takes(message.topic.size(), message.payload.size())) return false;
  return !loose_suspects_.SetAside(message.fingerprint) ||
         loose_suspects_.Wait(message.fingerprint, now) == Duration::zero();
}

void LinkSession::Send(Outgoing message) {
  const BootTime now = context_.loop.Now();
  rate_.Take(now);
  suspension_.Sent(message.topic, now);
  ++status_.published;
  const std::uint64_t token = next_token_++;
  connection_->Publish(token, message.topic, std::move(message.payload), message.retain);
  message.payload.clear();
  in_flight_[token] = {std::move(message), now};
  if (!ack_timer_) WatchAcks();
}

// For an answer. A server that answers, but later than that, would else be asked the same for ever.
Duration LinkSession::Patience() const {
  const Duration usual = context_.upstream.operation_timeout * kOverdueFactor;
  return std::max(usual, std::min(usual * (1 << unanswered_), kMostPatience));
}

void LinkSession::NothingAnswered() {
  unanswered_ = std::min(unanswered_ + 1, kMostUnanswered);
}

void LinkSession::WatchAcks() {
  if (in_flight_.empty()) return ack_timer_.reset();
  const BootTime due = in_flight_.begin()->second.sent + Patience();
  ack_timer_ = context_.loop.After(due - context_.loop.Now(), [this] { CheckAcks(); });
}

// The oldest has been answered more often than not: then the timer goes to the next, so that it costs one timer an
// operation timeout and not one a message.
void LinkSession::CheckAcks() {
  ack_timer_.reset();
  if (in_flight_.empty()) return;
  const Duration patience = Patience();
  const BootTime now = context_.loop.Now();
  if (now - in_flight_.begin()->second.sent < patience) return WatchAcks();
  // Passed over, while later ones were acknowledged: the server swallows it, and would do so again.
  std::set<std::string> swallowed;
  for (const auto& [token, flight] : in_flight_) {
    if (now - flight.sent < patience || (last_ack_ < flight.sent && !flight.message.alone)) continue;
    if (!Struck(flight.message)) swallowed.insert(flight.message.topic);
  }
  for (const std::string& topic : swallowed) {
    if (!suspension_.Swallowed(topic, now)) continue;
    log::Warning("uplink.suspended", "the server acknowledges nothing that we publish here; topic set aside",
                 {{"thing", thing_.name}, {"topic", topic}});
  }
  if (last_ack_ < connected_at_) NothingAnswered();
  Drop(
      fmt::format("no acknowledgement within {} s; connecting again", std::chrono::duration<double>(patience).count()));
}

}  // namespace penumbra
