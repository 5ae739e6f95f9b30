// What the server says to a message of a link session, and what follows from it: link_session.hpp.
#include <fmt/format.h>

#include <utility>

#include "base/log.hpp"
#include "mqtt/failure.hpp"
#include "uplink/link_session.hpp"

namespace penumbra {
namespace {

constexpr int kNotAuthorized = 0x87;
constexpr int kTopicNameInvalid = 0x90;
constexpr int kQuotaExceeded = 0x97;

}  // namespace

void LinkSession::OnPublished(std::uint64_t token, mqtt::Outcome outcome) {
  const auto found = in_flight_.find(token);
  if (found == in_flight_.end()) return;
  Outgoing message = std::move(found->second.message);
  if (context_.loop.Now() - found->second.sent < context_.upstream.operation_timeout) unanswered_ = 0;
  in_flight_.erase(found);
  context_.turns.Landed(1);
  context_.turns.Wake(*this);
  outcome.ok() ? Accepted(message) : Refused(message, outcome.code);
  if (message.farewell && connection_) connection_->Disconnect();
}

void LinkSession::Accepted(Outgoing& message) {
  ++status_.acked;
  last_ack_ = context_.loop.Now();
  Forgive(message);
  if (suspension_.Acked(message.topic)) {
    status_.last_error = StandingTrouble();
    log::Notice("uplink.resumed", "the cloud accepts the topic again",
                {{"thing", thing_.name}, {"topic", message.topic}});
  }
  for (const std::uint64_t seq : message.seqs) {
    context_.store.Acked(thing_.name, seq);
    outbox_.Accepted(seq);
    recent_acks_.emplace_back(seq, context_.loop.Now());
    if (recent_acks_.size() > kRememberedAcks) recent_acks_.pop_front();
  }
  if (message.done) message.done({});
}

// code 0: it was not even sent, because it or its topic is set aside or it is larger than the server takes.
void LinkSession::Refused(Outgoing& message, int code) {
  if (code == kQuotaExceeded) {
    Throttled();
    // Nobody else would say it again, and it may be retained.
    if (message.presence && !message.farewell) SayPresenceIn(throttled_until_ - context_.loop.Now());
  }
  if (code == 0 || code == kQuotaExceeded) {
    outbox_.Release(message.seqs);
    return Undone(message, code);
  }
  ++status_.refused;
  Forgive(message);
  if (!AtFault(message, code) && suspension_.Refused(message.topic, context_.loop.Now())) {
    status_.last_error =
        fmt::format("the cloud refuses messages on {} (0x{:02X}); is the policy right?", message.topic, code);
    log::Warning("uplink.suspended", status_.last_error, {{"thing", thing_.name}, {"topic", message.topic}});
  }
  Undone(message, code);
}

// What was in flight together is refused together, and is one reason to slow down.
void LinkSession::Throttled() {
  const BootTime now = context_.loop.Now();
  if (now < throttled_until_) return outbox_.Pause(throttled_until_ - now);
  if (now - throttled_until_ > context_.upstream.reconnect_stable) quota_backoff_.Reset();
  const Duration pause = quota_backoff_.Next(context_.random);
  throttled_until_ = now + pause;
  outbox_.Pause(pause);
}

// Whether it is the message, and not its topic: the cloud says nothing of rights or names, takes others there, and
// refuses a reading that goes alone for the second time. The first time may be the cloud's own trouble, which the topic
// waits out. Whoever else sent the message hears of it, and decides.
bool LinkSession::AtFault(const Outgoing& message, int code) {
  const bool rights = code == kNotAuthorized || code == kTopicNameInvalid;
  if (rights || !suspension_.Proven(message.topic) || suspension_.Suspended(message.topic)) {
    outbox_.Release(message.seqs);
    return false;
  }
  return message.seqs.empty() ||
         outbox_.Refused(message.seqs, "the cloud refuses this reading: " + mqtt::ReasonText(code));
}

void LinkSession::Undone(const Outgoing& message, int code) {
  if (!message.done) return;
  const Action action = code == kQuotaExceeded ? Action::kBackOff : Action::kGiveUp;
  message.done(Fail(action, code != 0
                                ? fmt::format("the cloud refused the message on {} (0x{:02X})", message.topic, code)
                                : WhyNot(message)));
}

std::string LinkSession::WhyNot(const Outgoing& message) const {
  if (suspension_.Suspended(message.topic)) return "the cloud refuses messages on " + message.topic;
  if (loose_suspects_.SetAside(message.fingerprint)) {
    return fmt::format("set aside: the connection ended whenever this message on {} was sent", message.topic);
  }
  return fmt::format("a message of {} bytes on {} is larger than the server takes (a packet of {})",
                     message.payload.size(), message.topic, session_.maximum_packet);
}

}  // namespace penumbra
