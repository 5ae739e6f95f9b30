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
constexpr int kMaxMismatches = 3;  // versions that are taken over at once; more wait as other failures do

bool NeedsAnnouncement(const OrderRow& row) {
  return row.action == kReboot || row.action == kUpdateConfig || row.action == kSet;
}

// Times of the Jobs service are seconds or milliseconds, depending on the page one reads.
std::int64_t Milliseconds(std::int64_t time) {
  constexpr std::int64_t kLeastMs = 100'000'000'000;
  return time > 0 && time < kLeastMs ? time * 1000 : std::max<std::int64_t>(time, 0);
}

bool IsUsableId(std::string_view id) {
  return IsThingName(id, kMaxIdBytes);
}

// The rest of `topic` behind `prefix`, if it begins with it.
bool TakePrefix(std::string_view& topic, std::string_view prefix) {
  if (topic.substr(0, prefix.size()) != prefix) return false;
  topic.remove_prefix(prefix.size());
  return true;
}

const Json& Member(const Json& object, const char* key) {
  static const Json none = Json::object();
  if (!object.is_object()) return none;
  const auto it = object.find(key);
  return it == object.end() ? none : *it;
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
      start_backoff_(options.retry_base, options.retry_max) {
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
          fmt::format("$aws/commands/things/{}/executions/+/request/json", thing),
          fmt::format("$aws/commands/things/{}/executions/+/response/+/json", thing)};
}

void OrderBook::OnOnline() {
  online_ = true;
  want_start_ = true;
  start_after_ = {};
  for (auto& [key, entry] : entries_) entry.after = {};
}

void OrderBook::OnOffline() {
  online_ = false;
  start_token_.clear();
  for (auto& [key, entry] : entries_) entry.token.clear();
  for (Loose& loose : loose_) loose.token.clear();
}

// --- what comes in ---

void OrderBook::OnMessage(std::string_view topic, std::string_view payload, Moment now) {
  if (TakePrefix(topic, fmt::format("commands/{}/", thing_))) return OnCommand(payload, now);
  if (TakePrefix(topic, fmt::format("$aws/things/{}/jobs/", thing_))) return OnJobMessage(topic, payload, now);
  if (!TakePrefix(topic, fmt::format("$aws/commands/things/{}/executions/", thing_))) return;
  const std::size_t slash = topic.find('/');
  const std::string_view id = topic.substr(0, slash);
  const std::string_view stub = slash == std::string_view::npos ? std::string_view() : topic.substr(slash + 1);
  if (!IsUsableId(id)) {
    ++counters_.ignored;
  } else if (stub == "request/json") {
    OnExecution(id, payload, now);
  } else if (stub == "response/accepted/json" || stub == "response/rejected/json") {
    OnExecutionAnswer(std::string(id), stub == "response/accepted/json", payload, now);
  } else {
    ++counters_.ignored;
  }
}

void OrderBook::OnCommand(std::string_view payload, Moment now) {
  Request request = ParseCommand(payload);
  OrderRow row;
  row.channel = Channel::kCommand;
  row.id = request.id;
  if (row.id.empty()) {
    row.anonymous = true;
    row.id = fmt::format("~{}-{}", session_, next_seq_);
  } else if (Repeated({Channel::kCommand, row.id})) {
    return;
  }
  if (row.anonymous && request.action == kSet && request.fault.empty()) {
    request.fault = "set needs an id, so that it is not done twice";
  }
  Receive(std::move(row), std::move(request), now);
}

void OrderBook::OnExecution(std::string_view id, std::string_view payload, Moment now) {
  if (Repeated({Channel::kExecution, std::string(id)})) return;
  OrderRow row;
  row.channel = Channel::kExecution;
  row.id = id;
  Receive(std::move(row), ParseCommand(payload), now);
}

// The same order again. One that was answered is answered once more: the answer may be what got lost.
bool OrderBook::Repeated(const OrderKey& key) {
  Entry* entry = Find(key);
  if (entry == nullptr) return false;
  ++counters_.duplicates;
  if (entry->row.phase == Phase::kAnswered) entry->row.phase = Phase::kDone;
  return true;
}

