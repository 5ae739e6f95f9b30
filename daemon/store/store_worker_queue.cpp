// The queue half of StoreWorker: what the loop hands over, when a commit of it is due, and what the store thread takes
// for one. Thread: Push*, Start and Stop on the loop thread, the rest on the store thread; all under the one mutex.
#include <algorithm>
#include <iterator>
#include <utility>

#include "store/store_worker.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxBatch = 10'000;  // readings in one commit, unless a flush asks for all
constexpr int kAckIntervals = 3;           // acks wait that many commit intervals for readings to ride with,
constexpr auto kMinAckInterval = 1s;       // where an interval counts as this at least

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

void StoreWorker::PushWallHistory(WallHistory history) {
  {
    const std::lock_guard lock(mutex_);
    std::string boot = history.boot_id;
    queued_.times[std::move(boot)] = std::move(history);
  }
  wake_.notify_one();
}

void StoreWorker::PushNewestTrusted(std::int64_t not_later_than_ms) {
  {
    const std::lock_guard lock(mutex_);
    queued_.newest_trusted = not_later_than_ms;
  }
  wake_.notify_one();
}

void StoreWorker::PushGapTold(const Gap& gap) {
  {
    const std::lock_guard lock(mutex_);
    queued_.told.push_back(gap);
    if (!first_ack_) first_ack_ = Now();
  }
  wake_.notify_one();
}

bool StoreWorker::PushVacuum(VacuumHandler done) {
  {
    const std::lock_guard lock(mutex_);
    if (vacuum_) return false;
    vacuum_ = std::move(done);
  }
  wake_.notify_one();
  return true;
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

bool StoreWorker::DueLocked(Time now) const {
  const bool at_once = stop_ || !queued_.flushes.empty() || !queued_.settings.empty() || !queued_.works.empty() ||
                       !queued_.times.empty() || queued_.newest_trusted || queued_readings_.size() >= kMaxBatch;
  if (at_once) return true;
  const auto interval = interval_;
  if (first_reading_ && now >= *first_reading_ + interval) return true;
  return first_ack_ && now >= *first_ack_ + kAckIntervals * std::max<Duration>(interval, kMinAckInterval);
}

StoreWorker::Time StoreWorker::NextDueLocked(Time now) const {
  // A bound on every wait, so that a clock or a wake-up gone wrong costs a minute at most.
  Time next = now + 60s;
  if (maintain_at_) next = std::min(next, *maintain_at_);
  if (retry_at_) return std::min(next, *retry_at_);
  const auto interval = interval_;
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
  for (auto& [boot, history] : queued_.times) batch.times[boot] = std::move(history);
  queued_.times.clear();
  Append(batch.told, queued_.told);
  Merge(batch.missing.damaged, queued_.missing.damaged);
  Merge(batch.missing.holes, queued_.missing.holes);
  queued_.missing = {};
  if (queued_.newest_trusted) batch.newest_trusted = std::exchange(queued_.newest_trusted, std::nullopt);
  first_ack_.reset();
  if (queued_readings_.empty()) first_reading_.reset();
  batch_now_ms_ = now_ms_;
}

// Who waits for a commit hears that it failed: those of the batch, and those who came since and would otherwise wait
// for as long as the trouble lasts. Readings, acks and settings stay.
void StoreWorker::RefuseWaiting(const Error& error, WorkerReport& report) {
  {
    const std::lock_guard lock(mutex_);
    Append(batch_.works, queued_.works);
    Append(batch_.flushes, queued_.flushes);
  }
  for (Batch::Work& work : batch_.works) {
    if (work.done) report.done.push_back([done = std::move(work.done), error] { done(Fail(error)); });
  }
  for (DoneHandler& done : batch_.flushes) {
    if (done) report.done.push_back([done = std::move(done), error] { done(Fail(error)); });
  }
  batch_.works.clear();
  batch_.flushes.clear();
}

// Unsent seqs that are not there, because damage or thinning took them, are not unsent any more: nobody could ever send
// them. This is remembered like an ack, or the outbox would never become empty.
void StoreWorker::ForgetMissing() {
  if (journal_ == nullptr) return;
  const Journal::Missing missing = journal_->TakeMissing();
  if (missing.damaged.empty() && missing.holes.empty()) return;
  const std::lock_guard lock(mutex_);
  Merge(queued_.acks, missing.damaged);
  Merge(queued_.acks, missing.holes);
  Merge(queued_.missing.damaged, missing.damaged);
  Merge(queued_.missing.holes, missing.holes);
  if (!first_ack_) first_ack_ = Now();
}

}  // namespace penumbra
