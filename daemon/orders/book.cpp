#include "orders/book.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "orders/answers.hpp"

namespace penumbra::orders {
namespace {

constexpr Duration kAskAgain = std::chrono::seconds(1);
constexpr std::int64_t kFutureMs = 5 * 60 * 1000;  // how far a sender's clock may be ahead
constexpr std::size_t kMaxReasonBytes = 512;

bool NeedsAnnouncement(const OrderRow& row) {
  return row.action == kReboot || row.action == kUpdateConfig || row.action == kSet;
}

// What was begun and can be taken back while it is not done.
bool Withdrawable(const OrderRow& row) {
  return row.channel == Channel::kJob && (row.action == kUpdateConfig || row.action == kSet);
}

bool IsWithdrawn(const OrderRow& row) {
  return row.phase == Phase::kActing && row.verdict == Verdict::kCancelled;
}

std::string EndedByTheCloud(const std::string& why) {
  constexpr std::size_t kMaxWord = 64;  // a status of the Jobs service has one
  return "ended by the cloud: " + Cut(why, kMaxWord);
}

}  // namespace

OrderBook::OrderBook(std::string thing, std::vector<OrderRow> rows, const BookOptions& options, Check check,
                     std::string boot_id, Moment now, std::string session, std::uint64_t seed)
    : thing_(std::move(thing)),
      options_(options),
      check_(std::move(check)),
      boot_id_(std::move(boot_id)),
      started_(now.boot),
      session_(std::move(session)),
      random_(seed),
      question_(options.retry_base, options.retry_max, options.answer_timeout) {
  for (OrderRow& row : rows) {
    next_seq_ = std::max(next_seq_, row.seq + 1);
    OrderKey key{row.channel, row.id};
    Entry entry{.row = std::move(row), .backoff = Backoff(options_.retry_base, options_.retry_max)};
    entries_.insert_or_assign(std::move(key), std::move(entry));
  }
}

std::vector<std::string> OrderBook::Filters(const std::string& thing) {
  return {fmt::format("commands/{}/#", thing),
          fmt::format("$aws/things/{}/jobs/notify-next", thing),
          fmt::format("$aws/things/{}/jobs/start-next/+", thing),
          fmt::format("$aws/things/{}/jobs/+/update/+", thing),
          fmt::format("$aws/commands/things/{}/executions/+/request/#", thing),  // in whatever format
          fmt::format("$aws/commands/things/{}/executions/+/response/+/json", thing)};
}

void OrderBook::OnOnline() {
  online_ = true;
  question_.OnOnline();
  for (auto& [key, entry] : entries_) {
    entry.after = {};
    Doubt(entry);  // what was said meanwhile may have been lost
  }
}

void OrderBook::OnOffline() {
  online_ = false;
  question_.OnOffline();
  for (auto& [key, entry] : entries_) entry.token.clear();
  loose_.OnOffline();
}

// --- what became of what went out ---

void OrderBook::OnPublished(const std::string& token, const Status& status, Moment now) {
  if (loose_.OnPublished(token, status, now.boot + options_.retry_base)) return;
  if (question_.Is(token)) {
    if (!status) question_.Failed(now.boot, random_);
    return;
  }
  Entry* entry = FindToken(token);
  if (entry == nullptr) return;
  if (status) {
    entry->taken = true;
    if (entry->row.channel == Channel::kCommand || entry->accepted) Confirmed(*entry);
    return;
  }
  entry->token.clear();
  if (status.error().action != Action::kGiveUp || ++entry->refusals < options_.max_refusals) {
    return TellLater(*entry, now);
  }
  // The policy does not let us answer. Whoever is in charge finds it in the log and in the counters.
  ++counters_.answers_lost;
  entry->doubted = false;
  if (!entry->final) return void(entry->announced = true);
  entry->row.phase = Phase::kAnswered;
  entry->dirty = true;
}

bool OrderBook::OnActed(std::uint64_t ticket, Outcome outcome) {
  if (!running_ || running_->ticket != ticket) return false;
  Entry* entry = Find(running_->key);
  running_.reset();
  if (entry == nullptr || entry->row.phase != Phase::kActing) return true;
  const bool withdrawn = IsWithdrawn(entry->row);
  if (withdrawn) outcome.reason = entry->row.reason + "; " + outcome.reason;
  End(*entry, std::move(outcome));
  if (withdrawn) Answered(*entry);  // the cloud knows its end already
  return true;
}

void OrderBook::OnSaved(std::uint64_t batch) {
  for (auto& [key, entry] : entries_) {
    if (entry.saving == batch) entry.saving = 0;
  }
}

void OrderBook::OnSaveFailed(const Effects& lost) {
  for (const OrderRow& row : lost.save) {
    Entry* entry = Find({row.channel, row.id});
    if (entry == nullptr) continue;
    entry->dirty = true;
    if (entry->saving == lost.batch) entry->saving = 0;
  }
  for (const OrderKey& key : lost.forget) {
    if (Find(key) == nullptr) forget_.push_back(key);
  }
  for (const Publication& publication : lost.publish) {
    if (question_.Is(publication.token)) question_.NotAsked();
    loose_.NotSent(publication.token);
    if (Entry* entry = FindToken(publication.token)) entry->token.clear();
  }
  if (!lost.act || !running_ || running_->ticket != lost.act->ticket) return;
  running_.reset();
  Entry* entry = Find({lost.act->row.channel, lost.act->row.id});
  if (entry != nullptr && !lost.act->resumed) entry->row.phase = Phase::kReceived;  // it was not begun
}

// --- what happens next ---

OrderBook::Entry* OrderBook::Find(const OrderKey& key) {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

OrderBook::Entry* OrderBook::FindToken(const std::string& token) {
  if (token.empty()) return nullptr;
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& item) { return item.second.token == token; });
  return it == entries_.end() ? nullptr : &it->second;
}