void OrderBook::Receive(OrderRow row, Request request, Moment now) {
  ++counters_.received;
  row.seq = next_seq_++;
  row.action = request.action;
  row.arguments = std::move(request.arguments);
  if (request.asked_ms > 0) row.receipt.asked_ms = request.asked_ms;
  row.receipt.unix_ms = now.trusted ? now.unix_ms : 0;
  row.receipt.boot = boot_id_;
  row.receipt.boot_ns = now.boot.ns;
  const std::int64_t ttl = options_.ttl / std::chrono::milliseconds(1);
  const bool waits_for_ever = row.channel == Channel::kJob && row.action != kSet;
  row.ttl_ms = request.ttl_ms.value_or(waits_for_ever ? 0 : ttl);
  if (row.action == kSet && row.receipt.asked_ms == 0 && request.fault.empty()) {
    request.fault = "set needs a timestamp (Unix milliseconds), so that a late one is not done";
  }
  const bool too_many = row.channel != Channel::kJob && OpenCount() >= options_.max_open;
  if (too_many && request.fault.empty()) request.fault = "too many commands are under way";
  Entry entry{.row = std::move(row), .dirty = true, .backoff = Backoff(options_.retry_base, options_.retry_max)};
  if (!request.fault.empty()) End(entry, {Verdict::kRejected, request.fault, Json::object()});
  // What is rejected and cannot be told apart from its like is not worth a write; nor is what there is no room for.
  if (entry.row.phase == Phase::kDone && entry.row.channel == Channel::kCommand && (entry.row.anonymous || too_many)) {
    return AnswerLoosely(entry.row);
  }
  if (too_many) return void(++counters_.answers_lost);  // an execution: the cloud lets it time out
  const OrderKey key{entry.row.channel, entry.row.id};
  entries_.insert_or_assign(key, std::move(entry));
}

void OrderBook::AnswerLoosely(const OrderRow& row) {
  if (loose_.size() >= kMaxLoose) {
    ++counters_.answers_lost;
    loose_.pop_front();
  }
  loose_.push_back({CommandAnswer(row, true), {}});
}

void OrderBook::OnExecutionAnswer(const std::string& id, bool accepted, std::string_view, Moment now) {
  Entry* entry = Find({Channel::kExecution, id});
  if (entry == nullptr || entry->token.empty()) return;
  if (accepted) {
    // It does not say which of our messages it answers: the one on its way counts as answered when the broker has it.
    entry->accepted = true;
    if (entry->taken) Confirmed(*entry);
    return;
  }
  entry->token.clear();
  if (++entry->refusals < kMaxMismatches) return TellLater(*entry, now);
  if (!entry->final) return void(entry->announced = true);
  ++counters_.answers_lost;
  entry->row.phase = Phase::kAnswered;
  entry->dirty = true;
}

void OrderBook::OnJobMessage(std::string_view stub, std::string_view payload, Moment now) {
  const auto body = ParseJson(payload);
  if (!body || !body->is_object()) return void(++counters_.ignored);
  if (stub == "notify-next") return OnNotify(*body);
  if (stub == "start-next/accepted") return OnStarted(*body, now);
  if (stub == "start-next/rejected") {
    if (start_token_.empty() || GetString(*body, "clientToken") != start_token_) return;
    start_token_.clear();
    ++counters_.retries;
    start_after_ = now.boot + start_backoff_.Next(random_);
    return;
  }
  const std::size_t slash = stub.find('/');
  const std::string_view job = stub.substr(0, slash);
  const std::string_view rest = slash == std::string_view::npos ? std::string_view() : stub.substr(slash + 1);
  if (!IsUsableId(job) || (rest != "update/accepted" && rest != "update/rejected")) return void(++counters_.ignored);
  OnJobUpdated(std::string(job), rest == "update/accepted", *body, now);
}

void OrderBook::OnNotify(const Json& body) {
  if (body.contains("execution")) want_start_ = true;
}

