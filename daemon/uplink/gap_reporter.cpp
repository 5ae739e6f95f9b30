#include "uplink/gap_reporter.hpp"

#include "base/log.hpp"

namespace penumbra {

void GapReporter::OnOnline(ThingLink& link) {
  online_[link.thing()] = &link;
  Send(link);
  if (timer_ == nullptr) LookLater();
}

void GapReporter::OnOffline(ThingLink& link) {
  online_.erase(link.thing());
  if (online_.empty()) timer_.reset();
}

void GapReporter::LookLater() {
  timer_ = loop_.After(kLook, [this] {
    for (const auto& [name, link] : online_) Send(*link);
    LookLater();
  });
}

void GapReporter::Send(ThingLink& link) {
  for (const Gap& gap : store_.Outbox(link.thing()).gaps) {
    const std::pair key(gap.thing, gap.reason);
    const auto before = sent_.find(key);
    if (before != sent_.end() && before->second == gap) continue;
    sent_[key] = gap;
    link.Publish(GapTopic(gap.thing), GapJson(gap), [this, gap, alive = std::weak_ptr(alive_)](const Status& outcome) {
      if (!alive.expired()) Sent(gap, outcome);
    });
  }
}

void GapReporter::Sent(const Gap& gap, const Status& outcome) {
  if (outcome) {
    log::Notice("uplink.gap_sent", "the cloud knows of a gap",
                {{"thing", gap.thing}, {"lost", gap.lost}, {"from_seq", gap.from_seq}, {"reason", gap.reason}});
    store_.GapTold(gap);
    return;
  }
  if (outcome.error().action == Action::kGiveUp) {
    // It stays in the store, and goes again when it has grown or the daemon has started anew.
    log::Warning("uplink.gap_refused", outcome.error().message,
                 {{"thing", gap.thing}, {"topic", GapTopic(gap.thing)}, {"lost", gap.lost}});
    return;
  }
  const auto sent = sent_.find({gap.thing, gap.reason});
  if (sent != sent_.end() && sent->second == gap) sent_.erase(sent);
}

}  // namespace penumbra
