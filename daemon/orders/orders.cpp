#include "orders/orders.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"

namespace penumbra::orders {
namespace {

bool Saves(const Effects& effects, Phase phase) {
  return std::any_of(effects.save.begin(), effects.save.end(),
                     [phase](const OrderRow& row) { return row.phase == phase; });
}

std::string_view MomentBeforeSave(const Effects& effects) {
  if (Saves(effects, Phase::kAnswered)) return moment::kConfirmed;
  return Saves(effects, Phase::kDone) ? moment::kActed : moment::kBeforeCommit;
}

}  // namespace

Orders::Orders(Options options, EventLoop& loop, TimeTrust& time_trust, OrderStore& store, Performer& performer)
    : options_(std::move(options)), loop_(loop), time_trust_(time_trust), store_(store), performer_(performer) {}

Orders::~Orders() {
  *alive_ = false;
}

Moment Orders::Now() {
  return {loop_.Now(), time_trust_.UnixMs(), time_trust_.Trusted()};
}

void Orders::Stop() {
  stopping_ = true;
  for (auto& [thing, entry] : things_) entry.acks.clear();  // the cloud keeps them for the next start
}

void Orders::Start(std::vector<std::string> things, std::function<void()> done) {
  names_ = std::move(things);
  loaded_ = std::move(done);
  Load(loop_.Now() + kLoadPatience);
}

void Orders::Reconfigure(const std::vector<std::string>& things, std::function<void()> done) {
  std::erase_if(things_, [&things](const auto& known) {
    return std::find(things.begin(), things.end(), known.first) == things.end();
  });
  names_.clear();
  for (const std::string& thing : things) {
    if (things_.count(thing) == 0) names_.push_back(thing);
  }
  if (names_.empty()) return done();
  loaded_ = std::move(done);
  Load(loop_.Now() + kLoadPatience);
}

void Orders::Load(BootTime give_up) {
  store_.Load([this, alive = alive_, give_up](Result<StoredOrders> stored) {
    if (!*alive) return;
    if (stored) return Loaded(std::move(*stored));
    if (stored.error().action != Action::kFatal && loop_.Now() < give_up) {
      load_timer_ = loop_.After(kLoadRetry, [this, give_up] { Load(give_up); });
      return;
    }
    log::Error("orders.load_failed", "no orders are taken until the next start: what was done is not known",
               {{"reason", stored.error().message}});
    if (const auto done = std::exchange(loaded_, {})) done();
  });
}

void Orders::Loaded(StoredOrders stored) {
  for (const std::string& row : stored.unreadable) {
    log::Error("orders.row_lost", "left out; should the cloud send it again, it is done again", {{"reason", row}});
  }
  for (const std::string& thing : names_) {
    Entry entry;
    const auto check = [this, thing](const OrderRow& order, Moment now) -> Status {
      if (stopping_) return Fail(Action::kRetry, "the gateway is stopping");
      // Also one that waits for the cloud's word before it is gone on with: what it began has to be left alone.
      if (order.action == kUpdateConfig && DoneElsewhere(thing, kUpdateConfig)) {
        return Fail(Action::kRetry, "another update_config is under way");
      }
      return performer_.Check(thing, order, now);
    };
    entry.book =
        std::make_unique<OrderBook>(thing, std::move(stored.things[thing]), options_.book, check,
                                    loop_.clock().BootId(), Now(), options_.session, options_.seed + things_.size());
    things_.insert_or_assign(thing, std::move(entry));
  }
  for (const std::string& thing : names_) Advance(thing);
  if (const auto done = std::exchange(loaded_, {})) done();
}

Orders::Entry* Orders::FindEntry(const std::string& thing) {
  const auto it = things_.find(thing);
  return it == things_.end() ? nullptr : &it->second;
}

const OrderBook* Orders::Find(const std::string& thing) const {
  const auto it = things_.find(thing);
  return it == things_.end() ? nullptr : it->second.book.get();
}

BookCounters Orders::Totals() const {
  BookCounters all;
  for (const auto& [thing, entry] : things_) {
    const BookCounters& one = entry.book->counters();
    all.received += one.received;
    all.duplicates += one.duplicates;
    all.done += one.done;
    all.failed += one.failed;
    all.rejected += one.rejected;
    all.expired += one.expired;
    all.answered += one.answered;
    all.retries += one.retries;
    all.cancelled += one.cancelled;
    all.answers_lost += one.answers_lost;
    all.ignored += one.ignored;
  }
  return all;
}

void Orders::Advance(const std::string& thing) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr || stopping_) return;
  auto effects = std::make_shared<Effects>(entry->book->Advance(Now()));
  TellRefused(thing, effects->refused);
  Arm(thing, *entry);
  if (!effects->durable()) entry->saving = effects->batch;
  for (auto& [batch, ack] : entry->acks) batch = batch == 0 ? entry->saving : batch;
  if (entry->saving == 0) Saved(*entry, 0);
  if (effects->durable()) return CarryOut(thing, *entry, *effects);
  At(MomentBeforeSave(*effects));
  store_.Save(thing, effects->save, effects->forget, [this, alive = alive_, thing, effects](const Status& status) {
    if (!*alive) return;
    Entry* saved = FindEntry(thing);
    if (saved == nullptr) return;
    if (!status) return NotSaved(thing, *saved, *effects, status.error());
    if (!store_trouble_.empty()) {
      store_trouble_.clear();
      log::Notice("orders.stored_again", "orders are durable again");
    }
    At(Saves(*effects, Phase::kDone) ? moment::kBeforeAnswer : moment::kCommitted);
    saved->book->OnSaved(effects->batch);
    Saved(*saved, effects->batch);
    CarryOut(thing, *saved, *effects);
    // Something may have become sayable with it.
    Advance(thing);
  });
}