void OrderBook::OnStarted(const Json& body, Moment now) {
  // Somebody else's answer, or a late one: what it says is as true, but only our own ends the waiting.
  if (!start_token_.empty() && GetString(body, "clientToken") == start_token_) {
    start_token_.clear();
    start_backoff_.Reset();
    want_start_ = false;
  }
  const Json& execution = Member(body, "execution");
  const std::string job = GetString(execution, "jobId").value_or("");
  if (job.empty()) return;
  if (!IsUsableId(job)) return void(++counters_.ignored);
  const std::int64_t number = GetInt(execution, "executionNumber").value_or(1);
  const std::int64_t version = GetInt(execution, "versionNumber").value_or(1);
  Entry* entry = Find({Channel::kJob, job});
  // Messages have no order, and a resumed session brings old ones: an execution before the one we know is no new one.
  if (entry == nullptr || (number > entry->row.number && entry->row.phase >= Phase::kDone)) {
    return NewJob(job, number, execution, now);
  }
  // It is tried again while we are at it: we look again when that is over.
  if (entry->row.number != number) return;
  ++counters_.duplicates;
  entry->row.version = std::max(entry->row.version, version);
  if (entry->row.phase != Phase::kAnswered) return;
  entry->row.phase = Phase::kDone;  // the cloud has missed the outcome
  TellLater(*entry, now);
}

void OrderBook::NewJob(const std::string& job, std::int64_t number, const Json& execution, Moment now) {
  OrderRow row;
  row.channel = Channel::kJob;
  row.id = job;
  row.number = number;
  row.version = GetInt(execution, "versionNumber").value_or(1);
  Request request = ParseJobDocument(Member(execution, "jobDocument"));
  if (request.asked_ms == 0) request.asked_ms = Milliseconds(GetInt(execution, "queuedAt").value_or(0));
  Receive(std::move(row), std::move(request), now);
  Entry& entry = *Find({Channel::kJob, job});
  // The cloud's copy says that a reboot was asked of the machine, and our journal knows nothing of it: it was lost.
  const Json& details = Member(execution, "statusDetails");
  const auto boot = GetString(details, "boot");
  if (entry.row.phase == Phase::kReceived && GetString(details, "step") == std::string(kReboot) && boot) {
    entry.row.phase = Phase::kActing;
    entry.row.acting_boot = *boot;
    entry.row.acting_ns = now.boot.ns;
  }
}

void OrderBook::OnJobUpdated(const std::string& job, bool accepted, const Json& body, Moment now) {
  Entry* entry = Find({Channel::kJob, job});
  if (entry == nullptr || entry->token.empty() || GetString(body, "clientToken") != entry->token) return;
  const Json& state = Member(body, "executionState");
  const auto version = GetInt(state, "versionNumber");
  if (accepted) {
    entry->row.version = version.value_or(entry->row.version + 1);
    return Confirmed(*entry);
  }
  entry->token.clear();
  const std::string code = GetString(body, "code").value_or("");
  const std::string status = GetString(state, "status").value_or("");
  const bool ended = !status.empty() && status != "QUEUED" && status != "IN_PROGRESS";
  if (code == "VersionMismatch" && !ended && version && *version != entry->row.version) {
    entry->row.version = *version;
    if (++entry->refusals > kMaxMismatches) TellLater(*entry, now);
    return;
  }
  if (ended || code == "InvalidStateTransition" || code == "TerminalStateReached" || code == "ResourceNotFound") {
    return Cancelled(*entry, status.empty() ? code : status);
  }
  if (code == "InternalError" || code == "RequestThrottled" || ++entry->refusals < options_.max_refusals) {
    return TellLater(*entry, now);
  }
  ++counters_.answers_lost;
  Cancelled(*entry, code);
}

