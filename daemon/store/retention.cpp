#include "store/retention.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace penumbra {
namespace {

constexpr std::uint64_t kDefaultMinFree = 256ULL * 1024 * 1024;
constexpr std::uint64_t kMaxSlack = 32ULL * 1024 * 1024;
constexpr std::uint64_t kCommitShare = 4;            // of the file system: more is not kept for one commit
constexpr std::uint64_t kWalShare = 16;              // of max_size: a WAL above it is cut before readings go
constexpr auto kQuiet = std::chrono::hours(6);       // without a drop: the next one is news again
constexpr int kBlocksLookedAt = 64;                  // for one whose times can be believed
constexpr std::uint64_t kThinOverhead = 8;           // of a thinned block: the pages around its rows, as a share
constexpr std::uint64_t kFewestPages = 8;            // of a step of vacuum
constexpr std::uint64_t kWorthGivingBack = 4 << 20;  // free pages below this wait to be used again

}  // namespace

Result<Retention::Space> Retention::Measure(Database& database, Files& files) {
  const auto page_size = database.Integer("PRAGMA page_size");
  const auto pages = database.Integer("PRAGMA page_count");
  const auto unused = database.Integer("PRAGMA freelist_count");
  for (const auto* value : {&page_size, &pages, &unused}) {
    if (!*value) return Fail(value->error());
  }
  std::filesystem::path wal = database.file();
  wal += "-wal";
  const std::uint64_t wal_bytes = files.Size(wal);
  Space space;
  space.used = static_cast<std::uint64_t>((*pages - *unused) * *page_size) + wal_bytes;
  space.file = static_cast<std::uint64_t>(*pages * *page_size) + wal_bytes;
  space.wal = wal_bytes;
  // Where it is unknown (UINT64_MAX) only our own size counts.
  const Files::Space around = files.SpaceAt(database.file());
  space.free = around.free;
  space.wal_room = around.free;
  space.total = around.total;
  const auto pages_bytes = static_cast<std::uint64_t>(*pages * *page_size);
  const std::uint64_t on_disk = files.Size(database.file());
  space.owed = pages_bytes - std::min(pages_bytes, on_disk);
  if (around.free == UINT64_MAX) return space;
  space.lacking = space.owed - std::min(around.free, space.owed);
  const std::uint64_t left = around.free - std::min(around.free, space.owed);
  // A file that is longer than its pages is cut at the next checkpoint.
  space.free = left + on_disk - std::min(pages_bytes, on_disk);
  space.wal_room = left + wal_bytes - std::min(wal_bytes, database.wal_bytes());
  return space;
}

std::uint64_t Retention::MinFree(const Space& space) const {
  return settings_.min_free.value_or(std::min(kDefaultMinFree, space.total / 10));
}

// 0: nothing is kept free, as the user has it.
std::uint64_t Retention::LeastRoom(const Space& space) const {
  const std::uint64_t min_free = MinFree(space);
  return min_free == 0 ? 0 : std::max(min_free, std::min(largest_commit_, space.total / kCommitShare));
}

Retention::Need Retention::WhatIsNeeded(const Space& space, const Journal& journal) {
  // Once a limit is reached a little more is removed, so that the next commits do not start it all again.
  const std::uint64_t most_slack = std::min(kMaxSlack, space.total / 20);
  const std::uint64_t slack = making_room_ ? std::min(settings_.max_size / 20, most_slack) : 0;
  const std::uint64_t least = LeastRoom(space);
  // Pages that are free inside the file are as good as free space: the next commits use them.
  const std::uint64_t inside = space.file - space.used;
  const bool too_large = space.used + slack > settings_.max_size;
  const bool short_of_least = least > 0 && space.free + inside < least + slack;
  disk_is_short_ = short_of_least || space.lacking > 0;
  const bool too_little_left = short_of_least && space.used > kAlwaysKept;
  making_room_ = too_large || too_little_left;
  if (making_room_) return Need::kSpace;
  dropping_unsent_ = false;
  return journal.newest_trusted_ms() > 0 ? Need::kAge : Need::kNone;
}

// What retention commits lengthens the WAL, and may take the room that the file needs for what is in there already: so
// that goes first. Where even this room is gone (others have taken it), trying would take the last of it.
Status Retention::CopyWhatIsOwed(Database& database, Space& space) {
  if (space.owed == 0 || space.lacking > 0) return {};
  if (const Status copied = database.Checkpoint(false); !copied) return copied;
  const Result<Space> after = Measure(database, files_);
  if (!after) return Fail(after.error());
  space = *after;
  return {};
}

Result<Retention::Outcome> Retention::Step(Database& database, Journal& journal) {
  Result<Space> space = Measure(database, files_);
  if (!space) return Fail(space.error());
  const Need need = WhatIsNeeded(*space, journal);
  if (disk_is_short_ && kept_.GiveUpOldest()) return Outcome{.more = true};
  if (need == Need::kSpace) {
    if (const Status copied = CopyWhatIsOwed(database, *space); !copied) return Fail(copied.error());
  }
  // A long WAL is no reason to give up readings: it shrinks by itself.
  if (need == Need::kSpace && space->wal > settings_.max_size / kWalShare) {
    if (const Status cut = database.Checkpoint(true); !cut) return Fail(cut.error());
    const Result<Space> after = Measure(database, files_);
    if (!after) return Fail(after.error());
    if (after->wal < space->wal) return Outcome{.more = true};
  }
  if (need != Need::kNone) {
    Result<Outcome> removed = RemoveOne(database, journal, need, *space);
    if (!removed || removed->more) return removed;
  }
  return GiveBack(database, *space);
}

