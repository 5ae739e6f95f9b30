// The store: every reading, what the cloud has acknowledged, and small durable settings, in one SQLite file.
//
// Contract: what a commit has reported as committed survives SIGKILL and a power cut. At most commit_interval of
// readings are in memory only. A reading gets its seq in the commit that makes it durable, and is shown to anybody else
// only after that commit, so a seq that anyone has ever seen is never given twice. A reading counts as sent only after
// Acked().
//
// Thread: every public function runs on the loop thread and never blocks; one store thread owns the one SQLite
// connection. Bounded: at most kMaxQueued readings wait for the store thread; beyond that the oldest waiting is dropped
// and counted.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "event/loop.hpp"
#include "event/wall_history.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"
#include "store/gap.hpp"

namespace penumbra {

class Database;
class Files;

// What waits for the cloud, for one thing.
struct OutboxState {
  std::uint64_t unsent = 0;             // committed readings without an ack
  std::uint64_t oldest_unsent_seq = 0;  // 0: none
  std::int64_t oldest_unsent_ms = 0;    // its time of measurement; 0: none
  std::uint64_t newest_seq = 0;         // the last seq given; 0: none yet
  std::int64_t newest_ms = 0;
  std::vector<Gap> gaps;  // readings that will never come, and that the cloud has not been told of
};

struct StoreStats {
  std::uint64_t file_bytes = 0;  // database and WAL
  std::uint64_t readings = 0;    // held, sent and unsent
  std::uint64_t commits = 0;
  std::uint64_t committed_readings = 0;
  std::uint64_t written_bytes = 0;  // handed to the file system by SQLite since start
  // Wear (write_meter.hpp): what a day costs at the present pace, with what is still to be checkpointed; and what was
  // written in the store's whole life.
  std::uint64_t write_bytes_per_day = 0;
  std::uint64_t lifetime_written_bytes = 0;
  std::uint64_t checkpoints = 0;        // since start
  std::int64_t commit_interval_ms = 0;  // in force: shorter than configured while the write budget allows
  bool over_budget = false;             // write_budget cannot be kept even at the configured commit_interval
  std::uint64_t page_size = 0;
  std::uint64_t free_bytes = 0;  // of the file: pages that wait to be used again
  std::uint64_t wal_bytes = 0;
  bool vacuuming = false;  // Vacuum has not answered yet
  std::uint64_t dropped_queue_full = 0;
  std::uint64_t dropped_unsent = 0;  // removed by retention before they were sent, thinned ones too
  std::uint64_t acks_not_kept = 0;   // acks beyond the bound on holes (journal.hpp): these readings are sent again
  std::uint64_t gaps = 0;            // gap records that the cloud has not acknowledged
  std::uint64_t salvaged = 0;        // readings brought back from damaged files, since start
  bool salvaging = false;
  std::uint64_t kept_files = 0;  // beside the database: set aside, damaged or not ours (kept_files.hpp)
  std::uint64_t kept_bytes = 0;
  std::uint64_t packed_blocks = 0;  // of sent history, written again by thing (packer.hpp)
  std::int64_t last_commit_ms = 0;  // Unix time
  double last_commit_took_ms = 0;
  std::string trouble;  // empty, or why commits fail now
};

struct ReadingQuery {
  std::string thing;
  std::int64_t since_ms = 0;          // inclusive, by time of measurement
  std::int64_t until_ms = INT64_MAX;  // exclusive
  std::uint64_t after_seq = 0;        // exclusive
  std::size_t limit = 1000;           // at most kMaxQueryRows
  bool newest_first = false;          // which end the limit keeps; the answer is always in ascending seq
};

// A reading with what the store knows of its delivery.
struct StoredReading {
  Reading reading;
  bool sent = false;
};

class Store {
 public:
  static constexpr std::size_t kMaxQueued = 100'000;
  static constexpr std::size_t kMaxQueryRows = 10'000;
  static constexpr std::size_t kMaxRequests = 1024;  // reads waiting, and works of Transact; beyond it: kBackOff
  static constexpr std::chrono::seconds kCloseTimeout{10};

  struct Options {
    std::filesystem::path file;
    StoreSettings settings;
    std::string vfs;         // name of a registered SQLite VFS (fault injection in tests); empty: the platform's
    Files* files = nullptr;  // likewise for what does not go through SQLite; outlives the store
    std::function<std::chrono::steady_clock::time_point()> now;  // virtual time in tests; empty: the steady clock
  };

