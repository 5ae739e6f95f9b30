#include "model/report.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

PointValue Good(double v) {
  return {"t", v, Quality::kGood, ""};
}
std::int64_t At(Duration d) {
  return d.count();
}

TEST(ReportTest, ComparesWithTheLastSentValueSoThatDriftCannotCreep) {
  ReportPolicy policy{.deadband = 0.5};
  ReportFilter filter;
  ASSERT_TRUE(filter.Due(policy, Good(20.0), At(0s)));
  filter.Sent(Good(20.0), At(0s));
  EXPECT_FALSE(filter.Due(policy, Good(20.2), At(1s)));
  EXPECT_FALSE(filter.Due(policy, Good(20.4), At(2s)));
  EXPECT_TRUE(filter.Due(policy, Good(20.5), At(3s)));
}

TEST(ReportTest, AMoveOfExactlyTheDeadbandCounts) {
  ReportPolicy policy{.deadband = 0.1};
  ReportFilter filter;
  filter.Sent(Good(22.5), 0);
  EXPECT_TRUE(filter.Due(policy, Good(22.6), 1));
  EXPECT_FALSE(filter.Due(policy, Good(22.55), 1));
}

TEST(ReportTest, PercentIsOfTheLastSentValue) {
  ReportPolicy policy{.deadband = 1, .deadband_percent = true};
  ReportFilter filter;
  filter.Sent(Good(200), 0);
  EXPECT_FALSE(filter.Due(policy, Good(201.9), 1));
  EXPECT_TRUE(filter.Due(policy, Good(198), 1));
}

TEST(ReportTest, AChangeOfQualityPassesEvenWithinTheMinimumInterval) {
  ReportPolicy policy{.deadband = 1, .min_interval = 1min};
  ReportFilter filter;
  filter.Sent(Good(20), At(0s));
  const PointValue bad{"t", std::monostate{}, Quality::kBad, "timeout"};
  EXPECT_TRUE(filter.Due(policy, bad, At(1s)));
  filter.Sent(bad, At(1s));
  EXPECT_FALSE(filter.Due(policy, bad, At(2s)));
  EXPECT_TRUE(filter.Due(policy, Good(20), At(2s)));
}

TEST(ReportTest, SpeaksAfterMaxSilenceAndNotBeforeMinInterval) {
  ReportPolicy policy{.deadband = 1, .max_silence = 10min, .min_interval = 10s};
  ReportFilter filter;
  filter.Sent(Good(20), At(0s));
  EXPECT_FALSE(filter.Due(policy, Good(30), At(9s)));
  EXPECT_TRUE(filter.Due(policy, Good(30), At(10s)));
  EXPECT_FALSE(filter.Due(policy, Good(20), At(599s)));
  EXPECT_TRUE(filter.Due(policy, Good(20), At(600s)));
}

TEST(ReportTest, ZeroIsAValueLikeAnyOther) {
  ReportPolicy policy;
  ReportFilter filter;
  filter.Sent(Good(1), 0);
  EXPECT_TRUE(filter.Due(policy, Good(0), 1));
}

}  // namespace
}  // namespace penumbra
