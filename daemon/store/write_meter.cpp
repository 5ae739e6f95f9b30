#include "store/write_meter.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra {
namespace {

constexpr double kSecondsPerDay = 86400;

}  // namespace

// The first commit of a run is the mark to count from: what opening, migrating and naming things wrote is no pace.
void WriteMeter::Committed(std::uint64_t written, std::uint64_t wal_bytes, Time now) {
  const std::uint64_t more = written - std::min(written, written_);
  memory_.lifetime_bytes += more;
  wal_bytes_ = wal_bytes;
  written_ = written;
  if (more == 0) return;  // a flush with nothing to write is no commit
  if (!last_) {
    last_ = now;
    first_wal_bytes_ = wal_bytes;
    return;
  }
  const double seconds = std::chrono::duration<double>(now - *last_).count();
  last_ = now;
  const double kept = std::exp(-seconds / kForgetSeconds);
  memory_.bytes = memory_.bytes * kept + static_cast<double>(more);
  memory_.seconds = memory_.seconds * kept + seconds;
  commits_ = commits_ * kept + 1;
  commit_bytes_ = commit_bytes_ * kept + static_cast<double>(more);
}

void WriteMeter::Checkpointed(std::uint64_t wal_bytes, std::uint64_t written_by_it) {
  if (wal_bytes == 0) return;
  share_ = (share_ + std::min(1.0, static_cast<double>(written_by_it) / static_cast<double>(wal_bytes))) / 2;
  wal_bytes_ = 0;
  first_wal_bytes_ = 0;
}

std::uint64_t WriteMeter::PerDay() const {
  if (memory_.seconds < kLeastSeconds) return 0;
  const double bytes = std::max(0.0, memory_.bytes + Pending());
  return static_cast<std::uint64_t>(bytes / memory_.seconds * kSecondsPerDay);
}

double WriteMeter::PerCommit() const {
  return commits_ < 1 ? 0 : std::max(0.0, commit_bytes_ + Pending()) / commits_;
}

Duration WriteMeter::IntervalFor(std::uint64_t budget, Duration longest) const {
  const Duration shortest = std::min(kLively, longest);
  const double seconds = PerCommit() * kSecondsPerDay / static_cast<double>(std::max<std::uint64_t>(budget, 1));
  const double bounded = std::min(seconds, std::chrono::duration<double>(longest).count());
  return std::clamp(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bounded)), shortest, longest);
}

bool WriteMeter::OverBudget(std::uint64_t budget, Duration longest) const {
  return IntervalFor(budget, longest) == longest && PerDay() > budget;
}

}  // namespace penumbra
