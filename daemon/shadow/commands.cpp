#include "shadow/commands.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/shadow_document.hpp"
#include "shadow/validate.hpp"

namespace penumbra::shadow {
namespace {

constexpr const char* kIntervalKey = "sample_interval";

bool Active(CommandState state) {
  return state == CommandState::kReceived || state == CommandState::kPending || state == CommandState::kWritten;
}

bool Unfulfilled(CommandState state) {
  return state == CommandState::kRefused || state == CommandState::kExpired || state == CommandState::kFailed;
}

// Of the age in seconds not more than a century: beyond that it is nonsense, and multiplied it would overflow.
Receipt ReceiptOf(const CommandRow& row) {
  const auto milliseconds = [](std::int64_t s) {
    constexpr std::int64_t kCenturyS = 100LL * 365 * 24 * 3600;
    return std::clamp(s, -kCenturyS, kCenturyS) * 1000;
  };
  return {milliseconds(row.desired_s), row.received_ms, row.received_boot, row.received_boot_ns,
          milliseconds(row.received_age_s)};
}

Json RefusalEntry(const CommandRow& row) {
  return {{"value", ShortenedValue(row.value)}, {"reason", row.reason}, {"version", row.version}};
}

}  // namespace

std::string_view ToString(CommandState state) {
  switch (state) {
    case CommandState::kReceived:
      return "received";
    case CommandState::kPending:
      return "pending";
    case CommandState::kWritten:
      return "written";
    case CommandState::kVerified:
      return "verified";
    case CommandState::kReported:
      return "reported";
    case CommandState::kRefused:
      return "refused";
    case CommandState::kExpired:
      return "expired";
    case CommandState::kFailed:
      return "failed";
  }
  return "unknown";
}

CommandBook::CommandBook(const ThingSettings& thing, std::vector<CommandRow> rows, std::string boot_id,
                         BootTime started)
    : thing_(thing), boot_id_(std::move(boot_id)), started_(started) {
  for (CommandRow& row : rows) {
    std::string key = row.key;
    if (Active(row.state) && row.desired_s > 0) resumed_.insert(key);
    rows_.insert_or_assign(std::move(key), std::move(row));
  }
}

void CommandBook::Follow(const ThingSettings& thing) {
  const ThingSettings before = std::exchange(thing_, thing);
  const auto same = [&](const std::string& key) {
    const PointSettings* from = FindPoint(before, key);
    const PointSettings* to = FindPoint(thing_, key);
    return from == nullptr || to == nullptr ? from == to : *from == *to;
  };
  // What was judged by the old rules is not begun any more; its row is judged again.
  if (running_ && !same(running_->key)) running_overtaken_ = true;
  for (auto it = rows_.begin(); it != rows_.end();) {
    if (same(it->first) || it->second.state != CommandState::kRefused) {
      ++it;
      continue;
    }
    tries_.erase(it->first);
    it = rows_.erase(it);
    dirty_ = true;
  }
}

void CommandBook::OnDesired(const Wishes& wishes, Moment now) {
  const Json& desired = wishes.desired;
  for (auto it = rows_.begin(); it != rows_.end();) {
    if (desired.contains(it->first)) {
      ++it;
      continue;
    }
    Supersede(it->first);
    it = rows_.erase(it);
    dirty_ = true;
  }
  for (const auto& [key, value] : desired.items()) {
    if (key == kIntervalKey) continue;
    const std::int64_t desired_s = GetInt(wishes.times, key).value_or(0);
    const auto it = rows_.find(key);
    if (it == rows_.end()) {
      if (rows_.size() >= kMaxRows || key.size() > kMaxKeyBytes) {
        ++counters_.ignored_keys;
        continue;
      }
      Receive(key, value, desired_s, wishes, now);
      continue;
    }
    CommandRow& row = it->second;
    const bool same = SameValue(row.value, value);
    if (same && wishes.edit_ages_ms.count(key) > 0 && !Active(row.state)) {
      Receive(key, value, 0, wishes, now);  // asked for once more, perhaps because the device was moved by hand
      continue;
    }
    if (same && (desired_s == row.desired_s || desired_s == 0)) continue;
    if (same && (row.desired_s == 0 || desired_s < row.desired_s)) {
      // Our own edit, now with the cloud's time; or the line of versions began again with the same wish.
      row.desired_s = desired_s;
      dirty_ = true;
      continue;
    }
    Supersede(key);
    Receive(key, value, desired_s, wishes, now);
  }
}

void CommandBook::Receive(const std::string& key, const Json& value, std::int64_t desired_s, const Wishes& wishes,
                          Moment now) {
  ++counters_.received;
  tries_.erase(key);
  resumed_.erase(key);
  CommandRow row;
  if (const auto old = rows_.find(key); old != rows_.end() && Active(old->second.state)) {
    row.superseded = old->second.superseded + 1;
  }
  row.key = key;
  row.value = value;
  row.version = wishes.version;
  row.desired_s = desired_s;
  row.received_age_s = desired_s > 0 ? std::max<std::int64_t>(wishes.service_s - desired_s, 0) : 0;
  if (const auto edited = wishes.edit_ages_ms.find(key); desired_s == 0 && edited != wishes.edit_ages_ms.end()) {
    row.received_age_s = (edited->second + 999) / 1000;
  }
  row.received_ms = now.trusted ? now.unix_ms : 0;
  row.received_boot = boot_id_;
  row.received_boot_ns = now.boot.ns;
  rows_.insert_or_assign(key, std::move(row));
  dirty_ = true;
}

void CommandBook::Supersede(const std::string& key) {
  const auto it = rows_.find(key);
  if (it != rows_.end() && Active(it->second.state)) ++counters_.superseded;
  tries_.erase(key);
  reported_.erase(key);
  // What is at the device now may still be done; nothing else starts before its answer, so the newer value is last.
  if (running_ && running_->key == key) running_overtaken_ = true;
}

bool CommandBook::Wanted(std::uint64_t ticket) const {
  return running_ && running_->ticket == ticket && !running_overtaken_;
}

void CommandBook::OnCloudShows(const Json& local, const Json& cloud) {
  for (auto& [key, row] : rows_) {
    if (row.state != CommandState::kVerified) continue;
    const auto here = local.find(key);
    const auto there = cloud.find(key);
    if (here == local.end() || there == cloud.end() || !SameValue(*here, *there)) continue;
    row.state = CommandState::kReported;
    dirty_ = true;
  }
}

void CommandBook::OnReading(const Reading& reading) {
  for (const PointValue& value : reading.values) {
    const auto it = rows_.find(value.point);
    if (it == rows_.end() || value.quality == Quality::kBad) continue;
    CommandRow& row = it->second;
    if (row.state != CommandState::kFailed && row.state != CommandState::kExpired) continue;
    const auto wanted = ValidateDesired(thing_, row.key, row.value);
    if (wanted && ReadBackMatches(*FindPoint(thing_, row.key), *wanted, value.value)) Done(row, value.value);
  }
}

CommandBook::Freshness CommandBook::FreshnessOf(const CommandRow& row, const PointSettings& point, Moment now) const {
  const Duration ttl = point.writable->ttl;
  const Age age = AgeOf(ReceiptOf(row), boot_id_, now);
  if (age.at_least > ttl) return Freshness::kExpired;
  if (age.known) return Freshness::kFresh;
  // Received in another boot, by a clock that nobody trusts: it gets a ttl's time to become known.
  return now.boot - started_ > ttl ? Freshness::kExpired : Freshness::kUnknown;
}

std::optional<CommandBook::Step> CommandBook::NextStep(Moment now, Random& random) {
  if (running_) {
    if (now.boot < running_deadline_) return std::nullopt;
    Step late;
    if (CommandRow* row = TakeRunning(running_->ticket, late)) {
      TryLater(*row, "the bus did not answer", now, random);
    }
  }
  std::vector<CommandRow*> order;
  for (auto& [key, row] : rows_) {
    if (Active(row.state) && tries_[key].after <= now.boot && !Waits(key, now.boot)) order.push_back(&row);
  }
  std::sort(order.begin(), order.end(), [](const CommandRow* a, const CommandRow* b) {
    return std::tie(a->version, a->key) < std::tie(b->version, b->key);
  });
  for (CommandRow* row : order) {
    if (auto step = StepFor(*row, now)) return step;
  }
  return std::nullopt;
}

bool CommandBook::Waits(const std::string& key, BootTime now) const {
  return now < started_ + kResumePatience && resumed_.count(key) > 0;
}

std::optional<CommandBook::Step> CommandBook::StepFor(CommandRow& row, Moment now) {
  const auto value = ValidateDesired(thing_, row.key, row.value);
  if (!value) {
    End(row, CommandState::kRefused, value.error().message);
    return std::nullopt;
  }
  if (row.state == CommandState::kWritten) return Start(Step::Kind::kRead, row, *value, now);
  switch (FreshnessOf(row, *FindPoint(thing_, row.key), now)) {
    case Freshness::kExpired:
      End(row, CommandState::kExpired, row.reason.empty() ? "expired" : "expired: " + row.reason);
      return std::nullopt;
    case Freshness::kUnknown:
      tries_[row.key].after = now.boot + std::chrono::seconds(1);
      return std::nullopt;
    case Freshness::kFresh:
      break;
  }
  row.state = CommandState::kPending;
  dirty_ = true;
  return Start(Step::Kind::kWrite, row, *value, now);
}

CommandBook::Step CommandBook::Start(Step::Kind kind, const CommandRow& row, Value value, Moment now) {
  ++(kind == Step::Kind::kWrite ? counters_.writes : counters_.reads);
  running_ = Step{kind, row.key, std::move(value), next_ticket_++};
  running_overtaken_ = false;
  running_deadline_ = now.boot + kStepTimeout;
  return *running_;
}

std::optional<BootTime> CommandBook::Due() const {
  if (running_) return running_deadline_;
  std::optional<BootTime> due;
  for (const auto& [key, row] : rows_) {
    if (!Active(row.state)) continue;
    const auto it = tries_.find(key);
    BootTime at = it == tries_.end() ? BootTime{} : it->second.after;
    if (resumed_.count(key) > 0) at = std::max(at, started_ + kResumePatience);
    due = due ? std::min(*due, at) : at;
  }
  return due;
}

// The row that the answer belongs to, unless it was superseded meanwhile. Either way the device is free again.
CommandRow* CommandBook::TakeRunning(std::uint64_t ticket, Step& step) {
  if (!running_ || running_->ticket != ticket) return nullptr;
  step = std::move(*running_);
  running_.reset();
  const auto it = rows_.find(step.key);
  return running_overtaken_ || it == rows_.end() ? nullptr : &it->second;
}

void CommandBook::OnWritten(std::uint64_t ticket, const Status& status, Moment now, Random& random) {
  Step step;
  CommandRow* row = TakeRunning(ticket, step);
  if (row == nullptr || step.kind != Step::Kind::kWrite) return;
  if (!status) {
    const Action action = status.error().action;
    if (action == Action::kGiveUp || action == Action::kFixConfig) {
      End(*row, CommandState::kFailed, status.error().message);
    } else {
      TryLater(*row, status.error().message, now, random);
    }
    return;
  }
  if (!FindPoint(thing_, row->key)->writable->verify) return Done(*row, step.value);
  row->state = CommandState::kWritten;
  dirty_ = true;
}

void CommandBook::OnRead(std::uint64_t ticket, const Result<Reading>& reading, Moment now, Random& random) {
  Step step;
  CommandRow* row = TakeRunning(ticket, step);
  if (row == nullptr || step.kind != Step::Kind::kRead) return;
  PointValue read{row->key, {}, Quality::kBad, "not in the reading"};
  if (!reading) {
    read.reason = reading.error().message;
  } else {
    const auto it = std::find_if(reading->values.begin(), reading->values.end(),
                                 [row](const PointValue& value) { return value.point == row->key; });
    if (it != reading->values.end()) read = *it;
  }
  CheckReadBack(*row, step.value, read, now, random);
}

void CommandBook::CheckReadBack(CommandRow& row, const Value& written, const PointValue& read, Moment now,
                                Random& random) {
  const PointSettings& point = *FindPoint(thing_, row.key);
  if (read.quality == Quality::kBad) {
    const std::string why = "written, not read back: " + read.reason;
    if (FreshnessOf(row, point, now) == Freshness::kExpired) return End(row, CommandState::kFailed, why);
    return TryLater(row, why, now, random);
  }
  if (ReadBackMatches(point, written, read.value)) return Done(row, read.value);
  const std::string why = fmt::format("the device shows {}", ToJsonText(read.value));
  if (++tries_[row.key].mismatches >= kMaxTries) return End(row, CommandState::kFailed, why);
  row.state = CommandState::kReceived;
  TryLater(row, why, now, random);
}

void CommandBook::TryLater(CommandRow& row, const std::string& why, Moment now, Random& random) {
  ++counters_.retries;
  Try& attempt = tries_[row.key];
  attempt.after = now.boot + attempt.backoff.Next(random);
  row.reason = why;
  dirty_ = true;
}

void CommandBook::Done(CommandRow& row, const Value& actual) {
  ++counters_.verified;
  row.state = CommandState::kVerified;
  row.reason.clear();
  tries_.erase(row.key);
  reported_[row.key] = ToJson(actual);
  dirty_ = true;
}

void CommandBook::End(CommandRow& row, CommandState state, std::string reason) {
  switch (state) {
    case CommandState::kRefused:
      ++counters_.refused;
      break;
    case CommandState::kExpired:
      ++counters_.expired;
      break;
    default:
      ++counters_.failed;
  }
  row.state = state;
  row.reason = std::move(reason);
  tries_.erase(row.key);
  dirty_ = true;
}

Json CommandBook::TakeReported() {
  return std::exchange(reported_, Json::object());
}

void CommandBook::SetForeignRefusal(const std::string& key, std::optional<CommandRow> refusal) {
  if (refusal) {
    foreign_.insert_or_assign(key, std::move(*refusal));
  } else {
    foreign_.erase(key);
  }
}

Json CommandBook::Refused() const {
  Json refused = Json::object();
  std::size_t bytes = 0;
  const auto add = [&refused, &bytes](const CommandRow& row) {
    Json entry = RefusalEntry(row);
    const std::size_t size = row.key.size() + Dump(entry).size() + 4;
    if (refused.size() >= kMaxRefused || bytes + size > kMaxRefusedBytes) return;
    bytes += size;
    refused[row.key] = std::move(entry);
  };
  for (const auto& [key, row] : foreign_) add(row);
  // Real points first: keys that nobody knows must not push them out.
  for (const bool known : {true, false}) {
    for (const auto& [key, row] : rows_) {
      const bool shown = Unfulfilled(row.state) || (Active(row.state) && !row.reason.empty());
      if (shown && (FindPoint(thing_, key) != nullptr) == known) add(row);
    }
  }
  return refused;
}

std::optional<Status> CommandBook::EndOf(const Json& values) const {
  for (const auto& [key, value] : values.items()) {
    const auto it = rows_.find(key);
    if (it == rows_.end() || !SameValue(it->second.value, value)) {
      return Fail(Action::kGiveUp, fmt::format("{}: overtaken by another wish", key));
    }
    if (Unfulfilled(it->second.state)) return Fail(Action::kGiveUp, fmt::format("{}: {}", key, it->second.reason));
    if (Active(it->second.state)) return std::nullopt;
  }
  return Status{};
}

bool CommandBook::Idle() const {
  return !running_ &&
         std::none_of(rows_.begin(), rows_.end(), [](const auto& entry) { return Active(entry.second.state); });
}

}  // namespace penumbra::shadow
