#include "store/store_worker.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.hpp"
#include "store/row_sum.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadSlice = 20ms;  // a read pauses after this, so that commits are not late
constexpr int kReadsBetweenCommits = 64;
constexpr auto kRoomSlice = 100ms;  // of making room between two commits
constexpr auto kMaintenancePause = 1s;
constexpr auto kFirstRetry = 100ms;
constexpr auto kLastRetry = 5s;
constexpr int kCorruptFailures = 2;           // the first may be a read gone wrong: the file is opened again
constexpr std::size_t kOldestPerReport = 64;  // things whose oldest reading is looked up after one commit

}  // namespace

void StoreWorker::Run() {
  do {
    std::unique_lock lock(mutex_);
    const auto awake = [this] {
      const Time t = Now();
      const bool blocked = retry_at_ && t < *retry_at_;
      return stop_ || !requests_.empty() || (vacuum_ && !retry_at_) || (!blocked && (retry_at_ || DueLocked(t))) ||
             (maintain_at_ && t >= *maintain_at_);
    };
    while (!awake()) wake_.wait_until(lock, NextDueLocked(Now()));
  } while (Turn());
  CloseCleanly();
  const std::lock_guard lock(mutex_);
  finished_ = true;
  finished_changed_.notify_all();
}

bool StoreWorker::Turn() {
  Time now;
  {
    const std::lock_guard lock(mutex_);
    now = Now();
    if (batch_.empty() && !retry_at_ && DueLocked(now)) TakeLocked(batch_);
    if (stop_ && retry_at_) {
      if (std::exchange(last_try_, true)) return false;
      retry_at_ = now;
    }
  }
  if (retry_at_ && now >= *retry_at_) Recover(now);
  if (!batch_.empty() && journal_ != nullptr && !retry_at_) CommitBatch();
  AnswerRequests();
  ForgetMissing();
  if (journal_ != nullptr && database_->corrupt()) Failed({Action::kFatal, "the database file is damaged"}, now);
  // After the commit, and not after the next one: until then there may be no room left to make room.
  if (journal_ != nullptr) Maintain(Now());
  return journal_ == nullptr || !Idle();
}

bool StoreWorker::Idle() {
  const std::lock_guard lock(mutex_);
  return stop_ && batch_.empty() && queued_.empty() && queued_readings_.empty();
}

void StoreWorker::CommitBatch() {
  const Time began = Now();
  if (IsDetached()) {
    return Failed({Action::kFatal, "the database file was removed or replaced while the store was using it"}, began);
  }
  batch_row_ = journal_->last_row() + 1;
  const Status written = WriteBatch(batch_);
  if (written) {
    Committed(began);
  } else {
    Failed(written.error(), began);
  }
}

Status StoreWorker::WriteBatch(Batch& batch) {
  const bool nothing = batch.readings.empty() && batch.acks.empty() && batch.settings.empty() && batch.works.empty() &&
                       batch.times.empty() && batch.told.empty() && !batch.newest_trusted;
  if (nothing) return {};
  const Result<Retention::Space> before = Retention::Measure(*database_, files_);
  if (!before) return Fail(before.error());
  if (const Status begun = database_->Begin(); !begun) return begun;
  if (const Status done = journal_->Settle(batch.missing); !done) return done;
  if (const Status done = journal_->Write(batch.readings, batch.acks, batch_now_ms_); !done) return done;
  if (const Status done = WriteSettings(batch); !done) return done;
  if (const Status done = WriteTimes(batch); !done) return done;
  // Once a block, which dirties the page of table meta anyway.
  if (journal_->newest_block().empty()) {
    if (const Status done = WriteWear(); !done) return done;
  }
  for (const Gap& gap : batch.told) {
    if (const Status done = ForgetGap(*database_, gap); !done) return done;
  }
  for (Batch::Work& work : batch.works) RunWork(work);
  if (const Status fits = SeeThatItFits(*before); !fits) return fits;
  return database_->Commit();
}

Status StoreWorker::WriteSettings(const Batch& batch) {
  for (const auto& [key, value] : batch.settings) {
    auto statement = database_->Prepare(value ? "INSERT OR REPLACE INTO setting(key, value, sum) VALUES(?, ?, ?)"
                                              : "DELETE FROM setting WHERE key = ?");
    if (!statement) return Fail(statement.error());
    statement->Bind(1, std::string_view(key));
    if (value) statement->Bind(2, std::string_view(*value)).Bind(3, PairSum(key, *value));
    if (const Status done = statement->Run(); !done) return done;
  }
  return {};
}

