// What a driver counts by unit, as it comes out of its foreign JSON.
#include "driver/unit_status.hpp"

#include <gtest/gtest.h>

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;

constexpr BootTime kNow{1'000'000'000'000};

TEST(UnitStatus, TakesNothingThatIsNotThere) {
  const auto answer = OrderedJson::parse(
      R"([3,null,"unit",{"answer":"line","anomalies":1},{"answer":"unit"},{"answer":"unit","unit":""},{"answer":"unit",
      "unit":[1]},{"answer":"unit","unit":4,"requests":-1,"answers":"many","exceptions":[2],"round_trip_ms":5,
      "last_answer_ms_ago":-3},{"answer":"unit","unit":5,"exceptions":{"2":-1,"3":"x","4":6},
      "last_answer_ms_ago":9223372036854775807,"round_trip_ms":{"p50":-1,"p90":null}}])");
  const auto units = UnitsOf(answer, kNow);
  ASSERT_EQ(units.size(), 2U);
  EXPECT_EQ(units[0].unit, "4");
  EXPECT_EQ(units[0].requests + units[0].answers, 0U);
  EXPECT_FALSE(units[0].last_answer);
  EXPECT_EQ(units[1].exceptions, (std::map<std::string, std::uint64_t>{{"4", 6}}));
  EXPECT_FALSE(units[1].last_answer);
  EXPECT_FALSE(units[1].p50_ms || units[1].p90_ms);
}

TEST(UnitStatus, TakesWhatTheModbusDriverSays) {
  const auto answer = OrderedJson::parse(
      R"([{"answer":"unit","unit":7,"requests":10,"answers":6,"timeouts":3,"bad_crc":1,"bad_frames":2,"late":4,
      "foreign":5,"exceptions":{"2":9},"last_answer_ms_ago":2000,"round_trip_ms":{"p50":1.5,"p90":2.5,"p99":3.5}}])");
  const auto units = UnitsOf(answer, kNow);
  ASSERT_EQ(units.size(), 1U);
  const UnitStatus& unit = units[0];
  EXPECT_EQ(unit.requests * 100 + unit.answers * 10 + unit.timeouts, 1063U);
  EXPECT_EQ(unit.bad_crc * 1000 + unit.bad_frames * 100 + unit.late * 10 + unit.foreign, 1245U);
  EXPECT_EQ(unit.last_answer, kNow - 2s);
  EXPECT_EQ(unit.exceptions.at("2"), 9U);
  EXPECT_DOUBLE_EQ(*unit.p99_ms, 3.5);
}

TEST(UnitStatus, OfADriverThatInventsUnitsOnlySoManyAreKept) {
  OrderedJson answer = OrderedJson::array();
  for (int i = 0; i < 1000; ++i) answer.push_back({{"answer", "unit"}, {"unit", i}});
  EXPECT_EQ(UnitsOf(answer, kNow).size(), kMaxUnits);
}

}  // namespace
}  // namespace penumbra::test