void Orders::TellRefused(const std::string& thing, const std::vector<OrderRow>& refused) {
  for (const OrderRow& row : refused) {
    log::Notice("orders.refused", "what was ordered is not done",
                {{"thing", thing},
                 {"by", ToString(row.channel)},
                 {"id", row.anonymous ? std::string() : row.id},
                 {"action", row.action},
                 {"reason", row.reason}});
  }
}

// Everything up to `batch` is durable; batches become so in their order.
void Orders::Saved(Entry& entry, std::uint64_t batch) {
  if (entry.saving == batch) entry.saving = 0;
  std::erase_if(entry.acks, [batch](const auto& waiting) {
    if (waiting.first > batch) return false;
    waiting.second->Acknowledge();
    return true;
  });
}

// Nothing of it may be done: it is tried again.
void Orders::NotSaved(const std::string& thing, Entry& entry, const Effects& effects, const Error& error) {
  if (store_trouble_ != error.message) {
    store_trouble_ = error.message;
    log::Error("orders.not_stored", "orders are not durable; nothing is done or answered until they are",
               {{"thing", thing}, {"reason", error.message}});
  }
  entry.book->OnSaveFailed(effects);
  entry.acks.clear();  // they come again, and are acknowledged once they are known
  if (entry.saving == effects.batch) entry.saving = 0;
  entry.timer = loop_.After(kSaveRetry, [this, thing] { Advance(thing); });
}

void Orders::Arm(const std::string& thing, Entry& entry) {
  const auto due = entry.book->Due();
  if (!due) {
    entry.timer.reset();
    return;
  }
  // At least some milliseconds: a due time in the past must never become a busy loop.
  const Duration wait = std::max(*due - loop_.Now(), Duration(std::chrono::milliseconds(5)));
  entry.timer = loop_.After(wait, [this, thing] { Advance(thing); });
}

void Orders::CarryOut(const std::string& thing, Entry& entry, Effects& effects) {
  for (Publication& publication : effects.publish) Publish(thing, entry, std::move(publication));
  if (effects.act) Do(thing, *effects.act);
}