Status StoreWorker::WriteTimes(const Batch& batch) {
  for (const auto& [boot, history] : batch.times) {
    if (const Status done = TimeBook::Write(*database_, history); !done) return done;
  }
  return batch.newest_trusted ? journal_->LowerNewestTrusted(*batch.newest_trusted) : Status();
}

Status StoreWorker::LoadWear() {
  const auto bytes = database_->Meta("wear_bytes");
  const auto ms = database_->Meta("wear_ms");
  const auto lifetime = database_->Meta("wear_lifetime");
  for (const auto* value : {&bytes, &ms, &lifetime}) {
    if (!*value) return Fail(value->error());
  }
  meter_.Restore({.bytes = static_cast<double>(bytes->value_or(0)),
                  .seconds = static_cast<double>(ms->value_or(0)) / 1000,
                  .lifetime_bytes = static_cast<std::uint64_t>(lifetime->value_or(0))});
  return {};
}

Status StoreWorker::WriteWear() {
  const WriteMeter::Memory& memory = meter_.memory();
  const std::pair<std::string_view, std::int64_t> values[] = {
      {"wear_bytes", static_cast<std::int64_t>(memory.bytes)},
      {"wear_ms", static_cast<std::int64_t>(memory.seconds * 1000)},
      {"wear_lifetime", static_cast<std::int64_t>(memory.lifetime_bytes)}};
  for (const auto& [key, value] : values) {
    if (const Status done = database_->SetMeta(key, value); !done) return done;
  }
  return {};
}

Status StoreWorker::Checkpoint(bool everything) {
  const std::uint64_t wal_bytes = database_->wal_bytes();
  const std::uint64_t before = vfs_->written();
  Status done = database_->Checkpoint(everything);
  if (!done) return done;
  stats_.checkpoints += 1;
  if (database_->wal_bytes() == 0) meter_.Checkpointed(wal_bytes, vfs_->written() - before);
  return {};
}

void StoreWorker::GovernPace(Time now) {
  meter_.Committed(vfs_->written(), database_->wal_bytes(), now);
  Duration interval = options_.settings.commit_interval;
  bool over = false;
  if (options_.settings.write_budget) {
    over = meter_.OverBudget(*options_.settings.write_budget, interval);
    interval = meter_.IntervalFor(*options_.settings.write_budget, interval);
  }
  if (over != stats_.over_budget) {
    log::Notice(over ? "store.over_budget" : "store.within_budget",
                over ? "the write budget cannot be kept even with a commit every commit_interval"
                     : "the write budget is kept again",
                {{"bytes_per_day", meter_.PerDay()}, {"write_budget", *options_.settings.write_budget}});
  }
  stats_.over_budget = over;
  stats_.commit_interval_ms = std::chrono::duration_cast<std::chrono::milliseconds>(interval).count();
  const std::lock_guard lock(mutex_);
  interval_ = interval;
}

void StoreWorker::RunWork(Batch::Work& work) {
  work.result = database_->Savepoint();
  if (!work.result) return;
  work.result = work.run(*database_);
  const Status ended = work.result ? database_->ReleaseSavepoint() : database_->RollbackToSavepoint();
  if (!ended && work.result) work.result = ended;
}

void StoreWorker::Committed(Time began) {
  const Time now = Now();
  if (!stats_.trouble.empty()) log::Notice("store.recovered", "commits succeed again");
  stats_.trouble.clear();
  retry_pause_ = 0ms;
  stats_.commits += 1;
  stats_.committed_readings += batch_.readings.size();
  stats_.last_commit_ms = batch_now_ms_;
  stats_.last_commit_took_ms = std::chrono::duration<double, std::milli>(now - began).count();
  if (!batch_.times.empty()) {
    for (auto& [boot, history] : batch_.times) times_.Put(std::move(history));
    journal_->TimesChanged();
    reported_oldest_.clear();
  }
  GovernPace(now);
  if (!maintain_at_) maintain_at_ = now + kMaintenancePause;
  if (database_->WantsCheckpoint()) maintain_at_ = now;
  for (const Reading& reading : batch_.readings) reported_newest_[reading.thing] = reading.seq;
  WorkerReport report;
  report.readings = std::move(batch_.readings);
  for (const AckMap* missing : {&batch_.missing.damaged, &batch_.missing.holes}) {
    report.gone.insert(report.gone.end(), missing->begin(), missing->end());
  }
  if (!batch_.missing.damaged.empty() || !batch_.told.empty()) FillGaps(report);
  for (DoneHandler& done : batch_.settings_done) report.done.push_back([done = std::move(done)] { done({}); });
  for (Batch::Work& work : batch_.works) {
    if (work.done) report.done.push_back([done = std::move(work.done), result = work.result] { done(result); });
  }
  for (DoneHandler& done : batch_.flushes) {
    if (done) report.done.push_back([done = std::move(done)] { done({}); });
  }
  batch_ = Batch();
  FillOldest(report);
  Report(std::move(report));
}

