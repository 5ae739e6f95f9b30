// What a link session subscribes, and what becomes of the answers: link_session.hpp. Which filter goes when is decided
// in subscriptions.hpp.
#include <fmt/format.h>

#include <utility>

#include "base/log.hpp"
#include "mqtt/failure.hpp"
#include "uplink/link_session.hpp"

namespace penumbra {

std::vector<std::string> LinkSession::WantedFilters() const {
  std::vector<std::string> filters;
  for (LinkClient* client : context_.clients) {
    for (std::string& filter : client->Subscriptions(thing_.name)) filters.push_back(std::move(filter));
  }
  return filters;
}

void LinkSession::EnterSubscribing() {
  subscriptions_.Begin(WantedFilters());
  if (subscriptions_.Done()) return Fire(LinkEvent::kSubscribed);
  timer_ = context_.loop.After(Patience(), [this] { NoAnswerToSubscribe(); });
  SubscribeNext();
}

// One filter a packet: each gets its own answer, and 8 a packet (AWS) cannot be exceeded.
void LinkSession::SubscribeNext() {
  while (connection_) {
    const auto filter = subscriptions_.Next(next_token_, context_.loop.Now());
    if (!filter) return;
    connection_->Subscribe(next_token_++, *filter);
  }
}

void LinkSession::NoAnswerToSubscribe() {
  NothingAnswered();
  Drop("the server does not answer SUBSCRIBE of " + subscriptions_.NoAnswer(context_.loop.Now()));
}

// While online: what was set aside is tried again from time to time.
void LinkSession::WatchFilters() {
  filter_timer_.reset();
  if (state_ != LinkState::kOnline || subscriptions_.under_way()) return;
  const auto wait = subscriptions_.UntilProbe(context_.loop.Now());
  if (wait && *wait == Duration::zero()) ProbeFilter();
  if (subscriptions_.under_way()) return;
  if (wait) filter_timer_ = context_.loop.After(*wait, [this] { ProbeFilter(); });
  // Whatever came while they were not granted is missing: as after a connect without a session.
  if (!std::exchange(filters_regained_, false)) return;
  for (LinkClient* client : context_.clients) {
    if (state_ == LinkState::kOnline) client->OnOnline(*this);
  }
}

void LinkSession::ProbeFilter() {
  subscriptions_.Probe(WantedFilters(), context_.loop.Now());
  SubscribeNext();
  if (!subscriptions_.under_way()) return;  // nobody wants it any more
  filter_timer_ = context_.loop.After(Patience(), [this] { NoAnswerToSubscribe(); });
}

void LinkSession::OnSubscribed(std::uint64_t token, mqtt::Outcome outcome) {
  const auto answer = subscriptions_.Answered(token, outcome.ok(), context_.loop.Now());
  if (!answer) return;
  if (answer->newly_refused) {
    status_.last_error = fmt::format("subscribing {} was refused ({}); is the policy right?", answer->filter,
                                     mqtt::ReasonText(outcome.code));
    log::Warning("uplink.subscribe_refused", status_.last_error, {{"thing", thing_.name}});
  }
  if (state_ == LinkState::kSubscribing) {
    SubscribeNext();
    if (subscriptions_.Done()) Fire(LinkEvent::kSubscribed);
    return;
  }
  if (answer->granted_at_last) {
    filters_regained_ = true;
    status_.last_error = StandingTrouble();
    log::Notice("uplink.subscribed", "the cloud grants the subscription now",
                {{"thing", thing_.name}, {"filter", answer->filter}});
  }
  WatchFilters();
}

// The connection ended. What to add to its failure for the operator; empty: it has nothing to do with SUBSCRIBE.
std::string LinkSession::FiltersEnded(const mqtt::Failure& failure) {
  const auto ended = subscriptions_.SessionEnded(mqtt::MayBlameMessage(failure, version_), context_.loop.Now());
  for (const std::string& filter : ended.closers) {
    log::Warning("uplink.subscribe_suspended",
                 "the server closes the connection whenever we subscribe this; set aside, is the policy right?",
                 {{"thing", thing_.name}, {"filter", filter}});
  }
  if (!ended.put_off.empty()) {
    log::Warning(
        "uplink.subscribe_put_off",
        "too many connections ended over SUBSCRIBE: telemetry goes on without these, which are tried one by one",
        {{"thing", thing_.name}, {"filters", ended.put_off.size()}, {"first", ended.put_off.front()}});
  }
  if (ended.unanswered.empty()) return {};
  const std::size_t more = ended.unanswered.size() - 1;
  return fmt::format(" while the subscription of {}{} waited for its answer; does the policy allow iot:Subscribe?",
                     ended.unanswered.front(), more > 0 ? fmt::format(" and {} more", more) : "");
}

}  // namespace penumbra