std::size_t OrderBook::OpenCount() const {
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const auto& item) { return item.second.row.phase != Phase::kAnswered; }));
}

const OrderBook::Entry* OrderBook::OpenJob() const {
  for (const auto& [key, entry] : entries_) {
    if (key.first == Channel::kJob && entry.row.phase != Phase::kAnswered) return &entry;
  }
  return nullptr;
}

// The one whose turn it is: what was begun, else the oldest.
OrderBook::Entry* OrderBook::Current() {
  Entry* current = nullptr;
  for (auto& [key, entry] : entries_) {
    if (entry.row.phase >= Phase::kDone) continue;
    if (entry.row.phase == Phase::kActing) return &entry;
    if (current == nullptr || entry.row.seq < current->row.seq) current = &entry;
  }
  return current;
}

Effects OrderBook::Advance(Moment now) {
  Effects effects;
  CheckDeadlines(now);
  // One that ends at once makes room for the next.
  for (Entry* current = Current(); current != nullptr; current = Current()) {
    Move(*current, now, effects);
    if (current->row.phase < Phase::kDone) break;
  }
  CollectReports(now, effects);
  CollectStartNext(now, effects);
  CollectRows(effects);
  effects.refused = std::exchange(refused_, {});
  return effects;
}

void OrderBook::CheckDeadlines(Moment now) {
  for (auto& [key, entry] : entries_) {
    if (entry.token.empty() || now.boot < entry.deadline) continue;
    entry.token.clear();
    TellLater(entry, now);
  }
  if (question_.TimedOut(now.boot)) {
    ++counters_.retries;
    question_.Failed(now.boot, random_);
  }
}

void OrderBook::Move(Entry& entry, Moment now, Effects& effects) {
  if (entry.row.phase == Phase::kActing) return Resume(entry, now, effects);
  if (!MayBegin(entry, now)) return;
  if (NeedsAnnouncement(entry.row) && !entry.announced) {
    if (!entry.waits_since) entry.waits_since = now.boot;
    const bool patient =
        entry.row.channel == Channel::kJob || now.boot < *entry.waits_since + options_.announce_patience;
    if (patient) return;
  }
  Begin(entry, now, effects);
}

// Whether it may be done now; what may never be done is ended here.
bool OrderBook::MayBegin(Entry& entry, Moment now) {
  entry.asked_again.reset();
  bool wait = false;
  if (const auto why = TooOld(entry, now, wait)) {
    ++counters_.expired;
    End(entry, {Verdict::kRejected, *why, Json::object()});
    return false;
  }
  if (wait) {
    entry.asked_again = now.boot + kAskAgain;
    return false;
  }
  if (entry.row.action == kSet && entry.row.receipt.asked_ms > now.unix_ms + kFutureMs) {
    End(entry, {Verdict::kRejected, "its timestamp is in the future", Json::object()});
    return false;
  }
  if (Overtaken(entry.row)) {
    End(entry, {Verdict::kRejected, "overtaken: a newer set for the same key was done", Json::object()});
    return false;
  }
  const Status allowed = check_(entry.row, now);
  if (allowed) return true;
  if (allowed.error().action == Action::kRetry) {
    entry.asked_again = now.boot + kAskAgain;
  } else {
    End(entry, {Verdict::kRejected, allowed.error().message, Json::object()});
  }
  return false;
}

