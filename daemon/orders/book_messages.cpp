// OrderBook, what comes in: commands, executions, and what the Jobs service says.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "orders/book.hpp"
#include "orders/parse.hpp"

namespace penumbra::orders {
namespace {

constexpr std::int64_t kClockTickMs =
    1000;                          // the service's times may be whole seconds in one message and not in another
constexpr int kMaxMismatches = 3;  // versions that are taken over at once; more wait as other failures do

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

void OrderBook::OnMessage(std::string_view topic, std::string_view payload, Moment now, Duration waited) {
  if (TakePrefix(topic, fmt::format("commands/{}/", thing_))) return OnCommand(payload, now, waited);
  if (TakePrefix(topic, fmt::format("$aws/things/{}/jobs/", thing_))) return OnJobMessage(topic, payload, now);
  if (!TakePrefix(topic, fmt::format("$aws/commands/things/{}/executions/", thing_))) return;
  const std::size_t slash = topic.find('/');
  const std::string_view id = topic.substr(0, slash);
  const std::string_view stub = slash == std::string_view::npos ? std::string_view() : topic.substr(slash + 1);
  if (!IsUsableId(id)) {
    ++counters_.ignored;
  } else if (stub == "request" || stub.starts_with("request/")) {
    OnExecution(id, stub == "request" ? "" : stub.substr(stub.find('/') + 1), payload, now, waited);
  } else if (stub == "response/accepted/json" || stub == "response/rejected/json") {
    OnExecutionAnswer(std::string(id), stub == "response/accepted/json", payload, now);
  } else {
    ++counters_.ignored;
  }
}

void OrderBook::OnCommand(std::string_view payload, Moment now, Duration waited) {
  Request request = ParseCommand(payload);
  OrderRow row;
  row.channel = Channel::kCommand;
  row.id = request.id;
  if (row.id.empty()) {
    // What was not acknowledged comes again, and a machine that is about to reboot need not be told twice.
    if (request.action == kReboot && request.fault.empty() && NamelessRebootUnderWay()) {
      return void(++counters_.duplicates);
    }
    row.anonymous = true;
    row.id = fmt::format("~{}-{}", session_, next_seq_);
  } else if (IdTaken({Channel::kCommand, row.id}, request)) {
    // What its id stands for has its answer, which would be a lie here.
    ++counters_.rejected;
    row.action = request.action;
    row.verdict = Verdict::kRejected;
    row.reason = "its id was used for another command already; each command needs one of its own";
    Refused(row);
    if (!loose_.Add(CommandAnswer(row, true))) ++counters_.answers_lost;
    return;
  } else if (Repeated({Channel::kCommand, row.id})) {
    return;
  }
  if (row.anonymous && request.action == kSet && request.fault.empty()) {
    request.fault = "set needs an id, so that it is not done twice";
  }
  Receive(std::move(row), std::move(request), now, waited);
}

void OrderBook::OnExecution(std::string_view id, std::string_view format, std::string_view payload, Moment now,
                            Duration waited) {
  if (Repeated({Channel::kExecution, std::string(id)})) return;
  OrderRow row;
  row.channel = Channel::kExecution;
  row.id = id;
  // The cloud tells formats apart by the topic. Silence would be TIMED_OUT there, and nobody would know why.
  Request request;
  if (format == "json") {
    request = ParseCommand(payload);
  } else {
    request.fault = fmt::format(
        "the payload format {} is not understood here; create the command with JSON as its "
        "content type",
        format == "cbor" ? "CBOR" : "of this command");
  }
  Receive(std::move(row), std::move(request), now, waited);
}

bool OrderBook::NamelessRebootUnderWay() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const auto& known) {
    const OrderRow& row = known.second.row;
    return row.anonymous && row.action == kReboot && row.phase != Phase::kAnswered;
  });
}

// A repetition says the same; only when it was sent, and how long it holds, may have been refreshed.
bool OrderBook::IdTaken(const OrderKey& key, const Request& request) const {
  const auto known = entries_.find(key);
  if (known == entries_.end()) return false;
  return known->second.row.action != request.action || known->second.row.arguments != request.arguments;
}

// The same order again. One that was answered is answered once more: the answer may be what got lost.
bool OrderBook::Repeated(const OrderKey& key) {
  Entry* entry = Find(key);
  if (entry == nullptr) return false;
  ++counters_.duplicates;
  if (entry->row.phase == Phase::kAnswered) entry->row.phase = Phase::kDone;
  return true;
}

