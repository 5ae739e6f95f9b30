// The store thread: takes what the loop has queued, commits it in groups, answers reads between commits, and keeps
// retention and checkpoints out of the way of both. Owns the one SQLite connection.
//
// A commit for which the disk has no room is tried again while reads go on. Any other failed commit is sticky: the
// connection is closed, opened again and recovered, and the same batch is tried again;
// nobody has seen its seqs yet. Meanwhile the queue fills up to its bound and the oldest readings go.
//
// Thread: Start, Push* and Stop on the loop thread; everything else on the store thread. What it has to say goes
// through `Events`, which are called on the store thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "store/counting_vfs.hpp"
#include "store/dictionary_copy.hpp"
#include "store/files.hpp"
#include "store/journal.hpp"
#include "store/kept_files.hpp"
#include "store/packer.hpp"
#include "store/retention.hpp"
#include "store/salvage.hpp"
#include "store/store.hpp"
#include "store/time_book.hpp"
#include "store/write_meter.hpp"

namespace penumbra {

using DoneHandler = std::function<void(Status)>;

// What one transaction holds.
struct Batch {
  std::vector<Reading> readings;
  AckMap acks;
  std::map<std::string, std::optional<std::string>> settings;
  std::vector<DoneHandler> settings_done;
  struct Work {
    std::function<Status(Database&)> run;
    DoneHandler done;
    Status result;
  };
  std::vector<Work> works;
  std::vector<DoneHandler> flushes;
  std::map<std::string, WallHistory> times;  // by boot id
  Journal::Missing missing;                  // part of acks
  std::vector<Gap> told;
  std::optional<std::int64_t> newest_trusted;  // not later than this

  bool empty() const {
    return readings.empty() && acks.empty() && settings.empty() && works.empty() && flushes.empty() && times.empty() &&
           told.empty() && !newest_trusted;
  }
};

// What the loop side must know after a commit or a change of fortune.
struct WorkerReport {
  std::vector<Reading> readings;  // committed, with their seqs
  struct ThingOldest {
    std::string thing;
    std::uint64_t seq;
    std::int64_t ms;
  };
  std::vector<ThingOldest> oldest;                        // of things whose oldest unsent reading changed
  std::vector<std::pair<std::string, IntervalSet>> gone;  // unsent readings that are not there any more
  struct Returned {
    std::string thing;
    IntervalSet unsent;
    std::uint64_t newest_seq;
    std::int64_t newest_ms;
  };
  std::vector<Returned> returned;                            // by salvage; applied after `gone`
  std::vector<std::pair<std::string, std::uint64_t>> holes;  // of things where it changed: of its unsent, thinned ones
  std::optional<std::vector<Gap>> gaps;                      // all of them, when one has changed
  std::vector<std::function<void()>> done;                   // callbacks of the batch
  StoreStats stats;                                          // all but the queue's own counter
};

class StoreWorker {
 public:
  using ReportHandler = std::function<void(WorkerReport)>;
  // One read. Called with the journal, or nullptr while the store is in trouble; false: call again later.
  using Request = std::function<bool(Journal*, Journal::Deadline)>;

  explicit StoreWorker(Store::Options options)
      : options_(std::move(options)),
        files_(options_.files != nullptr ? *options_.files : Files::Platform()),
        interval_(options_.settings.commit_interval) {}

  // Before the thread runs: opens, migrates, recovers. Errors as Store::Open.
  Status Open();
  const Journal& journal() const { return *journal_; }
  Result<std::map<std::string, std::string>> Settings();
  Result<std::vector<Gap>> Gaps() { return ReadGaps(*database_); }
  const StoreStats& stats() const { return stats_; }
  const TimeBook& times() const { return times_; }  // before the thread runs

  static void Start(const std::shared_ptr<StoreWorker>& worker, ReportHandler report);
  // `now_ms`: the wall clock as the loop sees it; a thing without a seq starts there.
  void PushReading(Reading reading, std::int64_t now_ms);
  void PushAck(const std::string& thing, std::uint64_t seq);
  void PushSetting(const std::string& key, std::optional<std::string> value, DoneHandler done);
  bool PushWork(Batch::Work work);    // false: too many are waiting
  bool PushRequest(Request request);  // false: too many are waiting
  void PushFlush(DoneHandler done);
  void PushWallHistory(WallHistory history);
  void PushNewestTrusted(std::int64_t not_later_than_ms);
  void PushGapTold(const Gap& gap);
  using VacuumHandler = std::function<void(Result<std::uint64_t>)>;
  bool PushVacuum(VacuumHandler done);  // false: one is under way
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

  // For tests without a thread and on virtual time: instead of Start; the caller then calls Turn again and again, and
  // Close at the end (or drops the object, as a crash would).
  void Attach(ReportHandler report) { report_ = std::move(report); }
  // One pass over what is due, without waiting. false: stopped, and nothing is left to do.
  bool Turn();
  void Close() { CloseCleanly(); }

