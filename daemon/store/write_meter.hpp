// What the store writes: per day at the present pace, and in its life. And how far apart commits must be to keep a
// budget. The pace is an average that forgets with a day, so that it is right soon after a start (the store keeps it
// from run to run) and follows a change within hours.
// Pure; no clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/duration.hpp"

namespace penumbra {

class WriteMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr double kForgetSeconds = 86400;
  // Less than that is no pace: a start commits a few things at once, and then nothing until the first poll.
  static constexpr double kLeastSeconds = 2;
  // With a budget, commits come at this pace while it allows: soon enough for the cloud to see a reading at once.
  static constexpr Duration kLively = std::chrono::seconds(1);
  // What a checkpoint writes of each byte in the WAL, until one has been measured.
  static constexpr double kFirstShare = 0.6;

  // What is kept from run to run.
  struct Memory {
    double bytes = 0;  // of the average, and the seconds in which they were written
    double seconds = 0;
    std::uint64_t lifetime_bytes = 0;
  };
  void Restore(const Memory& memory) { memory_ = memory; }
  const Memory& memory() const { return memory_; }

  // After a commit: `written` bytes since the process began, of which `wal_bytes` wait for the next checkpoint.
  void Committed(std::uint64_t written, std::uint64_t wal_bytes, Time now);
  void Checkpointed(std::uint64_t wal_bytes, std::uint64_t written_by_it);

  // 0: nothing is known yet (less than kLeastSeconds from the first commit in the store's life to the last).
  std::uint64_t PerDay() const;
  // The interval that keeps `budget` bytes a day, between kLively and `longest`.
  Duration IntervalFor(std::uint64_t budget, Duration longest) const;
  // The budget cannot be kept even at `longest`.
  bool OverBudget(std::uint64_t budget, Duration longest) const;

 private:
  double PerCommit() const;
  double Pending() const { return share_ * (static_cast<double>(wal_bytes_) - static_cast<double>(first_wal_bytes_)); }

  Memory memory_;
  double share_ = kFirstShare;
  double commits_ = 0;  // that forget as the bytes do
  double commit_bytes_ = 0;
  std::optional<Time> last_;
  std::uint64_t written_ = 0;
  std::uint64_t wal_bytes_ = 0;
  std::uint64_t first_wal_bytes_ = 0;
};

}  // namespace penumbra
