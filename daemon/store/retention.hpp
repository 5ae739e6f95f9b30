// Keeps the store within its bounds, in short steps between commits: by age, by size, and by what the file system
// must keep free. Removes whole blocks: what is older than `retention` and sent; for space first what is sent; then old
// unsent readings are thinned, a block once and never in the newer half (thinning.hpp); then the oldest unsent go. What
// goes unsent is noted as a gap (gap.hpp). Gives the pages back to the file system when the file is larger than it may
// be. What was set aside beside the database (kept_files.hpp) goes before any reading when the file system is short.
//
// Age is counted from Journal::age_ms, not from the wall clock: a clock that jumps must not empty the store. A block
// whose own times are not to be believed is as old as the next one whose times are.
// Thread: the store thread; outside transactions (it makes its own).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "model/settings.hpp"
#include "store/files.hpp"
#include "store/journal.hpp"
#include "store/kept_files.hpp"

namespace penumbra {

class Retention {
 public:
  // What is never given up for other programs' sake, however little they leave free.
  static constexpr std::uint64_t kAlwaysKept = 1024 * 1024;

  static constexpr std::uint64_t kPagesPerStep = 256;  // of vacuum: a quarter of a MiB, a few milliseconds

  struct Space {
    std::uint64_t used = 0;  // pages in use and WAL
    std::uint64_t file = 0;  // database file and WAL
    std::uint64_t wal = 0;
    // By how much the file has to grow for what waits in the WAL, and how much of this is not there. Without that room
    // the WAL can never be emptied: a store that lets it come so far is stuck until others make room.
    std::uint64_t owed = 0;
    std::uint64_t lacking = 0;
    std::uint64_t free = 0;      // of the file system, for us, once the WAL has been copied
    std::uint64_t wal_room = 0;  // for transactions, before anything is owed that is not there
    std::uint64_t total = 0;
  };
  struct Outcome {
    bool more = false;  // call again soon
    std::uint64_t dropped_unsent = 0;
    std::vector<std::pair<std::string, IntervalSet>> gone;  // with their block; thinned ones become holes
  };

  // `kept` outlives this.
  Retention(StoreSettings settings, Files& files, KeptFiles& kept) : settings_(settings), files_(files), kept_(kept) {}

  static Result<Space> Measure(Database& database, Files& files);
  // At most so many of the free pages, in a transaction of its own; none when there are none.
  static Status GiveBackPages(Database& database, std::uint64_t pages = kPagesPerStep);
  // One step: at most one block or a few pages.
  Result<Outcome> Step(Database& database, Journal& journal);
  // What a commit has taken or would have taken, in the file and in the WAL: as much is kept free from now on.
  void CommitTakes(std::uint64_t bytes) { largest_commit_ = std::max(largest_commit_, bytes); }
  // As of the last step: a limit is reached.
  bool making_room() const { return making_room_; }

 private:
  enum class Need { kNone, kAge, kSpace };
  Need WhatIsNeeded(const Space& space, const Journal& journal);
  std::uint64_t MinFree(const Space& space) const;
  std::uint64_t LeastRoom(const Space& space) const;
  Status CopyWhatIsOwed(Database& database, Space& space);
  static Result<bool> IsOlderThan(Journal& journal, const Block& block, std::int64_t cutoff_ms);
  Result<Outcome> RemoveOne(Database& database, Journal& journal, Need need, const Space& space);
  Result<Outcome> Remove(Database& database, Journal& journal, const Block& block);
  Result<Outcome> Thin(Database& database, Journal& journal, const Block& block);
  void ReportDrop(std::uint64_t dropped);
  Result<Outcome> GiveBack(Database& database, const Space& space);

  StoreSettings settings_;
  Files& files_;
  KeptFiles& kept_;
  std::uint64_t largest_commit_ = 0;
  bool disk_is_short_ = false;    // as of the last look
  bool making_room_ = false;      // since a limit was reached, until there is some slack
  std::int64_t cursor_ = 0;       // sent blocks are looked for from here on
  bool dropping_unsent_ = false;  // no sent block is left
  std::optional<std::chrono::steady_clock::time_point> last_drop_;  // of unsent readings
};

}  // namespace penumbra