void StoreWorker::Failed(const Error& error, Time now) {
  database_->Rollback();
  if (stats_.trouble.empty()) {
    log::Error("store.commit_failed", error.message,
               {{"file", options_.file.string()}, {"readings", batch_.readings.size()}});
  }
  stats_.trouble = error.message;
  WorkerReport report;
  RefuseWaiting(error, report);
  retry_pause_ = retry_pause_ == 0ms ? kFirstRetry : std::min<std::chrono::milliseconds>(2 * retry_pause_, kLastRetry);
  retry_at_ = now + retry_pause_;
  if (IsDetached()) return Report(std::move(report));  // this connection is all there is: see Rescue
  if (IsOnlyFull() && ReloadJournal()) {
    ReleaseReserve();
    PutHalfBack();
    return Report(std::move(report));
  }
  // What the journal believes is no longer what the file says, and after a failed fsync the connection is not to be
  // trusted either.
  RememberUnsent();
  if (database_->corrupt()) ++corrupt_failures_;
  maintain_at_.reset();
  Abandon();
  Report(std::move(report));
}

void StoreWorker::RememberUnsent() {
  unsent_before_.clear();
  for (const auto& [name, thing] : journal_->things()) unsent_before_[name] = thing.unsent;
}

void StoreWorker::StayInTrouble(const Error& error, Time now) {
  stats_.trouble = error.message;
  retry_pause_ = std::min<std::chrono::milliseconds>(2 * std::max<std::chrono::milliseconds>(retry_pause_, kFirstRetry),
                                                     kLastRetry);
  retry_at_ = now + retry_pause_;
  WorkerReport report;
  RefuseWaiting(error, report);
  Report(std::move(report));
}

// A write for which there was no room has spoilt nothing: the connection stays, and answers reads.
bool StoreWorker::IsOnlyFull() const {
  return !database_->corrupt() && !database_->io_failed() && (database_->full() || NoSpace());
}

bool StoreWorker::ReloadJournal() {
  salvage_.reset();
  auto journal = Journal::Load(*database_, *mark_, journal_options_, false);
  auto salvage = Salvage::Resume(*database_, files_);
  if (!journal || !salvage) return false;
  journal_ = std::move(*journal);
  salvage_ = std::move(*salvage);
  return true;
}

void StoreWorker::Recover(Time now) {
  retry_at_.reset();
  if (journal_ != nullptr && !IsDetached()) {  // the disk was full: retention may have to make room first
    maintain_at_ = now;
    return;
  }
  Status ready = journal_ != nullptr ? Rescue() : Status();
  if (!ready) return StayInTrouble(ready.error(), now);
  // A failed fsync may have left pages that only look written: the kernel reports such an error once and takes them
  // for clean. So the WAL is written again as it looks, and only then copied into the database file, of which the same
  // is true. A power cut in between finds either all of the WAL or what the last good sync left.
  ready = files_.Rewrite(WalFile());
  if (ready && corrupt_failures_ >= kCorruptFailures) {
    corrupt_failures_ = 0;
    log::Error("store.damaged", stats_.trouble, {{"file", options_.file.string()}});
    ready = SetAside();
  }
  if (ready) ready = OpenOrReplace(false);
  if (ready) ready = database_->Checkpoint(true);
  // Without room for it the WAL stays, which holds everything: no reason to keep readers waiting.
  if (!ready && database_ != nullptr && database_->full()) ready = {};
  if (!ready) {
    Abandon();
    return StayInTrouble(ready.error(), now);
  }
  for (const auto& [name, seq] : reported_newest_) {
    const auto thing = journal_->things().find(name);
    if (thing == journal_->things().end() || thing->second.newest_seq < seq) journal_->DoubtSeqs();
  }
  maintain_at_ = now;
  WorkerReport report;
  report.gone = TakeGone();
  FillHoles(report);
  FillGaps(report);
  Report(std::move(report));
  // The commit may have reached the disk although it was reported as failed: then it must not be made twice.
  const bool there = !batch_.readings.empty() && journal_->last_row() >= batch_row_ && batch_row_ > 0;
  if (there) {
    batch_.acks.clear();
    Committed(now);
  }
}

