#include "driver/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

TEST(PollGrid, CountsMissedSlotsAndNeverMakesUpForThem) {
  PollGrid grid(BootTime{0}, 1s);
  EXPECT_EQ(grid.Take(BootTime{0}), 0U);
  EXPECT_EQ(grid.Take(BootTime{0} + 4500ms), 3U);  // 1, 2 and 3; 4 is taken
  EXPECT_EQ(grid.next(), BootTime{0} + 5s);
}

TEST(PollGrid, DoesNotDriftWhenEverySlotIsTakenLate) {
  PollGrid grid(BootTime{0} + 300ms, 1s);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(grid.Take(grid.next() + 400ms), 0U);
  EXPECT_EQ(grid.next(), BootTime{0} + 1000s + 300ms);
}

TEST(PollGrid, TakesNothingBeforeItsTime) {
  PollGrid grid(BootTime{0} + 1s, 1s);
  EXPECT_EQ(grid.Take(BootTime{0}), 0U);
  EXPECT_EQ(grid.next(), BootTime{0} + 1s);
}

TEST(PollGrid, SkipsToTheFirstSlotNotBefore) {
  PollGrid grid(BootTime{0}, 10s);
  grid.SkipTo(BootTime{0} + 20s);
  EXPECT_EQ(grid.next(), BootTime{0} + 20s);
  grid.SkipTo(BootTime{0} + 20s + Duration(1));
  EXPECT_EQ(grid.next(), BootTime{0} + 30s);
  grid.SkipTo(BootTime{0});
  EXPECT_EQ(grid.next(), BootTime{0} + 30s);
}

TEST(PollGrid, HasAShortestInterval) {
  EXPECT_EQ(PollGrid(BootTime{0}, 0s).interval(), kMinSampleInterval);
  EXPECT_EQ(PollGrid(BootTime{0}, -1s).interval(), kMinSampleInterval);
}

TEST(PhaseOf, SpreadsAnyNumberOfThingsEvenly) {
  for (const std::size_t n : {2U, 5U, 100U, 1000U}) {
    std::vector<double> phases;
    for (std::size_t i = 0; i < n; ++i) phases.push_back(PhaseOf(i));
    std::sort(phases.begin(), phases.end());
    phases.push_back(1.0);
    for (std::size_t i = 0; i < n; ++i) EXPECT_LT(phases[i + 1] - phases[i], 3.0 / static_cast<double>(n));
  }
}

TEST(DueTable, AnswersTheEarliestAndForgetsWhatWasMoved) {
  DueTable table;
  EXPECT_FALSE(table.Next());
  table.Set(3, BootTime{30});
  table.Set(1, BootTime{10});
  table.Set(1, BootTime{50});
  EXPECT_EQ(table.Next(), std::pair(BootTime{30}, std::uint32_t{3}));
  table.Erase(3);
  table.Erase(7);
  EXPECT_EQ(table.Next(), std::pair(BootTime{50}, std::uint32_t{1}));
  EXPECT_EQ(table.size(), 1U);
}

}  // namespace
}  // namespace penumbra