void Orders::Publish(const std::string& thing, Entry& entry, Publication publication) {
  auto done = [this, alive = alive_, thing, token = publication.token](const Status& status) {
    Entry* told = *alive ? FindEntry(thing) : nullptr;
    if (told == nullptr) return;
    if (!status && status.error().action == Action::kGiveUp) {
      log::Warning("orders.answer_refused", "the cloud does not take what is said of an order; is the policy right?",
                   {{"thing", thing}, {"reason", status.error().message}});
    }
    told->book->OnPublished(token, status, Now());
    Advance(thing);
  };
  // The session ended while we were committing: the book has forgotten the token, and says it again when it is back.
  if (entry.link == nullptr) return done(Fail(Action::kRetry, thing + " is not online"));
  entry.link->Publish(std::move(publication.topic), std::move(publication.payload), std::move(done));
  if (publication.tells != Tells::kQuestion) {
    At(publication.tells == Tells::kOutcome ? moment::kAnswered : moment::kAnnounced);
  }
}

void Orders::Do(const std::string& thing, const Act& act) {
  if (stopping_) return;  // the next start goes on from the rows
  const bool withdrawn = act.row.verdict == Verdict::kCancelled;
  log::Notice("orders.begun",
              withdrawn     ? "takes back an order that the cloud has ended"
              : act.resumed ? "goes on with an order"
                            : "does what was ordered",
              {{"thing", thing}, {"by", ToString(act.row.channel)}, {"id", act.row.id}, {"action", act.row.action}});
  At(moment::kBeforeAct);
  auto done = [this, alive = alive_, thing, ticket = act.ticket, order = act.row](Outcome outcome) {
    if (*alive) Acted(thing, ticket, order, std::move(outcome));
  };
  if (withdrawn) return performer_.Withdraw(thing, act.row, std::move(done));
  performer_.Perform(thing, act.row, act.resumed, std::move(done));
}

bool Orders::DoneElsewhere(const std::string& thing, std::string_view action) const {
  return std::any_of(things_.begin(), things_.end(),
                     [&](const auto& known) { return known.first != thing && known.second.book->Doing(action); });
}

void Orders::Acted(const std::string& thing, std::uint64_t ticket, const OrderRow& order, const Outcome& outcome) {
  Entry* entry = FindEntry(thing);
  if (entry == nullptr || !entry->book->OnActed(ticket, outcome)) return;
  log::Notice("orders.ended", "an order came to its end",
              {{"thing", thing},
               {"id", order.id},
               {"action", order.action},
               {"end", ToString(outcome.verdict)},
               {"reason", outcome.reason}});
  Advance(thing);
}

std::vector<std::string> Orders::Subscriptions(const std::string& thing) {
  return FindEntry(thing) == nullptr ? std::vector<std::string>{} : OrderBook::Filters(thing);
}

std::vector<std::string> Orders::CommitFirst(const std::string& thing) {
  return {fmt::format("commands/{}/", thing), fmt::format("$aws/commands/things/{}/executions/", thing)};
}

void Orders::OnOnline(ThingLink& link) {
  Entry* entry = FindEntry(link.thing());
  if (entry == nullptr) return;
  entry->link = &link;
  entry->book->OnOnline();
  Advance(link.thing());
}

void Orders::OnOffline(ThingLink& link) {
  Entry* entry = FindEntry(link.thing());
  if (entry == nullptr) return;
  entry->link = nullptr;
  entry->book->OnOffline();
  Advance(link.thing());
}

void Orders::OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) {
  auto ack = link.TakeAck();  // whoever returns without it leaves the message to the cloud
  Entry* entry = FindEntry(link.thing());
  // Every client of a session sees all its messages.
  if (entry == nullptr || stopping_) return;
  if (ack) entry->acks.emplace_back(0, std::move(ack));
  entry->book->OnMessage(topic, payload, Now(), link.MayHaveWaited());
  Advance(link.thing());
}

}  // namespace penumbra::orders