  // Opens or creates the file, migrates it, recovers the outbox. Blocks (before the loop runs). Errors: kFixConfig when
  // the place is unusable (missing folder, no permission, a file from a newer Penumbra), kFatal for the rest.
  static Result<std::unique_ptr<Store>> Open(const Options& options, EventLoop& loop);

  // Commits what is queued and joins the store thread; gives up after kCloseTimeout when the disk does not answer.
  // Callbacks that are still due are not called any more.
  virtual ~Store() = default;

  // Queues a reading (its seq is not looked at) for the next group commit.
  virtual void Append(Reading reading) = 0;
  // Called after each commit with its readings, seq given, in the order of Append. Set once, before the first Append.
  virtual void OnCommitted(std::function<void(const std::vector<Reading>&)> handler) = 0;

  // The cloud acknowledged (thing, seq). Durable with the next group commit, never in one of its own unless nothing
  // else comes within a few commit intervals. Unknown or repeated acks are ignored.
  virtual void Acked(const std::string& thing, std::uint64_t seq) = 0;

  // Committed readings of `thing` that are not acknowledged, ascending, seq > after_seq, at most `limit`. Fewer when
  // they take long to find; none only when there are none. Error kBackOff: the store is in trouble, ask again later.
  virtual void ReadUnsent(const std::string& thing, std::uint64_t after_seq, std::size_t limit,
                          std::function<void(Result<std::vector<Reading>>)> done) = 0;
  virtual void Query(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) = 0;

  // How the wall clock stood in a boot is known better now (TimeTrust::OnChange): from here on ReadUnsent, Query and
  // Outbox answer that boot's readings with their true times. Durable with the next commit.
  virtual void PutWallHistory(WallHistory history) = 0;
  // What was put last, in this process or an earlier one; without eras when nothing is known.
  virtual WallHistory WallHistoryOf(const std::string& boot_id) const = 0;
  // The newest trusted time was wrong, and is to be believed no more (TimeTrust): the clock had run ahead.
  virtual void LowerNewestTrusted(std::int64_t unix_ms) = 0;

  // Gives all unused pages of the file back to the file system, in short steps between commits, and answers how many
  // bytes that were.
  virtual void Vacuum(std::function<void(Result<std::uint64_t>)> done) = 0;

  // The cloud has acknowledged the record of this gap: forgotten with the next commit, unless it has grown since.
  virtual void GapTold(const Gap& gap) = 0;

  // As of the last commit and ack that the loop has seen.
  virtual OutboxState Outbox(const std::string& thing) const = 0;
  // Things the store knows, also those that are not configured any more.
  virtual std::vector<std::string> Things() const = 0;
  // The newest time of measurement with a trusted clock; 0: none. For TimeTrust.
  virtual std::int64_t NewestTrustedMs() const = 0;
  virtual StoreStats Stats() const = 0;

  // Small durable settings (learned facts, what update_config set). Reading answers the last Put of this process or
  // what was stored. Put is durable when `durable` is called (may be empty); nullopt removes.
  virtual std::optional<std::string> Setting(const std::string& key) const = 0;
  virtual void PutSetting(const std::string& key, std::optional<std::string> value,
                          std::function<void(Status)> durable) = 0;

  // Runs `work` on the store thread inside the next group commit, at once; `done` hears of it when it is durable.
  // An error of `work` undoes what it did, and nothing else, and is answered. When the commit itself fails, `done`
  // gets that error (kBackOff or kFatal), within seconds, and `work` is not tried again: what it wrote is then almost
  // always, but not provably, absent.
  // For modules above that keep tables of their own (store/database.hpp). `work` must be short: commits wait for it.
  virtual void Transact(std::function<Status(Database&)> work, std::function<void(Status)> done) = 0;

  // Runs `read`, which must be short and write nothing, on the store thread between commits; `done` hears its status.
  // It is answered while commits fail for want of room, too. Error kBackOff: the store is in trouble, ask again later.
  virtual void Read(std::function<Status(Database&)> read, std::function<void(Status)> done) = 0;

  // Commits what is queued now, acks included, and then calls `done`. An error says why that was not possible yet;
  // the readings stay queued and are tried again.
  virtual void Flush(std::function<void(Status)> done) = 0;
};

}  // namespace penumbra
