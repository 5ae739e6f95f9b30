// What a link session tells of itself: link_session.hpp, Snapshot, Explain, StandingTrouble.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "uplink/link_session.hpp"

namespace penumbra {

// What keeps a link from its work although it is up; empty: nothing that we know of.
std::string LinkSession::StandingTrouble() const {
  if (std::string filters = subscriptions_.Trouble(); !filters.empty()) return filters;
  if (const auto topics = suspension_.Topics(); !topics.empty()) {
    return fmt::format("the cloud refuses messages on {}{}; is the policy right?", topics.front(),
                       topics.size() > 1 ? fmt::format(" and {} more", topics.size() - 1) : "");
  }
  return {};
}

LinkStatus LinkSession::Snapshot() const {
  LinkStatus status = status_;
  status.link = LinkWord(state_);
  const bool spoken = connection_ != nullptr && status.connected_since_ms != 0;
  status.protocol = spoken ? mqtt::Name(version_) : "";
  status.in_flight = static_cast<int>(in_flight_.size());
  status.set_aside = outbox_.set_aside() + loose_suspects_.set_aside();
  status.set_aside_total = outbox_.set_aside_total() + loose_set_aside_;
  status.suspended_topics = suspension_.Topics();
  for (std::string& filter : subscriptions_.Refused()) status.suspended_topics.push_back(std::move(filter));
  const BootTime now = context_.loop.Now();
  const std::int64_t now_ms = context_.trust.UnixMs();
  const auto in_ms = [&](BootTime due) { return now_ms + std::max<std::int64_t>(0, (due - now).count() / 1'000'000); };
  if (state_ == LinkState::kBackoff) status.next_attempt_ms = in_ms(timer_due_);
  if (state_ == LinkState::kWaiting) status.next_attempt_ms = in_ms(context_.gate.Earliest(thing_.name));
  return status;
}

std::string LinkSession::Explain(std::uint64_t seq) const {
  for (const auto& [acked, at] : recent_acks_) {
    if (acked != seq) continue;
    const auto ago = std::chrono::floor<std::chrono::seconds>(context_.loop.Now() - at);
    return fmt::format("acknowledged by the cloud {} ago", FormatDuration(ago));
  }
  for (const auto& [token, flight] : in_flight_) {
    if (std::count(flight.message.seqs.begin(), flight.message.seqs.end(), seq) > 0) {
      return "sent, waiting for the acknowledgement";
    }
  }
  const OutboxState outbox = context_.store.Outbox(thing_.name);
  if (seq > outbox.newest_seq) return "not known";
  if (outbox.unsent == 0 || seq < outbox.oldest_unsent_seq) return "acknowledged by the cloud";
  if (const std::string why = outbox_.Waiting(seq); !why.empty()) return why;
  if (state_ == LinkState::kOnline) return "waits in the backlog";
  std::string text = fmt::format("waits in the backlog: the link is {}", LinkWord(state_));
  if (!status_.last_error.empty()) text += ": " + status_.last_error;
  return text;
}

}  // namespace penumbra
