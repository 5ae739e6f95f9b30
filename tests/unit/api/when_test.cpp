#include "api/when.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace penumbra::api {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t kNow = 1'700'000'000'000;  // 2023-11-14 22:13:20 UTC

class When : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

TEST_F(When, ShowsLengthsInAtMostTwoUnits) {
  EXPECT_EQ(Length(-5s), "0 s");
  EXPECT_EQ(Length(250ms), "250 ms");
  EXPECT_EQ(Length(59s), "59 s");
  EXPECT_EQ(Length(200s), "3 min 20 s");
  EXPECT_EQ(Length(2h + 5min + 9s), "2 h 5 min");
  EXPECT_EQ(Length(99h), "4 d 3 h");
  EXPECT_EQ(Length(1h), "1 h");
}

TEST_F(When, SaysBeforeAndAfter) {
  EXPECT_EQ(Age(kNow - 12'000, kNow), "12 s ago");
  EXPECT_EQ(Age(kNow + 40'000, kNow), "in 40 s");
  EXPECT_EQ(Age(kNow - 400, kNow), "just now");
}

TEST_F(When, SurvivesAbsurdTimes) {
  EXPECT_EQ(Age(INT64_MIN, INT64_MAX), "ages ago");
  EXPECT_EQ(Age(INT64_MAX, 0), "in ages");
  EXPECT_EQ(Moment(INT64_MAX, kNow), "never");
  EXPECT_EQ(FullTime(INT64_MIN), "never");
}

TEST_F(When, LeavesTheDateAwayOnlyNearby) {
  EXPECT_EQ(Moment(kNow - 12'000, kNow), "22:13:08 (12 s ago)");
  EXPECT_EQ(ClockTime(kNow - 13 * 3'600'000, kNow), "2023-11-14 09:13:20");
  EXPECT_EQ(ClockTime(0, kNow), "never");
  EXPECT_EQ(FullTime(kNow + 7), "2023-11-14 22:13:20.007");
}

}  // namespace
}  // namespace penumbra::api