// What was unsent before the failure and is not in the file that we have now (a damaged one was set aside).
std::vector<std::pair<std::string, IntervalSet>> StoreWorker::TakeGone() {
  std::vector<std::pair<std::string, IntervalSet>> gone;
  for (auto& [name, unsent] : unsent_before_) {
    if (const auto now = journal_->things().find(name); now != journal_->things().end()) {
      for (const auto& [first, last] : now->second.unsent.map()) unsent.Remove(first, last);
    }
    if (!unsent.empty()) gone.emplace_back(name, std::move(unsent));
  }
  unsent_before_.clear();
  return gone;
}

void StoreWorker::FillHoles(WorkerReport& report) {
  for (const auto& [name, thing] : journal_->things()) {
    const std::uint64_t holes = thing.HolesNow();
    std::uint64_t& reported = reported_holes_[name];
    if (std::exchange(reported, holes) != holes) report.holes.emplace_back(name, holes);
  }
}

// An error shows at the next commit.
void StoreWorker::FillGaps(WorkerReport& report) {
  if (auto gaps = ReadGaps(*database_)) report.gaps = std::move(*gaps);
}

void StoreWorker::FillOldest(WorkerReport& report) {
  FillHoles(report);
  const auto deadline = std::chrono::steady_clock::now() + kReadSlice;
  for (const auto& [name, thing] : journal_->things()) {
    if (report.oldest.size() >= kOldestPerReport) return;
    const std::uint64_t oldest = thing.unsent.FirstFrom(0).value_or(0);
    std::uint64_t& reported = reported_oldest_[name];
    if (oldest == reported) continue;
    const std::int64_t ms = journal_->OldestUnsentMs(name, deadline);
    if (oldest != 0 && ms == 0 && std::chrono::steady_clock::now() >= deadline) return;
    reported = oldest;
    report.oldest.push_back({name, oldest, ms});
  }
}

void StoreWorker::Report(WorkerReport report) {
  UpdateStats();
  report.stats = stats_;
  const std::lock_guard lock(report_mutex_);
  if (report_) report_(std::move(report));
}

void StoreWorker::UpdateStats() {
  stats_.written_bytes = vfs_->written();
  if (journal_ == nullptr) return;
  stats_.readings = journal_->readings();
  stats_.acks_not_kept = journal_->acks_not_kept();
  stats_.salvaging = salvage_ != nullptr;
  stats_.write_bytes_per_day = meter_.PerDay();
  stats_.lifetime_written_bytes = meter_.memory().lifetime_bytes;
  stats_.page_size = Database::kPageSize;
  stats_.kept_files = kept_->count();
  stats_.kept_bytes = kept_->bytes();
  if (const auto space = Retention::Measure(*database_, files_)) {
    stats_.file_bytes = space->file;
    stats_.free_bytes = space->file - space->used;
    stats_.wal_bytes = space->wal;
  }
}

void StoreWorker::AnswerRequests() {
  for (int i = 0; i < kReadsBetweenCommits; ++i) {
    Request request;
    {
      const std::lock_guard lock(mutex_);
      if (requests_.empty()) return;
      if (DueLocked(Now()) && !retry_at_) return;
      request = std::move(requests_.front());
      requests_.pop_front();
    }
    if (request(journal_.get(), std::chrono::steady_clock::now() + kReadSlice)) continue;
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));  // others have their turn first
  }
}

// What an operator asked for: all free pages, and the WAL. In steps, so that commits come in between.
bool StoreWorker::VacuumStep(Time now) {
  {
    const std::lock_guard lock(mutex_);
    if (!vacuum_) return false;
  }
  const auto space = Retention::Measure(*database_, files_);
  if (!space) {
    EndVacuum(Fail(space.error()));
    Failed(space.error(), now);
    return false;
  }
  if (!vacuum_from_) vacuum_from_ = space->file;
  // Free pages that SQLite cannot give back would be tried for ever.
  const std::uint64_t free = space->file - space->used;
  const bool unused = free > 0 && free != vacuum_free_;
  vacuum_free_ = free;
  const Status done = unused ? Retention::GiveBackPages(*database_) : Checkpoint(true);
  if (!done) {
    EndVacuum(Fail(done.error()));
    Failed(done.error(), now);
    return false;
  }
  if (unused) return true;
  const auto after = Retention::Measure(*database_, files_);
  const std::uint64_t size = after ? after->file : space->file;
  EndVacuum(*vacuum_from_ - std::min(*vacuum_from_, size));
  return true;
}