// Rows are in the order of measurement. A time that lies ahead of the age was given by a clock that had jumped.
Result<bool> Retention::IsOlderThan(Journal& journal, const Block& block, std::int64_t cutoff_ms) {
  std::optional<Block> dated = block;
  for (int looked = 0; dated && looked < kBlocksLookedAt; ++looked) {
    if (dated->trusted && dated->newest_ms <= journal.age_ms()) return dated->newest_ms < cutoff_ms;
    Result<std::optional<Block>> next = journal.StoredBlockFrom(dated->last_row + 1);
    if (!next) return Fail(next.error());
    dated = std::move(*next);
  }
  return false;
}

Result<Retention::Outcome> Retention::RemoveOne(Database& database, Journal& journal, Need need, const Space& space) {
  if (need == Need::kAge) cursor_ = 0;
  const std::int64_t from = need == Need::kSpace && !dropping_unsent_ ? cursor_ : 0;
  const auto block = journal.StoredBlockFrom(from);
  if (!block) return Fail(block.error());
  if (need == Need::kAge) {
    const std::int64_t cutoff =
        journal.age_ms() - std::chrono::duration_cast<std::chrono::milliseconds>(settings_.retention).count();
    if (!*block || journal.UnsentIn(**block) > 0) return Outcome{};
    const Result<bool> old = IsOlderThan(journal, **block, cutoff);
    if (!old) return Fail(old.error());
    if (!*old) return Outcome{};
    return Remove(database, journal, **block);
  }
  if (!*block && !dropping_unsent_) {
    cursor_ = 0;
    dropping_unsent_ = true;
    return Outcome{.more = true};
  }
  if (!*block) {
    if (journal.newest_block().empty()) return Outcome{};
    // All that is left is the newest block: end it, so that it can go too if need be.
    Status closed = database.Begin();
    if (closed) closed = journal.CloseBlock();
    if (closed) closed = database.Commit();
    if (!closed) return Fail(closed.error());
    return Outcome{.more = true};
  }
  if (!dropping_unsent_ && journal.UnsentIn(**block) > 0) {
    cursor_ = (*block)->last_row + 1;
    return Outcome{.more = true};
  }
  if (dropping_unsent_) {
    const auto whole = journal.ThinCandidate();
    if (!whole) return Fail(whole.error());
    // What stays is written again: on a full disk there is no room for that.
    const bool writable = *whole && space.wal_room > (*whole)->bytes + (*whole)->bytes / kThinOverhead;
    if (writable) return Thin(database, journal, **whole);
  }
  return Remove(database, journal, **block);
}

Result<Retention::Outcome> Retention::Thin(Database& database, Journal& journal, const Block& block) {
  if (const Status begun = database.Begin(); !begun) return Fail(begun.error());
  const auto gone = journal.Thin(block);
  if (!gone) return Fail(gone.error());
  if (const Status done = database.Commit(); !done) return Fail(done.error());
  if (*gone > 0) ReportDrop(*gone);
  return Outcome{.more = true, .dropped_unsent = *gone, .gone = {}};
}

Result<Retention::Outcome> Retention::Remove(Database& database, Journal& journal, const Block& block) {
  Outcome outcome;
  for (auto& [name, ranges] : journal.UnsentRanges(block)) outcome.gone.emplace_back(name, std::move(ranges));
  if (const Status begun = database.Begin(); !begun) return Fail(begun.error());
  const Result<std::uint64_t> dropped = journal.Drop(block);
  if (!dropped) return Fail(dropped.error());
  if (const Status done = database.Commit(); !done) return Fail(done.error());
  outcome.more = true;
  outcome.dropped_unsent = *dropped;
  if (*dropped > 0) ReportDrop(*dropped);
  return outcome;
}

// Once when it begins: while the outage lasts, a full store drops a block every few minutes.
void Retention::ReportDrop(std::uint64_t dropped) {
  const auto now = std::chrono::steady_clock::now();
  if (!last_drop_ || now - *last_drop_ > kQuiet) {
    log::Warning(
        "store.dropping_unsent",
        "no space is left: old readings that were never sent are thinned, then the oldest go; the cloud is told",
        {{"dropped", dropped}, {"max_size", settings_.max_size}});
  }
  last_drop_ = now;
}

Status Retention::GiveBackPages(Database& database, std::uint64_t pages) {
  return database.Execute("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")");
}

Result<Retention::Outcome> Retention::GiveBack(Database& database, const Space& space) {
  const std::uint64_t inside = space.file - space.used;
  const bool must = inside > 0 && (space.file > settings_.max_size || space.free < MinFree(space));
  const bool worth = inside > kWorthGivingBack && inside > space.file / 4;
  if (!must && !worth) return Outcome{};
  // A page that moves is written to the WAL first: on a full disk there is room for a few only.
  const std::uint64_t pages =
      std::clamp<std::uint64_t>(space.wal_room / Database::kPageSize / 2, kFewestPages, kPagesPerStep);
  if (const Status done = GiveBackPages(database, pages); !done) return Fail(done.error());
  return Outcome{.more = inside > pages * Database::kPageSize};
}

}  // namespace penumbra
