#include "store/store_worker.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"
#include "store/migrations.hpp"
#include "store/wal_check.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxBatch = 10'000;  // readings in one commit, unless a flush asks for all
constexpr int kAckIntervals = 3;           // acks wait that many commit intervals for readings to ride with,
constexpr auto kMinAckInterval = 1s;       // where an interval counts as this at least
constexpr auto kReadSlice = 20ms;          // a read pauses after this, so that commits are not late
constexpr int kReadsBetweenCommits = 64;
constexpr auto kMaintenancePause = 1s;
constexpr auto kFirstRetry = 100ms;
constexpr auto kLastRetry = 5s;
constexpr int kCorruptFailures = 2;           // the first may be a read gone wrong: the file is opened again
constexpr std::size_t kOldestPerReport = 64;  // things whose oldest reading is looked up after one commit

void Merge(AckMap& into, const AckMap& from) {
  for (const auto& [thing, set] : from) {
    for (const auto& [first, last] : set.map()) into[thing].Add(first, last);
  }
}

template <typename T>
void Append(std::vector<T>& into, std::vector<T>& from) {
  std::move(from.begin(), from.end(), std::back_inserter(into));
  from.clear();
}

}  // namespace

// ---- the loop's side ----

void StoreWorker::PushReading(Reading reading, std::int64_t now_ms) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_readings_.size() >= Store::kMaxQueued) {
      queued_readings_.pop_front();
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
    queued_readings_.push_back(std::move(reading));
    now_ms_ = now_ms;
    // One wake-up per commit is enough: the thread then sleeps until the interval is over.
    if (first_reading_ && queued_readings_.size() != kMaxBatch) return;
    if (!first_reading_) first_reading_ = Now();
  }
  wake_.notify_one();
}

void StoreWorker::PushAck(const std::string& thing, std::uint64_t seq) {
  {
    const std::lock_guard lock(mutex_);
    queued_.acks[thing].Add(seq, seq);
    if (first_ack_) return;
    first_ack_ = Now();
  }
  wake_.notify_one();
}

void StoreWorker::PushSetting(const std::string& key, std::optional<std::string> value, DoneHandler done) {
  {
    const std::lock_guard lock(mutex_);
    queued_.settings[key] = std::move(value);
    if (done) queued_.settings_done.push_back(std::move(done));
  }
  wake_.notify_one();
}