void OrderBook::Receive(OrderRow row, Request request, Moment now, Duration waited) {
  ++counters_.received;
  row.seq = next_seq_++;
  row.action = request.action;
  row.arguments = std::move(request.arguments);
  if (request.asked_ms > 0) {
    row.receipt.asked_ms = request.asked_ms;
  } else {
    row.receipt.age_ms = waited / std::chrono::milliseconds(1);
  }
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
    if (!loose_.Add(CommandAnswer(entry.row, true))) ++counters_.answers_lost;
    return Show(std::move(entry.row));
  }
  if (too_many) {  // an execution: the cloud lets it time out
    ++counters_.answers_lost;
    return Show(std::move(entry.row));
  }
  const OrderKey key{entry.row.channel, entry.row.id};
  entries_.insert_or_assign(key, std::move(entry));
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
    if (!question_.Is(GetString(*body, "clientToken").value_or(""))) return;
    ++counters_.retries;
    return question_.Failed(now.boot, random_);
  }
  const std::size_t slash = stub.find('/');
  const std::string_view job = stub.substr(0, slash);
  const std::string_view rest = slash == std::string_view::npos ? std::string_view() : stub.substr(slash + 1);
  if (!IsUsableId(job) || (rest != "update/accepted" && rest != "update/rejected")) return void(++counters_.ignored);
  OnJobUpdated(std::string(job), rest == "update/accepted", *body, now);
}

// The head of the queue. What is in progress comes first: another head, or none, says that ours may be over there.
void OrderBook::OnNotify(const Json& body) {
  if (body.contains("execution")) question_.Want();
  const Json& execution = Member(body, "execution");
  const std::string head = GetString(execution, "jobId").value_or("");
  const std::int64_t number = GetInt(execution, "executionNumber").value_or(1);
  for (auto& [key, entry] : entries_) {
    if (key.second != head || number > entry.row.number) Doubt(entry);
  }
}

void OrderBook::OnStarted(const Json& body, Moment now) {
  // Somebody else's answer, or a late one: what it says is as true, but only our own ends the waiting.
  if (question_.Is(GetString(body, "clientToken").value_or(""))) question_.Answered();
  const Json& execution = Member(body, "execution");
  const std::string job = GetString(execution, "jobId").value_or("");
  if (job.empty()) return;
  if (!IsUsableId(job)) return void(++counters_.ignored);
  const std::int64_t number = GetInt(execution, "executionNumber").value_or(1);
  const std::int64_t version = GetInt(execution, "versionNumber").value_or(1);
  Entry* entry = Find({Channel::kJob, job});
  Request request = ParseJobDocument(Member(execution, "jobDocument"));
  if (request.asked_ms == 0) request.asked_ms = Milliseconds(GetInt(execution, "queuedAt").value_or(0));
  // Messages have no order, and a resumed session brings old ones: an execution before the one we know is no new one.
  // A job that was deleted and made again under its old name is one: its executions are counted from 1 again.
  const auto is_new = [&](const OrderRow& known) {
    const bool made_again = number == known.number && known.receipt.asked_ms > 0 &&
                            request.asked_ms > known.receipt.asked_ms + kClockTickMs;
    return known.phase >= Phase::kDone && (number > known.number || made_again);
  };
  if (entry == nullptr || is_new(entry->row)) return NewJob(job, number, execution, std::move(request), now);
  // It is tried again while we are at it: we look again when that is over.
  if (number > entry->row.number) Doubt(*entry);
  if (entry->row.number != number) return;
  ++counters_.duplicates;
  entry->row.version = std::max(entry->row.version, version);
  if (entry->row.phase != Phase::kAnswered) return;
  entry->row.phase = Phase::kDone;  // the cloud has missed the outcome
  TellLater(*entry, now);
}

void OrderBook::NewJob(const std::string& job, std::int64_t number, const Json& execution, Request request,
                       Moment now) {
  OrderRow row;
  row.channel = Channel::kJob;
  row.id = job;
  row.number = number;
  row.version = GetInt(execution, "versionNumber").value_or(1);
  Receive(std::move(row), std::move(request), now, Duration::zero());  // we have asked for it
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
  const bool final = code == "InvalidTopic" || code == "InvalidJson" || code == "InvalidRequest";
  const bool passes = code == "InternalError" || code == "RequestThrottled";
  // A code that nobody has documented may pass, too.
  if (passes || (!final && ++entry->refusals < options_.max_refusals)) return TellLater(*entry, now);
  ++counters_.answers_lost;
  if (entry->row.phase == Phase::kActing) return void(entry->doubted = false);  // that answers no question
  Cancelled(*entry, code);
}

}  // namespace penumbra::orders