std::optional<std::string> OrderBook::TooOld(const Entry& entry, Moment now, bool& wait) const {
  const OrderRow& row = entry.row;
  if (row.ttl_ms <= 0) return std::nullopt;
  const Duration ttl = std::chrono::milliseconds(row.ttl_ms);
  const Age age = AgeOf(row.receipt, boot_id_, now);
  if (age.at_least > ttl) {
    if (row.receipt.asked_ms > 0 || row.receipt.age_ms == 0) return "expired";
    if (row.receipt.age_ms >= kUnknownAge / std::chrono::milliseconds(1)) {
      return "expired: the cloud retained it, so its age is not known; send it with a timestamp, or without the retain "
             "flag";
    }
    return fmt::format("expired: it may have waited {} s for this gateway; with a timestamp its age would be known",
                       row.receipt.age_ms / 1000);
  }
  // By what clock would we know when it was sent? Perhaps ours becomes right in time.
  const bool unclear = !age.known || (row.action == kSet && !now.trusted);
  if (!unclear) return std::nullopt;
  if (now.boot - started_ > ttl) return "expired: the clock is not set, so its age is not known";
  wait = true;
  return std::nullopt;
}

// A newer `set` was begun for one of its keys: messages have no order.
bool OrderBook::Overtaken(const OrderRow& row) const {
  if (row.action != kSet) return false;
  return std::any_of(entries_.begin(), entries_.end(), [&row](const auto& item) {
    const OrderRow& other = item.second.row;
    const bool begun = other.phase >= Phase::kActing && !other.acting_boot.empty();
    if (other.action != kSet || !begun || other.receipt.asked_ms <= row.receipt.asked_ms) return false;
    return std::any_of(row.arguments.items().begin(), row.arguments.items().end(),
                       [&other](const auto& value) { return other.arguments.contains(value.key()); });
  });
}

void OrderBook::Begin(Entry& entry, Moment now, Effects& effects) {
  entry.row.phase = Phase::kActing;
  entry.row.acting_boot = boot_id_;
  entry.row.acting_ns = now.boot.ns;
  entry.token.clear();
  entry.dirty = true;
  StartAct(entry, false, effects);
}

// It was begun, by us or by a process before us.
void OrderBook::Resume(Entry& entry, Moment now, Effects& effects) {
  if (entry.row.action == kReboot) {
    if (entry.row.acting_boot != boot_id_) {
      running_.reset();
      return End(entry, {Verdict::kSucceeded, "", {{"boot", "changed"}}});
    }
    if (now.boot < BootTime{entry.row.acting_ns} + options_.reboot_patience) return;
    running_.reset();
    const auto minutes = std::chrono::floor<std::chrono::minutes>(options_.reboot_patience).count();
    return End(entry, {Verdict::kFailed, fmt::format("the machine is still up after {} min", minutes), Json::object()});
  }
  if (!running_ && !WaitsForTheCloudsWord(entry, now.boot)) StartAct(entry, true, effects);
}

// A process before us had begun it, and the cloud may have ended it since. Without a link it is gone on with after a
// while: the gateway works offline.
bool OrderBook::WaitsForTheCloudsWord(const Entry& entry, BootTime now) const {
  return Withdrawable(entry.row) && !IsWithdrawn(entry.row) && !entry.announced &&
         now < started_ + options_.resume_patience;
}

void OrderBook::StartAct(Entry& entry, bool resumed, Effects& effects) {
  running_ = Running{{entry.row.channel, entry.row.id}, next_ticket_++};
  effects.act = Act{running_->ticket, entry.row, resumed};
}