bool StoreWorker::PushWork(Batch::Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (queued_.works.size() >= Store::kMaxRequests) return false;
    queued_.works.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

bool StoreWorker::PushRequest(Request request) {
  {
    const std::lock_guard lock(mutex_);
    if (requests_.size() >= Store::kMaxRequests) return false;
    requests_.push_back(std::move(request));
  }
  wake_.notify_one();
  return true;
}

void StoreWorker::PushFlush(DoneHandler done) {
  {
    const std::lock_guard lock(mutex_);
    queued_.flushes.push_back(std::move(done));
  }
  wake_.notify_one();
}

void StoreWorker::Start(const std::shared_ptr<StoreWorker>& worker, ReportHandler report) {
  worker->report_ = std::move(report);
  // The thread keeps its object alive, should it ever have to be left behind (Stop).
  worker->thread_ = std::thread([worker] { worker->Run(); });
}

bool StoreWorker::Stop(std::shared_ptr<StoreWorker> worker, std::chrono::steady_clock::duration limit) {
  bool finished = false;
  {
    std::unique_lock lock(worker->mutex_);
    worker->stop_ = true;
    worker->wake_.notify_one();
    finished = worker->finished_changed_.wait_for(lock, limit, [&worker] { return worker->finished_; });
  }
  {
    const std::lock_guard lock(worker->report_mutex_);
    worker->report_ = nullptr;
  }
  if (finished) {
    worker->thread_.join();
  } else {
    worker->thread_.detach();
  }
  return finished;
}

// ---- opening ----

Status StoreWorker::TakeLock() {
  std::filesystem::path path = options_.file;
  path += ".lock";
  auto lock = files_.Lock(path);
  if (!lock) {
    return Fail(lock.error().action,
                lock.error().message + "; the state directory must exist and belong to the daemon's user");
  }
  if (!*lock) return Fail(Action::kFixConfig, fmt::format("{} is in use by another penumbrad", options_.file.string()));
  lock_ = std::move(**lock);
  return {};
}

Status StoreWorker::Open() {
  if (const Status locked = TakeLock(); !locked) return locked;
  std::filesystem::path mark = options_.file;
  mark += ".seq";
  vfs_ = std::make_unique<CountingVfs>(options_.vfs);
  mark_ = std::make_unique<SeqMark>(mark, files_);
  retention_ = std::make_unique<Retention>(options_.settings, files_);
  if (const Status opened = OpenOrReplace(true); !opened) return opened;
  UpdateStats();
  return {};
}

Status StoreWorker::OpenOrReplace(bool first) {
  bool damaged = false;
  Status opened = OpenOnce(first, damaged);
  if (opened || !damaged) return opened;
  log::Error("store.damaged", opened.error().message, {{"file", options_.file.string()}});
  if (const Status aside = SetAside(); !aside) return aside;
  return OpenOnce(first, damaged);
}

std::filesystem::path StoreWorker::WalFile() const {
  std::filesystem::path wal = options_.file;
  wal += "-wal";
  return wal;
}

void StoreWorker::Abandon() {
  if (database_ != nullptr) database_->KeepWal();
  journal_.reset();
  database_.reset();
}

Status StoreWorker::OpenOnce(bool first, bool& damaged) {
  Abandon();
  damaged = false;
  // Small stores get a small WAL and small blocks, so that retention removes a small part of them.
  const std::uint64_t size = options_.settings.max_size;
  const std::uint64_t wal_bytes = std::clamp<std::uint64_t>(size / 32, 64 * 1024, Database::kWalBytes);
  const std::uint64_t block_bytes = std::clamp<std::uint64_t>(size / 64, 4096, Block::kMaxBytes);
  // Only now can be seen what SQLite is about to pass over.
  const auto wal = files_.Read(WalFile());
  const WalCheck wal_check = wal && *wal ? CheckWal(**wal) : WalCheck();
  const bool wal_missing = !wal || !*wal || (*wal)->empty();
  auto database = Database::Open({.file = options_.file, .vfs = vfs_->name(), .wal_bytes = wal_bytes}, &damaged);
  if (!database) return Fail(database.error());
  database_ = std::move(*database);
  Status ready = Migrate(*database_, EmbeddedMigrations());
  if (ready) {
    auto journal = Journal::Load(
        *database_, *mark_,
        {.max_block_bytes = block_bytes, .wal_missing = wal_missing, .wal_doubtful = wal_check.doubtful}, first);
    if (journal) {
      journal_ = std::move(*journal);
    } else {
      ready = Fail(journal.error());
    }
  }
  if (ready) return {};
  damaged = database_->corrupt() || ready.error().action == Action::kGiveUp;
  Abandon();
  return ready;
}

Status StoreWorker::SetAside() {
  const std::string date = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::time(nullptr)));
  // The database first, durably: without its WAL it could be an older state that opens without complaint.
  for (const char* part : {"", "-wal", "-shm"}) {
    std::filesystem::path from = options_.file;
    from += part;
    // With a counter: two damaged files in one second must not overwrite each other.
    for (int attempt = 0;; ++attempt) {
      std::filesystem::path to = options_.file;
      to += fmt::format(".damaged-{}{}{}", date, attempt == 0 ? "" : fmt::format("-{}", attempt), part);
      if (files_.Exists(to) && attempt < 100) continue;
      const Status moved = files_.Rename(from, to);
      if (moved) log::Notice("store.set_aside", "kept for salvage", {{"file", to.string()}});
      if (!moved && *part == '\0') return Fail(moved.error().WithContext("cannot move the damaged file aside"));
      break;
    }
    if (const Status synced = files_.SyncFolder(options_.file.parent_path()); !synced) return synced;
  }
  return {};
}

Result<std::map<std::string, std::string>> StoreWorker::Settings() {
  std::map<std::string, std::string> settings;
  auto rows = database_->Prepare("SELECT key, value FROM setting");
  if (!rows) return Fail(rows.error());
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return Fail(row.error());
    if (!*row) return settings;
    settings.emplace(rows->Bytes(0), rows->Bytes(1));
  }
}

// ---- the store thread ----

