// Cuts the power at every operation of a store's life and checks what the store promises (store/store.hpp) on what may
// then be on the disk (model_disk.hpp).
//
// A workload runs once, on a model disk and virtual time: a file of schema 1 that is migrated, readings, acks,
// settings, commits of shadow tables, checkpoints, retention, thinning, packing, vacuum, a clean close and a new start,
// a sync that fails, a full disk, and a damaged file that is salvaged, twice. What the store reported, and
// after which operation, is noted. Then for each operation the disks that may be left are made, a store is opened on
// each, and
//   - the file opens, and nothing was set aside that the workload did not damage;
//   - of a damaged file all comes back that was not on the page that is lost;
//   - every reading reported as committed is there with its contents, unless retention had begun to remove it;
//   - what was reported as acknowledged does not come back as unsent, and what was not acknowledged is unsent;
//   - settings and transactions are there, whole ones, none older than the last that was reported;
//   - the next reading of each thing gets a seq that nobody has seen before;
//   - and the same again after a second power cut during all this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

namespace penumbra::test {

// Breaks durability on purpose: a driver that finds nothing then is no proof.
enum class Sabotage {
  kNone,
  kSyncsDoNothing,      // as with synchronous=OFF
  kReportBeforeCommit,  // what was queued is taken for reported
  kMarkIgnored,         // the file with the sequence mark is never read
  kFailedSyncForgiven,  // after a sync that failed the WAL is taken for written as it looks
};

struct CrashReplayOptions {
  std::uint64_t seed = 1;
  int arbitrary = 8;  // survivor sets for each crash point, beside "only what was synced" and "everything"
  Sabotage sabotage = Sabotage::kNone;
};

struct CrashReplayResult {
  std::size_t points = 0;  // operations before which the power was cut
  std::size_t checked = 0;
  std::unordered_set<std::uint64_t> distinct;  // hashes of the disks that were checked
  // What the workload did: operations that reached the database file by checkpoints, that shrank it, and so on.
  std::size_t checkpoints = 0;
  std::size_t shrunk = 0;
  std::size_t removed = 0;         // readings, by retention
  std::size_t lost_for_space = 0;  // of these, unsent ones: thinned, or gone with their block
  std::size_t packed = 0;          // blocks
  std::size_t salvaged = 0;        // readings
  std::size_t acknowledged = 0;
  std::size_t failed_syncs = 0;
  std::size_t violations = 0;
  std::size_t lost = 0;                       // of these: readings that had been reported as committed
  std::vector<std::string> first_violations;  // the first few, for people
};

CrashReplayResult ReplayCrashes(const CrashReplayOptions& options);

}  // namespace penumbra::test
