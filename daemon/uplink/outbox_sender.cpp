#include "uplink/outbox_sender.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "model/telemetry_batch.hpp"
#include "store/time_book.hpp"

namespace penumbra {

OutboxSender::OutboxSender(const ThingSettings& thing, EventLoop& loop, Store& store, TimeTrust& trust,
                           Duration patience, const TopicSuspension& suspension, std::function<void()> wake)
    : thing_(thing),
      batch_topic_(BatchTopic(thing.name)),
      loop_(loop),
      store_(store),
      trust_(trust),
      patience_(patience),
      suspension_(suspension),
      wake_(std::move(wake)),
      memory_(store, "uplink/" + thing.name + "/set_aside") {
  memory_.Recall(suspects_, loop.Now());
}

void OutboxSender::Begin(const mqtt::Session& server) {
  End();
  server_ = server;
  // A short interruption does not begin the wait for the clock anew, or a restless link would make it endless.
  if (const BootTime now = loop_.Now(); !went_down_ || now - *went_down_ >= patience_) reachable_since_ = now;
  up_ = true;
  session_ = std::make_shared<bool>(true);
  ReadPage();
}

void OutboxSender::End() {
  *session_ = false;
  if (std::exchange(up_, false)) went_down_ = loop_.Now();
  fresh_.clear();
  backlog_.clear();
  claimed_.Clear();
  suspect_.reset();
  reading_suspect_ = false;
  cursor_ = 0;
  exhausted_ = false;
  reading_ = false;
  paused_until_ = {};
  timer_.reset();
}

void OutboxSender::Committed(const Reading& reading) {
  // A page may have brought it already: the store answers pages and commits in its own order.
  if (!up_ || claimed_.Contains(reading.seq)) return;
  claimed_.Insert(reading.seq);
  if (fresh_.empty()) fresh_since_ = loop_.Now();
  fresh_.push_back(reading);
  TrimFresh();
  wake_();
}

void OutboxSender::TrimFresh() {
  while (fresh_.size() > kMaxFresh) {
    const std::uint64_t seq = fresh_.front().seq;
    fresh_.pop_front();
    Release({seq});
  }
}

void OutboxSender::Release(const std::vector<std::uint64_t>& seqs) {
  if (!up_) return;
  for (const std::uint64_t seq : seqs) Forgive(seq);  // an answer is an answer
  Rewind(seqs);
}

bool OutboxSender::Refused(const std::vector<std::uint64_t>& seqs, std::string_view why) {
  if (!up_) return false;
  const bool again = seqs.size() == 1 && suspects_.Apart(seqs.front());
  for (const std::uint64_t seq : seqs) {
    if (suspects_.Blamed(seq, again, loop_.Now())) ToldSetAside(seq, why);
  }
  Rewind(seqs);
  return again;
}

// They are read from the store again.
void OutboxSender::Rewind(const std::vector<std::uint64_t>& seqs) {
  if (seqs.empty()) return;
  for (const std::uint64_t seq : seqs) claimed_.Erase(seq);
  cursor_ = std::min(cursor_, *std::min_element(seqs.begin(), seqs.end()) - 1);
  exhausted_ = false;
  wake_();
}

// True: it was set aside.
bool OutboxSender::Forgive(std::uint64_t seq) {
  if (!suspects_.Clear(seq)) return false;
  memory_.Keep(suspects_);
  return true;
}

void OutboxSender::Accepted(std::uint64_t seq) {
  if (!Forgive(seq)) return;
  log::Notice("uplink.taken_at_last", "the cloud has taken a reading that had been set aside",
              {{"thing", thing_.name}, {"seq", seq}});
}

bool OutboxSender::Struck(const std::vector<std::uint64_t>& seqs) {
  bool any = false;
  for (const std::uint64_t seq : seqs) {
    if (!suspects_.Struck(seq, loop_.Now())) continue;
    ToldSetAside(seq, "the connection ends whenever this reading is sent");
    any = true;
  }
  memory_.Keep(suspects_);
  return any;
}

void OutboxSender::ToldSetAside(std::uint64_t seq, std::string_view why) {
  ++set_aside_total_;
  log::Warning("uplink.set_aside", fmt::format("{}; set aside and tried again by itself, ever more seldom", why),
               {{"thing", thing_.name}, {"seq", seq}});
}

void OutboxSender::Pause(Duration pause) {
  paused_until_ = std::max(paused_until_, loop_.Now() + pause);
}

void OutboxSender::WakeIn(Duration delay) {
  const BootTime due = loop_.Now() + delay;
  if (timer_ && timer_due_ <= due) return;
  timer_due_ = due;
  timer_ = loop_.After(delay, [this] {
    timer_.reset();
    wake_();
  });
}

TimeNow OutboxSender::Now() {
  Clock& clock = loop_.clock();
  return {clock.Now(), clock.BootId(), trust_.InDoubt(), reachable_since_};
}

bool OutboxSender::MayUse(const std::string& topic) {
  const BootTime now = loop_.Now();
  if (suspension_.Allows(topic, now)) return true;
  if (const Duration wait = suspension_.UntilProbe(topic, now); wait > Duration::zero()) WakeIn(wait);
  return false;
}

// The store's answer may be older than what the clock has told since.
Reading OutboxSender::Dated(Reading reading) const {
  Redate(reading, trust_.history());
  return reading;
}

bool OutboxSender::Ready(const Reading& reading, const TimeNow& now) {
  const Duration wait = TimeWait(Dated(reading), now, patience_);
  if (wait <= Duration::zero()) return true;
  WakeIn(std::min(wait, kTrustPoll));
  return false;
}

std::optional<OutboxSender::Message> OutboxSender::Next(bool idle) {
  if (!up_) return std::nullopt;
  if (const BootTime now = loop_.Now(); now < paused_until_) {
    WakeIn(paused_until_ - now);
    return std::nullopt;
  }
  const TimeNow now = Now();
  while (auto message = NextOfAny(now, idle)) {
    if (Fits(*message)) return message;
  }
  return std::nullopt;
}

std::optional<OutboxSender::Message> OutboxSender::NextOfAny(const TimeNow& now, bool idle) {
  if (auto message = NextFresh(now)) return message;
  if (auto message = NextBacklog(now)) return message;
  return idle ? NextSuspect(now) : std::nullopt;
}

// The server has said how large a packet may be, and would close the connection over a larger one. Batches keep within
// it by themselves, so a message that is too large is one reading.
bool OutboxSender::Fits(const Message& message) {
  if (server_.Takes(message.topic.size(), message.payload.size())) return true;
  for (const std::uint64_t seq : message.seqs) {
    if (suspects_.Blamed(seq, true, loop_.Now())) {
      ToldSetAside(seq, fmt::format("a reading of {} bytes is larger than the server's maximum packet size of {}",
                                    message.payload.size(), server_.maximum_packet));
    }
  }
  return false;
}

// Fresh readings that wait for more of their kind. What is committed is in the store meanwhile; a session that ends
// before they go finds them in the backlog.
bool OutboxSender::Collecting() {
  const BootTime due = fresh_since_ + *thing_.batch_interval;
  const BootTime now = loop_.Now();
  // By the newest: readings of a thing are about equally long.
  const std::size_t each = TelemetryJson(fresh_.back(), thing_.primary).size() + 1;
  if (now >= due || each * fresh_.size() >= BatchLimit() || fresh_.size() >= kMaxFresh / 2) return false;
  WakeIn(due - now);
  return true;
}

std::optional<OutboxSender::Message> OutboxSender::NextFresh(const TimeNow& now) {
  if (fresh_.empty()) return std::nullopt;
  if (thing_.batch_interval && Batching()) {
    if (Collecting() || !Ready(fresh_.front(), now)) return std::nullopt;
    fresh_since_ = loop_.Now();
    return Batch(fresh_, now);
  }
  if (!MayUse(thing_.topic)) return std::nullopt;
  Reading next;
  if (Ready(fresh_.back(), now)) {
    next = std::move(fresh_.back());
    fresh_.pop_back();
  } else if (Ready(fresh_.front(), now)) {  // the newest waits for the clock, the oldest has waited long enough
    next = std::move(fresh_.front());
    fresh_.pop_front();
  } else {
    return std::nullopt;
  }
  return Single(next);
}

// Once the cloud refuses the batch topic, everything goes reading by reading.
bool OutboxSender::Batching() {
  return thing_.batch_bytes && suspension_.Allows(batch_topic_, loop_.Now());
}

// Salvage (store/salvage.hpp) brings readings back that lie behind the cursor.
void OutboxSender::LookBehind() {
  const BootTime now = loop_.Now();
  if (!exhausted_ || !backlog_.empty() || reading_ || now < look_behind_at_) return;
  look_behind_at_ = now + kLookBehind;
  const std::uint64_t oldest = store_.Outbox(thing_.name).oldest_unsent_seq;
  if (oldest == 0 || oldest > cursor_ || claimed_.Contains(oldest)) return;
  cursor_ = oldest - 1;
  exhausted_ = false;
}

std::optional<OutboxSender::Message> OutboxSender::NextBacklog(const TimeNow& now) {
  LookBehind();
  if (backlog_.size() < kPage / 2 && !exhausted_) ReadPage();
  if (backlog_.empty() || !Ready(backlog_.front(), now)) return std::nullopt;
  if (Batching()) return Batch(backlog_, now);
  if (!MayUse(thing_.topic)) return std::nullopt;
  const Reading next = std::move(backlog_.front());
  backlog_.pop_front();
  return Single(next);
}

// Once nothing else is left.
std::optional<OutboxSender::Message> OutboxSender::NextSuspect(const TimeNow& now) {
  if (!exhausted_ || !backlog_.empty()) return std::nullopt;
  if (!suspect_) {
    ReadSuspect();
    return std::nullopt;
  }
  if (!MayUse(thing_.topic) || !Ready(*suspect_, now)) return std::nullopt;
  Message message = Single(*suspect_);
  message.alone = true;
  suspect_.reset();
  return message;
}

void OutboxSender::ReadSuspect() {
  const auto first = suspects_.First();
  if (!first || reading_suspect_) return;
  if (const Duration wait = first->due - loop_.Now(); wait > Duration::zero()) return WakeIn(wait);
  reading_suspect_ = true;
  store_.ReadUnsent(thing_.name, first->message - 1, 1,
                    [this, token = session_, seq = first->message](Result<std::vector<Reading>> page) {
                      if (!*token) return;
                      reading_suspect_ = false;
                      if (!page) return WakeIn(kStoreRetry);
                      if (page->empty() || page->front().seq != seq) {
                        Forgive(seq);  // retention has taken it, and a gap tells of it
                      } else {
                        suspect_ = std::move(page->front());
                      }
                      wake_();
                    });
}

OutboxSender::Message OutboxSender::Single(const Reading& reading) const {
  return {thing_.topic, TelemetryJson(Dated(reading), thing_.primary), {reading.seq}};
}

std::size_t OutboxSender::BatchLimit() const {
  return std::min(static_cast<std::size_t>(*thing_.batch_bytes), server_.LargestPayload(batch_topic_.size()));
}

// Its oldest that are ready, as many as fit.
OutboxSender::Message OutboxSender::Batch(std::deque<Reading>& from, const TimeNow& now) {
  TelemetryBatch batch(BatchLimit());
  Message message{batch_topic_, {}, {}};
  while (!from.empty() && Ready(from.front(), now)) {
    if (!batch.Add(TelemetryJson(Dated(from.front()), thing_.primary))) break;
    message.seqs.push_back(from.front().seq);
    from.pop_front();
  }
  message.payload = batch.Take();
  return message;
}

void OutboxSender::ReadPage() {
  if (reading_ || exhausted_) return;
  reading_ = true;
  store_.ReadUnsent(thing_.name, cursor_, kPage,
                    [this, token = session_, after = cursor_](Result<std::vector<Reading>> page) {
                      if (*token) TakePage(after, page);
                    });
}

void OutboxSender::TakePage(std::uint64_t after, const Result<std::vector<Reading>>& page) {
  reading_ = false;
  if (!page) {
    log::Warning("uplink.store", "cannot read the backlog: " + page.error().message, {{"thing", thing_.name}});
    return WakeIn(kStoreRetry);
  }
  // Something behind this page was released while it was on its way: the cursor has gone back, and stays there.
  const bool rewound = cursor_ < after;
  for (const Reading& reading : *page) {
    if (claimed_.Contains(reading.seq)) continue;
    claimed_.Insert(reading.seq);
    if (!suspects_.Apart(reading.seq)) backlog_.push_back(reading);
  }
  if (!rewound) {
    exhausted_ = page->empty();  // a short page only says that finding more would have taken long
    if (!page->empty()) cursor_ = page->back().seq;
  }
  std::sort(backlog_.begin(), backlog_.end(), [](const Reading& a, const Reading& b) { return a.seq < b.seq; });
  wake_();
}

std::string OutboxSender::Waiting(std::uint64_t seq) const {
  if (suspension_.Suspended(thing_.topic)) return "suspended: the cloud refuses " + thing_.topic;
  if (suspects_.SetAside(seq)) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(suspects_.Wait(seq, loop_.Now()));
    return fmt::format(
        "set aside: the connection ended whenever it was sent, or the server refuses it or takes none so large; "
        "tried again by itself in {}",
        FormatDuration(wait));
  }
  if (loop_.clock().Now() < paused_until_) return "waits: the cloud said that a quota is exceeded";
  const auto untrusted = [&](const Reading& reading) {
    return reading.seq == seq && (trust_.InDoubt() || !Dated(reading).time_trusted);
  };
  if (std::any_of(fresh_.begin(), fresh_.end(), untrusted) ||
      std::any_of(backlog_.begin(), backlog_.end(), untrusted)) {
    return "waits for a trusted clock";
  }
  if (thing_.batch_interval &&
      std::any_of(fresh_.begin(), fresh_.end(), [seq](const Reading& reading) { return reading.seq == seq; })) {
    return "waits for others of its batch";
  }
  return {};
}

}  // namespace penumbra
