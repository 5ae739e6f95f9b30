// The half of StoreWorker that keeps a disk that becomes full from stopping it: a commit is made only when the room is
// there that copying the WAL will need, and in parts when it does not fit. Retention makes the room (retention.hpp);
// the reserve is for a start (store_worker_open.cpp). Thread: the store thread.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "store/store_worker.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kFewestReadings = 100;  // of a commit that is made smaller
constexpr std::uint64_t kFrameShare = 16;     // of a page in the WAL: its head, and what points to it
constexpr std::uint64_t kFewestPages = 16;    // that any commit writes: tables, indexes, free pages
constexpr std::uint64_t kThingsPerPage = 8;   // of the outbox, when a block ends

}  // namespace

// A commit needs room twice: in the WAL now, and in the file when the WAL is copied. One that finds only the first
// would leave a WAL that can never be emptied again, and retention, which writes to it too, stuck: so it is refused
// while that can still be mended. Where others have taken that room already, what needs no more of it goes on.
Status StoreWorker::SeeThatItFits(const Retention::Space& before) {
  const Result<Retention::Space> space = Retention::Measure(*database_, files_);
  if (!space) return Fail(space.error());
  const std::uint64_t used = space->used - space->wal;
  const std::uint64_t added = used - std::min(used, before.used - before.wal);
  const std::uint64_t written =
      added + added / kFrameShare + (kFewestPages + journal_->things().size() / kThingsPerPage) * Database::kPageSize;
  retention_->CommitTakes(added + written);
  const bool fits = space->owed == 0 || space->wal_room > written;
  if (fits || (before.lacking > 0 && space->owed <= before.owed)) return {};
  return Fail(
      database_->NoRoom(fmt::format("no space is left for a commit: {} bytes, and as much again in the WAL", added)));
}

// A commit that does not fit may fit in parts. What goes back has been let in once: the queue may be longer than its
// bound by that much, until the disk takes it.
void StoreWorker::PutHalfBack() {
  const std::size_t count = batch_.readings.size();
  if (count < 2 * kFewestReadings) return;
  const auto middle = batch_.readings.begin() + static_cast<std::ptrdiff_t>(count / 2);
  const std::lock_guard lock(mutex_);
  queued_readings_.insert(queued_readings_.begin(), std::make_move_iterator(middle),
                          std::make_move_iterator(batch_.readings.end()));
  batch_.readings.erase(middle, batch_.readings.end());
  if (!first_reading_) first_reading_ = Now();
}

bool StoreWorker::HasRoomToCheckpoint() const {
  const auto space = Retention::Measure(*database_, files_);
  return !space || space->lacking == 0;
}

}  // namespace penumbra