void OrderBook::OnPublished(const std::string& token, const Status& status, Moment now) {
  if (const auto loose =
          std::find_if(loose_.begin(), loose_.end(), [&](const Loose& one) { return one.token == token; });
      loose != loose_.end()) {
    loose->token.clear();
    if (status || status.error().action == Action::kGiveUp) loose_.erase(loose);
    return;
  }
  if (!token.empty() && token == start_token_) {
    if (status) return;
    start_token_.clear();
    start_after_ = now.boot + start_backoff_.Next(random_);
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
  if (!entry->final) return void(entry->announced = true);
  entry->row.phase = Phase::kAnswered;
  entry->dirty = true;
}

void OrderBook::OnActed(std::uint64_t ticket, Outcome outcome) {
  if (!running_ || running_->ticket != ticket) return;
  Entry* entry = Find(running_->key);
  running_.reset();
  if (entry != nullptr && entry->row.phase == Phase::kActing) End(*entry, std::move(outcome));
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
    if (publication.token == start_token_) start_token_.clear();
    if (Entry* entry = FindToken(publication.token)) entry->token.clear();
    for (Loose& loose : loose_) {
      if (loose.token == publication.token) loose.token.clear();
    }
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
  return effects;
}

void OrderBook::CheckDeadlines(Moment now) {
  for (auto& [key, entry] : entries_) {
    if (entry.token.empty() || now.boot < entry.deadline) continue;
    entry.token.clear();
    TellLater(entry, now);
  }
  if (!start_token_.empty() && now.boot >= start_deadline_) {
    start_token_.clear();
    ++counters_.retries;
    start_after_ = now.boot + start_backoff_.Next(random_);
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
  if (age.at_least > ttl) return "expired";
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
  if (!running_) StartAct(entry, true, effects);
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
    default:
      ++counters_.failed;
  }
  if (outcome.reason.size() > kMaxReasonBytes) outcome.reason.resize(kMaxReasonBytes);
  entry.row.phase = Phase::kDone;
  entry.row.verdict = outcome.verdict;
  entry.row.reason = std::move(outcome.reason);
  entry.row.result = outcome.result.is_object() ? std::move(outcome.result) : Json::object();
  entry.token.clear();
  entry.refusals = 0;
  entry.after = {};
  entry.asked_again.reset();
  entry.dirty = true;
}

// The cloud has what was told it last.
void OrderBook::Confirmed(Entry& entry) {
  entry.token.clear();
  entry.backoff.Reset();
  entry.refusals = 0;
  if (!entry.final) return void(entry.announced = true);
  ++counters_.answered;
  entry.row.phase = Phase::kAnswered;
  entry.dirty = true;
  if (entry.row.channel == Channel::kJob) want_start_ = true;
}

// The cloud does not want it any more, or knows its end already.
void OrderBook::Cancelled(Entry& entry, const std::string& why) {
  if (entry.row.phase == Phase::kReceived) {
    ++counters_.cancelled;
    End(entry, {Verdict::kFailed, "ended by the cloud: " + why, Json::object()});
  }
  entry.row.phase = Phase::kAnswered;
  entry.dirty = true;
  if (entry.row.channel == Channel::kJob) want_start_ = true;
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
    } else if (&entry == current && entry.waits_since && !entry.announced && entry.row.phase == Phase::kReceived) {
      Report(entry, false, now, effects);
    }
  }
  for (Loose& loose : loose_) {
    if (!loose.token.empty()) continue;
    loose.token = NewToken();
    effects.publish.push_back({CommandAnswerTopic(thing_), loose.payload, loose.token, Tells::kOutcome});
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
  if (!online_ || !want_start_ || !start_token_.empty() || start_after_ > now.boot || OpenJob() != nullptr) return;
  start_token_ = NewToken();
  start_deadline_ = now.boot + options_.answer_timeout;
  effects.publish.push_back({fmt::format("$aws/things/{}/jobs/start-next", thing_),
                             Dump(Json{{"clientToken", start_token_}}), start_token_, Tells::kQuestion});
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
    const bool tells = entry.row.phase == Phase::kDone || (entry.waits_since && !entry.announced);
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
  }
  if (!start_token_.empty()) consider(start_deadline_);
  if (start_token_.empty() && online_ && want_start_ && start_after_ > BootTime{} && OpenJob() == nullptr) {
    consider(start_after_);
  }
  return due;
}

std::vector<OrderRow> OrderBook::rows() const {
  std::vector<OrderRow> rows;
  for (const auto& [key, entry] : entries_) rows.push_back(entry.row);
  return rows;
}

bool OrderBook::Quiet() const {
  return loose_.empty() && OpenCount() == 0 && (!want_start_ || !online_) && start_token_.empty();
}

std::string OrderBook::NewToken() {
  return fmt::format("{}-{}", session_, next_token_++);
}

}  // namespace penumbra::orders
