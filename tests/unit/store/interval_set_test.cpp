#include "store/interval_set.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace penumbra {
namespace {

TEST(IntervalSet, JoinsWhatTouchesAndSplitsWhatIsCut) {
  IntervalSet set;
  set.Add(10, 19);
  set.Add(20, 29);
  EXPECT_EQ(set.ranges(), 1u);
  EXPECT_EQ(set.Remove(15, 15), 1u);
  EXPECT_EQ(set.ranges(), 2u);
  EXPECT_EQ(set.Remove(15, 15), 0u);
  EXPECT_FALSE(set.Contains(15));
  EXPECT_EQ(set.FirstFrom(15), 16u);
  EXPECT_EQ(set.FirstFrom(30), std::nullopt);
  EXPECT_EQ(set.count(), 19u);
}

// Against the plainest model there is.
TEST(IntervalSet, AgreesWithASetOfNumbers) {
  std::mt19937 random(7);
  IntervalSet set;
  std::set<std::uint64_t> model;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t first = 1 + random() % 200;
    const std::uint64_t last = first + random() % 12;
    if (random() % 2 == 0) {
      set.Add(first, last);
      for (std::uint64_t v = first; v <= last; ++v) model.insert(v);
    } else {
      std::uint64_t removed = 0;
      for (std::uint64_t v = first; v <= last; ++v) removed += model.erase(v);
      ASSERT_EQ(set.Remove(first, last), removed);
    }
    ASSERT_EQ(set.count(), model.size());
    const auto begin = model.lower_bound(first);
    ASSERT_EQ(set.CountIn(first, last), static_cast<std::uint64_t>(std::distance(begin, model.upper_bound(last))));
    ASSERT_EQ(set.Within(first, last).count(), set.CountIn(first, last));
    ASSERT_EQ(set.Contains(first), model.contains(first));
    ASSERT_EQ(set.FirstFrom(first), begin == model.end() ? std::nullopt : std::optional(*begin));
  }
}

}  // namespace
}  // namespace penumbra