void OrderBook::End(Entry& entry, Outcome outcome) {
  switch (outcome.verdict) {
    case Verdict::kSucceeded:
      ++counters_.done;
      break;
    case Verdict::kRejected:
      ++counters_.rejected;
      break;
    case Verdict::kCancelled:
      ++counters_.cancelled;
      break;
    default:
      ++counters_.failed;
  }
  const bool begun = entry.row.phase != Phase::kReceived;
  entry.row.phase = Phase::kDone;
  entry.row.verdict = outcome.verdict;
  entry.row.reason = Cut(std::move(outcome.reason), kMaxReasonBytes);
  entry.row.result = outcome.result.is_object() ? std::move(outcome.result) : Json::object();
  entry.token.clear();
  entry.refusals = 0;
  entry.after = {};
  entry.asked_again.reset();
  entry.doubted = false;
  entry.dirty = true;
  if (!begun && outcome.verdict == Verdict::kRejected) Refused(entry.row);
}

void OrderBook::Refused(const OrderRow& row) {
  if (refused_.size() >= options_.max_shown) return;
  refused_.push_back(row);
  refused_.back().arguments = Json::object();
}

// The cloud has what was told it last.
void OrderBook::Confirmed(Entry& entry) {
  entry.token.clear();
  entry.backoff.Reset();
  entry.refusals = 0;
  if (!entry.final) {
    entry.announced = true;
    entry.doubted = false;
    return;
  }
  ++counters_.answered;
  Answered(entry);
}

// The cloud does not want it any more, or knows its end already. What was done is not undone: whoever looks at the
// thing sees what the order wanted, and finds here why the cloud says otherwise.
void OrderBook::Cancelled(Entry& entry, const std::string& why) {
  entry.doubted = false;
  if (entry.row.phase == Phase::kActing) {
    if (!Withdrawable(entry.row)) return;  // no way back
    entry.row.verdict = Verdict::kCancelled;
    entry.row.reason = EndedByTheCloud(why);
    entry.dirty = true;
    running_.reset();  // its end is another one from here on: Resume has it taken back
    return;
  }
  if (entry.row.phase == Phase::kReceived) {
    End(entry, {Verdict::kCancelled, EndedByTheCloud(why), Json::object()});
  } else if (entry.row.verdict == Verdict::kSucceeded) {
    entry.row.reason = EndedByTheCloud(why) + "; it was done by then, and stays";
  }
  Answered(entry);
}

void OrderBook::Answered(Entry& entry) {
  entry.row.phase = Phase::kAnswered;
  entry.dirty = true;
  if (entry.row.channel == Channel::kJob) question_.Want();
}

void OrderBook::TellLater(Entry& entry, Moment now) {
  ++counters_.retries;
  entry.after = now.boot + entry.backoff.Next(random_);
}

// --- what goes out ---

void OrderBook::CollectReports(Moment now, Effects& effects) {
  if (!online_) return;
  const Entry* current = Current();
  for (auto& [key, entry] : entries_) {
    // What was said before it is durable could be forgotten by us and not by the cloud.
    if (!entry.token.empty() || entry.after > now.boot || (entry.saving != 0 && !entry.dirty)) continue;
    if (entry.row.phase == Phase::kDone) {
      Report(entry, true, now, effects);
    } else if (entry.doubted ||
               (&entry == current && entry.waits_since && !entry.announced && entry.row.phase == Phase::kReceived)) {
      Report(entry, false, now, effects);
    }
  }
  for (Publication& answer : loose_.Collect(CommandAnswerTopic(thing_), now.boot, [this] { return NewToken(); })) {
    effects.publish.push_back(std::move(answer));
  }
}

void OrderBook::Report(Entry& entry, bool final, Moment now, Effects& effects) {
  const OrderRow& row = entry.row;
  entry.token = NewToken();
  entry.final = final;
  entry.taken = entry.accepted = false;
  entry.deadline = now.boot + options_.answer_timeout;
  const Tells tells = final ? Tells::kOutcome : Tells::kUnderWay;
  switch (row.channel) {
    case Channel::kCommand:
      effects.publish.push_back({CommandAnswerTopic(thing_), CommandAnswer(row, final), entry.token, tells});
      break;
    case Channel::kJob:
      effects.publish.push_back(
          {JobUpdateTopic(thing_, row.id), JobUpdate(row, final, entry.token, boot_id_), entry.token, tells});
      break;
    case Channel::kExecution:
      effects.publish.push_back(
          {ExecutionAnswerTopic(thing_, row.id), ExecutionAnswer(row, final), entry.token, tells});
      break;
  }
}

