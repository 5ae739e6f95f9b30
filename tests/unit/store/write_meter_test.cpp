#include "store/write_meter.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class WriteMeterTest : public ::testing::Test {
 protected:
  // Commits of `bytes` every `pause`, with a checkpoint that costs as much again after each hundred.
  void Commits(int count, std::uint64_t bytes, Duration pause) {
    for (int i = 0; i < count; ++i) {
      now += std::chrono::duration_cast<WriteMeter::Time::duration>(pause);
      written += bytes;
      wal += bytes;
      meter.Committed(written, wal, now);
      if (++commits % 100 != 0) continue;
      written += wal;
      meter.Checkpointed(wal, wal);
      wal = 0;
    }
  }

  WriteMeter meter;
  WriteMeter::Time now{};
  std::uint64_t written = 0;
  std::uint64_t wal = 0;
  int commits = 0;
};

TEST_F(WriteMeterTest, KnowsNothingBeforeTheSecondCommit) {
  written = 1'000'000;  // a new file, its tables and names
  Commits(1, 3000, 1s);
  EXPECT_EQ(meter.PerDay(), 0u);
}

// What a start writes in its first moments, times 86,400, was 50 GB a day for a thing that is polled twice a minute.
TEST_F(WriteMeterTest, TakesTheFirstMomentsOfAStartForNoPace) {
  Commits(3, 12'000, 20ms);
  EXPECT_EQ(meter.PerDay(), 0u);
  EXPECT_FALSE(meter.OverBudget(1'000'000, 30s));
  Commits(1, 3000, 30s);
  EXPECT_GT(meter.PerDay(), 0u);
  EXPECT_LT(meter.PerDay(), 200'000'000u);
}

TEST_F(WriteMeterTest, IsAboutRightAfterSeconds) {
  written = 1'000'000;
  Commits(10, 3000, 1s);
  const double truth = 2 * 3000.0 * 86400;  // each byte once in the WAL and once in the file
  EXPECT_GT(static_cast<double>(meter.PerDay()), 0.7 * truth);
  EXPECT_LT(static_cast<double>(meter.PerDay()), 1.1 * truth);
  Commits(2000, 3000, 1s);
  EXPECT_NEAR(static_cast<double>(meter.PerDay()), truth, 0.02 * truth);
}

TEST_F(WriteMeterTest, ARestartGoesOnWithWhatWasKnown) {
  Commits(4000, 3000, 1s);
  const std::uint64_t before = meter.PerDay();
  WriteMeter second;
  second.Restore(meter.memory());
  EXPECT_NEAR(static_cast<double>(second.PerDay()), static_cast<double>(before), 0.02 * static_cast<double>(before));
  second.Committed(50'000, 3000, now + 60s);
  EXPECT_NEAR(static_cast<double>(second.PerDay()), static_cast<double>(before), 0.02 * static_cast<double>(before));
  EXPECT_EQ(second.memory().lifetime_bytes, meter.memory().lifetime_bytes + 50'000);
}

TEST_F(WriteMeterTest, StretchesTheIntervalToKeepTheBudgetAndNeverBeyondThePromise) {
  Commits(1000, 3000, 1s);  // 6000 bytes a commit: 518 MB a day at one a second
  const auto budget = [](double megabytes) { return static_cast<std::uint64_t>(megabytes * 1e6); };
  EXPECT_EQ(meter.IntervalFor(budget(1000), 10s), 1s);
  EXPECT_NEAR(std::chrono::duration<double>(meter.IntervalFor(budget(103.7), 10s)).count(), 5, 0.3);
  EXPECT_EQ(meter.IntervalFor(budget(1), 10s), 10s);
  EXPECT_TRUE(meter.OverBudget(budget(1), 10s));
  EXPECT_FALSE(meter.OverBudget(budget(1000), 10s));
  EXPECT_EQ(meter.IntervalFor(budget(1), 200ms), 200ms) << "the promise is shorter than the lively pace";
  EXPECT_EQ(meter.IntervalFor(budget(1), 0s), 0s);
}

}  // namespace
}  // namespace penumbra
