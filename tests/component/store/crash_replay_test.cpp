// Every crash point of a store's life, with several sets of survivors each; and that the same driver finds the fault
// when durability is broken on purpose. Sharded by seed, so that the shards run side by side.
// A longer run: build/dev/tests/bench/crash_replay --seeds 1000.
#include "support/crash_replay.hpp"

#include <gmock/gmock.h>

#include "base/log.hpp"

namespace penumbra {
namespace {

using test::CrashReplayResult;
using test::ReplayCrashes;
using test::Sabotage;

struct Quiet {
  Quiet() { log::SetLevel(static_cast<log::Level>(0)); }
  ~Quiet() { log::SetLevel(log::Level::kInfo); }
};

class CrashReplay : public testing::TestWithParam<int> {
  const Quiet quiet_;
};

// 4 shards: 20,000 distinct disks at least.
TEST_P(CrashReplay, KeepsEveryPromiseAtEveryCrashPoint) {
  const CrashReplayResult result = ReplayCrashes({.seed = static_cast<std::uint64_t>(GetParam())});
  std::printf("shard %d: %zu crash points, %zu disks checked, %zu of them distinct, %zu violations\n", GetParam(),
              result.points, result.checked, result.distinct.size(), result.violations);
  std::printf("  in its life: %zu readings removed, %zu of them unsent, %zu blocks packed, %zu readings salvaged\n",
              result.removed, result.lost_for_space, result.packed, result.salvaged);
  EXPECT_THAT(result.first_violations, testing::IsEmpty());
  EXPECT_EQ(result.violations, 0u);
  EXPECT_GT(result.checkpoints, 5u);
  EXPECT_GT(result.shrunk, 0u);
  EXPECT_GT(result.removed, 100u);
  EXPECT_GT(result.acknowledged, 100u);
  EXPECT_GT(result.lost_for_space, 50u);
  EXPECT_GT(result.packed, 3u);
  EXPECT_GT(result.salvaged, 50u);
  EXPECT_EQ(result.failed_syncs, 1u);
  EXPECT_GE(result.distinct.size(), 5'100u);
}

INSTANTIATE_TEST_SUITE_P(Shard, CrashReplay, testing::Range(1, 5));

struct BrokenOnPurpose : testing::Test {
  const Quiet quiet;
};

TEST_F(BrokenOnPurpose, SyncsThatDoNothingAreFound) {
  const auto result = ReplayCrashes({.seed = 11, .arbitrary = 1, .sabotage = Sabotage::kSyncsDoNothing});
  // The first that it finds are files that were taken for damaged.
  EXPECT_GT(result.violations, result.lost);
  EXPECT_GT(result.lost, 0u);
}

TEST_F(BrokenOnPurpose, AReportBeforeTheCommitIsFound) {
  const auto result = ReplayCrashes({.seed = 11, .arbitrary = 0, .sabotage = Sabotage::kReportBeforeCommit});
  EXPECT_THAT(result.first_violations, testing::Contains(testing::HasSubstr("is lost")));
}

TEST_F(BrokenOnPurpose, ASeqGivenTwiceIsFound) {
  const auto result = ReplayCrashes({.seed = 11, .arbitrary = 0, .sabotage = Sabotage::kMarkIgnored});
  EXPECT_THAT(result.first_violations, testing::Contains(testing::HasSubstr("was seen before")));
}

TEST_F(BrokenOnPurpose, AFailedSyncThatIsForgivenIsFound) {
  // The failed sync must be one whose pages matter later: so it is in the lives of seeds 2, 3, 4 and 6, not in those of
  // 1, 5 and 11.
  const auto result = ReplayCrashes({.seed = 3, .arbitrary = 6, .sabotage = Sabotage::kFailedSyncForgiven});
  EXPECT_GT(result.violations, 0u);
}

}  // namespace
}  // namespace penumbra