bool StoreWorker::DueLocked(Time now) const {
  const bool at_once = stop_ || !queued_.flushes.empty() || !queued_.settings.empty() || !queued_.works.empty() ||
                       queued_readings_.size() >= kMaxBatch;
  if (at_once) return true;
  const auto interval = options_.settings.commit_interval;
  if (first_reading_ && now >= *first_reading_ + interval) return true;
  return first_ack_ && now >= *first_ack_ + kAckIntervals * std::max<Duration>(interval, kMinAckInterval);
}

StoreWorker::Time StoreWorker::NextDueLocked(Time now) const {
  // A bound on every wait, so that a clock or a wake-up gone wrong costs a minute at most.
  Time next = now + 60s;
  if (maintain_at_) next = std::min(next, *maintain_at_);
  if (retry_at_) return std::min(next, *retry_at_);
  const auto interval = options_.settings.commit_interval;
  if (first_reading_) next = std::min(next, *first_reading_ + interval);
  if (first_ack_) next = std::min(next, *first_ack_ + kAckIntervals * std::max<Duration>(interval, kMinAckInterval));
  return next;
}

void StoreWorker::TakeLocked(Batch& batch) {
  const std::size_t count =
      queued_.flushes.empty() ? std::min(queued_readings_.size(), kMaxBatch) : queued_readings_.size();
  const auto end = queued_readings_.begin() + static_cast<std::ptrdiff_t>(count);
  batch.readings.assign(std::make_move_iterator(queued_readings_.begin()), std::make_move_iterator(end));
  queued_readings_.erase(queued_readings_.begin(), end);
  Merge(batch.acks, queued_.acks);
  queued_.acks.clear();
  for (auto& [key, value] : queued_.settings) batch.settings[key] = std::move(value);
  queued_.settings.clear();
  Append(batch.settings_done, queued_.settings_done);
  Append(batch.works, queued_.works);
  Append(batch.flushes, queued_.flushes);
  first_ack_.reset();
  if (queued_readings_.empty()) first_reading_.reset();
  batch_now_ms_ = now_ms_;
}