void StoreWorker::EndVacuum(Result<std::uint64_t> given_back) {
  vacuum_from_.reset();
  vacuum_free_ = 0;
  WorkerReport report;
  {
    const std::lock_guard lock(mutex_);
    report.done.push_back([done = std::exchange(vacuum_, nullptr), given_back] { done(given_back); });
  }
  if (journal_ != nullptr) FillOldest(report);
  Report(std::move(report));
}

void StoreWorker::Maintain(Time now) {
  VacuumStep(now);
  if (journal_ == nullptr) return;
  if (!maintain_at_ || now < *maintain_at_) return;
  maintain_at_.reset();
  // Without room for it the WAL stays, which holds everything; to try would only take the room that is left.
  if (database_->WantsCheckpoint() && HasRoomToCheckpoint()) {
    if (const Status done = Checkpoint(false); !done && !IsOnlyFull()) return Failed(done.error(), now);
  }
  const auto more = MakeRoom(now);
  if (!more) return;
  if (*more) {
    maintain_at_ = now;
    return;
  }
  LayInReserve();
  kept_->KeepWithinBounds(journal_->age_ms(), now);
  // Only for a salvage: that it cannot be written now is no trouble.
  (void)words_copy_->Keep(journal_->dictionary(), now);
  if (!SalvageStep(now)) Pack(now);
}

// One step of retention, and while readings come faster than a step for each commit can bear, some more: a commit may
// bring several blocks. true: there is more to do; nothing: it failed.
std::optional<bool> StoreWorker::MakeRoom(Time now) {
  const auto until = std::chrono::steady_clock::now() + kRoomSlice;
  WorkerReport report;
  std::uint64_t dropped = 0;
  Result<Retention::Outcome> outcome = retention_->Step(*database_, *journal_);
  for (;; outcome = retention_->Step(*database_, *journal_)) {
    if (!outcome) break;
    dropped += outcome->dropped_unsent;
    std::move(outcome->gone.begin(), outcome->gone.end(), std::back_inserter(report.gone));
    const bool pressing = retention_->making_room() || !stats_.trouble.empty();
    if (!outcome->more || !pressing || std::chrono::steady_clock::now() >= until) break;
  }
  if (dropped > 0) {
    stats_.dropped_unsent += dropped;
    FillOldest(report);
    FillGaps(report);
    Report(std::move(report));
  }
  if (outcome) return outcome->more;
  Failed(outcome.error(), now);
  return std::nullopt;
}

// false: there is nothing to bring back, or it failed.
bool StoreWorker::SalvageStep(Time now) {
  if (salvage_ == nullptr || journal_ == nullptr) return false;
  auto step = salvage_->Step(*database_, *journal_);
  if (!step) {
    Failed(step.error(), now);
    return false;
  }
  maintain_at_ = now;
  stats_.salvaged += step->readings;
  WorkerReport report;
  report.gone.assign(step->acked.begin(), step->acked.end());
  for (auto& [name, unsent] : step->back) {
    const auto thing = journal_->things().find(name);
    if (thing == journal_->things().end()) continue;
    report.returned.push_back({name, std::move(unsent), thing->second.newest_seq, thing->second.newest_ms});
  }
  if (step->finished) {
    FillGaps(report);
    auto next = Salvage::Resume(*database_, files_);
    if (!next) {
      Failed(next.error(), now);
      return false;
    }
    salvage_ = std::move(*next);
    if (const Status looked = LookAtKept(); !looked) {
      Failed(looked.error(), now);
      return false;
    }
  }
  FillOldest(report);
  Report(std::move(report));
  return true;
}

// When nothing is more urgent and the write budget has room.
void StoreWorker::Pack(Time now) {
  if (stats_.over_budget) return;
  const auto packed = packer_.Step(*database_, *journal_);
  if (!packed) return Failed(packed.error(), now);
  if (!*packed) return;
  stats_.packed_blocks += 1;
  maintain_at_ = now + kMaintenancePause;
}

void StoreWorker::CloseCleanly() {
  if (journal_ != nullptr && IsDetached()) {
    Status rescued = Rescue();
    if (rescued) rescued = OpenOrReplace(false);
    if (!rescued) log::Error("store.rescue_failed", rescued.error().message, {{"file", options_.file.string()}});
  }
  if (journal_ != nullptr) {
    Status closed = database_->Begin();
    if (closed) closed = journal_->CloseGeneration();
    if (closed) closed = WriteWear();
    if (closed) closed = database_->Commit();
    if (!closed) log::Error("store.close_failed", closed.error().message);
  }
  salvage_.reset();
  journal_.reset();
  database_.reset();
  lock_.Reset();
}

}  // namespace penumbra