void OrderBook::CollectStartNext(Moment now, Effects& effects) {
  if (!online_ || !question_.MayAsk(now.boot) || OpenJob() != nullptr) return;
  const std::string token = NewToken();
  question_.Asked(token, now.boot);
  effects.publish.push_back({fmt::format("$aws/things/{}/jobs/start-next", thing_), Dump(Json{{"clientToken", token}}),
                             token, Tells::kQuestion});
}

void OrderBook::CollectRows(Effects& effects) {
  effects.batch = next_batch_++;
  effects.forget = std::exchange(forget_, {});
  std::vector<std::pair<std::int64_t, OrderKey>> answered;
  for (const auto& [key, entry] : entries_) {
    if (entry.row.phase == Phase::kAnswered) answered.emplace_back(entry.row.seq, key);
  }
  std::sort(answered.begin(), answered.end());
  std::size_t spare = answered.size() > options_.max_remembered ? answered.size() - options_.max_remembered : 0;
  for (const auto& [seq, key] : answered) {
    // Nothing can be recognised as what had no id.
    const bool nameless = entries_.at(key).row.anonymous;
    if (!nameless && spare == 0) continue;
    if (!nameless) --spare;
    if (nameless) Show(entries_.at(key).row);
    entries_.erase(key);
    effects.forget.push_back(key);
  }
  for (auto& [key, entry] : entries_) {
    if (!std::exchange(entry.dirty, false)) continue;
    entry.saving = effects.batch;
    effects.save.push_back(entry.row);
  }
}

std::optional<BootTime> OrderBook::Due() const {
  std::optional<BootTime> due;
  const auto consider = [&due](BootTime at) { due = due ? std::min(*due, at) : at; };
  for (const auto& [key, entry] : entries_) {
    const bool tells = entry.row.phase == Phase::kDone || entry.doubted || (entry.waits_since && !entry.announced);
    if (!entry.token.empty()) consider(entry.deadline);
    if (entry.token.empty() && online_ && tells && entry.after > BootTime{} && entry.row.phase != Phase::kAnswered) {
      consider(entry.after);
    }
    if (entry.row.phase == Phase::kReceived && entry.asked_again) consider(*entry.asked_again);
    if (entry.row.phase == Phase::kReceived && entry.waits_since && !entry.announced &&
        entry.row.channel != Channel::kJob) {
      consider(*entry.waits_since + options_.announce_patience);
    }
    if (entry.row.phase == Phase::kActing && entry.row.action == kReboot) {
      consider(BootTime{entry.row.acting_ns} + options_.reboot_patience);
    }
    if (entry.row.phase == Phase::kActing && !running_ && Withdrawable(entry.row)) {
      consider(started_ + options_.resume_patience);
    }
  }
  if (const auto loose = loose_.Due(); loose && online_) consider(*loose);
  if (const auto question = question_.Due(online_ && OpenJob() == nullptr)) consider(*question);
  return due;
}

std::vector<OrderRow> OrderBook::rows() const {
  std::vector<OrderRow> rows;
  for (const auto& [key, entry] : entries_) rows.push_back(entry.row);
  return rows;
}

void OrderBook::Show(OrderRow row) {
  row.arguments = Json::object();
  shown_.push_back(std::move(row));
  if (shown_.size() > options_.max_shown) shown_.pop_front();
}

bool OrderBook::Quiet() const {
  return loose_.empty() && OpenCount() == 0 && (!question_.wanted() || !online_) && !question_.under_way();
}

bool OrderBook::Doing(std::string_view action) const {
  return std::any_of(entries_.begin(), entries_.end(), [action](const auto& item) {
    return item.second.row.phase == Phase::kActing && item.second.row.action == action;
  });
}

// Perhaps the cloud has ended it. A reboot that it has not heard of yet is not announced by the way; what was done is
// told anyway.
void OrderBook::Doubt(Entry& entry) {
  const OrderRow& row = entry.row;
  const bool announced_by_it = row.action == kReboot && !entry.announced;
  const bool waits = row.phase == Phase::kReceived && NeedsAnnouncement(row) && !announced_by_it;
  if (row.channel != Channel::kJob || IsWithdrawn(row)) return;
  if (!waits && !(row.phase == Phase::kActing && Withdrawable(row))) return;
  entry.doubted = true;
  if (waits) entry.announced = false;
}

std::string OrderBook::NewToken() {
  return fmt::format("{}-{}", session_, next_token_++);
}

}  // namespace penumbra::orders