  // Commits what is queued and ends the thread. false: it did not end in time; then the object must be left alone
  // (it stays alive as long as the thread holds it) and `report` is not called any more.
  static bool Stop(std::shared_ptr<StoreWorker> worker, std::chrono::steady_clock::duration limit);

 private:
  using Time = std::chrono::steady_clock::time_point;

  void Run();
  Time Now() const { return options_.now ? options_.now() : std::chrono::steady_clock::now(); }
  bool DueLocked(Time now) const;
  Time NextDueLocked(Time now) const;
  void TakeLocked(Batch& batch);

  Status TakeLock();
  Status OpenOnce(bool first, bool& damaged);
  Status OpenOrReplace(bool first);
  Status SetAside();
  Status BeginSalvage();
  bool IsDetached() const;
  Status Rescue();
  Status RescueWal();
  Status MoveForeignAway();
  Status FinishRescue();
  bool HasSalvageNote() const;
  Status FinishSetAside();
  Status LookAtKept();
  std::uint64_t ReserveBytes() const;
  bool HasRoomToCheckpoint() const;
  void LayInReserve();
  bool ReleaseReserve();
  bool NoSpace() const;
  bool IsOnlyFull() const;
  bool ReloadJournal();
  std::filesystem::path Beside(std::string_view ending) const;
  void CommitBatch();
  Status WriteBatch(Batch& batch);
  Status SeeThatItFits(const Retention::Space& before);
  void PutHalfBack();
  Status WriteSettings(const Batch& batch);
  Status WriteTimes(const Batch& batch);
  Status LoadWear();
  Status WriteWear();
  Status Checkpoint(bool everything);
  void GovernPace(Time now);
  bool VacuumStep(Time now);
  void EndVacuum(Result<std::uint64_t> given_back);
  void RunWork(Batch::Work& work);
  void Committed(Time began);
  void Failed(const Error& error, Time now);
  void RefuseWaiting(const Error& error, WorkerReport& report);
  void StayInTrouble(const Error& error, Time now);
  void RememberUnsent();
  void Recover(Time now);
  void Abandon();
  std::filesystem::path WalFile() const { return Beside("-wal"); }
  std::vector<std::pair<std::string, IntervalSet>> TakeGone();
  void UpdateStats();
  void AnswerRequests();
  void ForgetMissing();
  bool Idle();
  void Maintain(Time now);
  std::optional<bool> MakeRoom(Time now);
  bool SalvageStep(Time now);
  void Pack(Time now);
  void FillOldest(WorkerReport& report);
  void FillHoles(WorkerReport& report);
  void FillGaps(WorkerReport& report);
  void Report(WorkerReport report);
  void CloseCleanly();

  const Store::Options options_;
  Files& files_;
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_.
  std::deque<Reading> queued_readings_;
  Batch queued_;  // all but readings
  std::deque<Request> requests_;
  VacuumHandler vacuum_;
  Duration interval_;  // between commits, now: see WriteMeter
  std::optional<Time> first_reading_;
  std::optional<Time> first_ack_;
  bool stop_ = false;
  bool finished_ = false;
  std::condition_variable finished_changed_;
  std::int64_t now_ms_ = 0;
  std::atomic<std::uint64_t> dropped_{0};

  std::mutex report_mutex_;
  ReportHandler report_;  // guarded by report_mutex_; empty: nobody listens any more

  // Store thread only, once it runs.
  UniqueFd lock_;  // held for as long as the database may be written
  std::unique_ptr<CountingVfs> vfs_;
  std::unique_ptr<SeqMark> mark_;
  std::unique_ptr<DictionaryCopy> words_copy_;
  TimeBook times_;
  WriteMeter meter_;
  std::optional<std::uint64_t> vacuum_from_;  // size of the file when vacuuming began
  std::uint64_t vacuum_free_ = 0;             // free bytes at its last step
  std::unique_ptr<Database> database_;
  Journal::Options journal_options_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<KeptFiles> kept_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Salvage> salvage_;  // nullptr: nothing to bring back
  Packer packer_;
  Batch batch_;                 // taken, and not committed yet
  std::int64_t batch_row_ = 0;  // the journal row that batch_ is to become
  std::int64_t batch_now_ms_ = 0;
  std::map<std::string, IntervalSet> unsent_before_;  // as of the failure, for Recover
  std::map<std::string, std::uint64_t> reported_oldest_;
  std::map<std::string, std::uint64_t> reported_holes_;
  std::map<std::string, std::uint64_t, std::less<>>
      reported_newest_;  // the last seq of each thing that anybody has seen
  int corrupt_failures_ = 0;
  std::optional<Time> retry_at_;
  std::chrono::milliseconds retry_pause_{0};
  std::optional<Time> maintain_at_;
  bool last_try_ = false;
  StoreStats stats_;
};

}  // namespace penumbra