void StoreWorker::Run() {
  do {
    std::unique_lock lock(mutex_);
    const auto awake = [this] {
      const Time t = Now();
      const bool blocked = retry_at_ && t < *retry_at_;
      return stop_ || !requests_.empty() || (!blocked && (retry_at_ || DueLocked(t))) ||
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
  if (!batch_.empty() && journal_ != nullptr) CommitBatch();
  AnswerRequests();
  ForgetLost();
  if (journal_ != nullptr && database_->corrupt()) Failed({Action::kFatal, "the database file is damaged"}, now);
  if (journal_ != nullptr) Maintain(now);
  return journal_ == nullptr || !Idle();
}

bool StoreWorker::Idle() {
  const std::lock_guard lock(mutex_);
  return stop_ && batch_.empty() && queued_.empty() && queued_readings_.empty();
}

void StoreWorker::CommitBatch() {
  const Time began = Now();
  batch_row_ = journal_->last_row() + 1;
  const Status written = WriteBatch(batch_);
  if (written) {
    Committed(began);
  } else {
    Failed(written.error(), began);
  }
}

Status StoreWorker::WriteBatch(Batch& batch) {
  const bool nothing = batch.readings.empty() && batch.acks.empty() && batch.settings.empty() && batch.works.empty();
  if (nothing) return {};
  if (const Status begun = database_->Begin(); !begun) return begun;
  if (const Status done = journal_->Write(batch.readings, batch.acks, batch_now_ms_); !done) return done;
  if (const Status done = WriteSettings(batch); !done) return done;
  for (Batch::Work& work : batch.works) RunWork(work);
  return database_->Commit();
}

Status StoreWorker::WriteSettings(const Batch& batch) {
  for (const auto& [key, value] : batch.settings) {
    auto statement = database_->Prepare(value ? "INSERT OR REPLACE INTO setting(key, value) VALUES(?, ?)"
                                              : "DELETE FROM setting WHERE key = ?");
    if (!statement) return Fail(statement.error());
    statement->Bind(1, std::string_view(key));
    if (value) statement->Bind(2, std::string_view(*value));
    if (const Status done = statement->Run(); !done) return done;
  }
  return {};
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
  if (!maintain_at_) maintain_at_ = now + kMaintenancePause;
  if (database_->WantsCheckpoint()) maintain_at_ = now;
  for (const Reading& reading : batch_.readings) reported_newest_[reading.thing] = reading.seq;
  WorkerReport report;
  report.readings = std::move(batch_.readings);
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
  for (Batch::Work& work : batch_.works) {
    if (work.done) report.done.push_back([done = std::move(work.done), error] { done(Fail(error)); });
  }
  for (DoneHandler& done : batch_.flushes) {
    if (done) report.done.push_back([done = std::move(done), error] { done(Fail(error)); });
  }
  batch_.works.clear();
  batch_.flushes.clear();
  retry_pause_ = retry_pause_ == 0ms ? kFirstRetry : std::min<std::chrono::milliseconds>(2 * retry_pause_, kLastRetry);
  retry_at_ = now + retry_pause_;
  // What the journal believes is no longer what the file says, and after a failed fsync the connection is not to be
  // trusted either.
  unsent_before_.clear();
  for (const auto& [name, thing] : journal_->things()) unsent_before_[name] = thing.unsent;
  if (database_->corrupt()) ++corrupt_failures_;
  Abandon();
  Report(std::move(report));
}

void StoreWorker::Recover(Time now) {
  retry_at_.reset();
  // A failed fsync may have left pages that only look written: the kernel reports such an error once and takes them
  // for clean. So the WAL is written again as it looks, and only then copied into the database file, of which the same
  // is true. A power cut in between finds either all of the WAL or what the last good sync left.
  Status ready = files_.Rewrite(WalFile());
  if (ready && corrupt_failures_ >= kCorruptFailures) {
    corrupt_failures_ = 0;
    log::Error("store.damaged", stats_.trouble, {{"file", options_.file.string()}});
    ready = SetAside();
  }
  if (ready) ready = OpenOrReplace(false);
  if (ready) ready = database_->Checkpoint(true);
  if (!ready) {
    Abandon();
    stats_.trouble = ready.error().message;
    retry_pause_ = std::min<std::chrono::milliseconds>(
        2 * std::max<std::chrono::milliseconds>(retry_pause_, kFirstRetry), kLastRetry);
    retry_at_ = now + retry_pause_;
    WorkerReport report;
    Report(std::move(report));
    return;
  }
  for (const auto& [name, seq] : reported_newest_) {
    const auto thing = journal_->things().find(name);
    if (thing == journal_->things().end() || thing->second.newest_seq < seq) journal_->DoubtSeqs();
  }
  maintain_at_ = now;
  WorkerReport report;
  report.gone = TakeGone();
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

void StoreWorker::FillOldest(WorkerReport& report) {
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
  if (const auto space = Retention::Measure(*database_, files_)) stats_.file_bytes = space->file;
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

// Readings that a damaged row took with it are not unsent any more: nobody could ever send them. This is remembered
// like an ack, or the outbox would never become empty.
void StoreWorker::ForgetLost() {
  if (journal_ == nullptr) return;
  AckMap lost = journal_->TakeLost();
  if (lost.empty()) return;
  WorkerReport report;
  for (const auto& [name, set] : lost) report.gone.emplace_back(name, set);
  {
    const std::lock_guard lock(mutex_);
    Merge(queued_.acks, lost);
    if (!first_ack_) first_ack_ = Now();
  }
  Report(std::move(report));
}

void StoreWorker::Maintain(Time now) {
  if (!maintain_at_ || now < *maintain_at_) return;
  maintain_at_.reset();
  if (database_->WantsCheckpoint()) {
    if (const Status done = database_->Checkpoint(false); !done) return Failed(done.error(), now);
  }
  const auto outcome = retention_->Step(*database_, *journal_);
  if (!outcome) return Failed(outcome.error(), now);
  if (outcome->more) maintain_at_ = now;
  if (outcome->dropped_unsent == 0) return;
  stats_.dropped_unsent += outcome->dropped_unsent;
  WorkerReport report;
  report.gone = outcome->gone;
  FillOldest(report);
  Report(std::move(report));
}

void StoreWorker::CloseCleanly() {
  if (journal_ != nullptr) {
    Status closed = database_->Begin();
    if (closed) closed = journal_->CloseGeneration();
    if (closed) closed = database_->Commit();
    if (!closed) log::Error("store.close_failed", closed.error().message);
  }
  journal_.reset();
  database_.reset();
  lock_.Reset();
}

}  // namespace penumbra
