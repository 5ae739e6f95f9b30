// The small pure parts: which polls are told, load, lines of standard error, what a thing's status says.
#include <gtest/gtest.h>

#include "driver/line_gate.hpp"
#include "driver/load_meter.hpp"
#include "driver/silence_filter.hpp"
#include "driver/thing_record.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

Reading BadPoll(const std::string& reason) {
  Reading reading;
  reading.values = {{"a", {}, Quality::kBad, reason}, {"b", {}, Quality::kBad, reason}};
  return reading;
}

Reading HalfPoll() {
  Reading reading = BadPoll("timeout");
  reading.values[1] = {"b", Value(1.0), Quality::kGood, ""};
  return reading;
}

TEST(SilenceFilter, TellsTheBeginningOfSilenceAndThenOncePerMaxSilence) {
  SilenceFilter filter(10min);
  const BootTime begin{0};
  EXPECT_TRUE(filter.Passes(BadPoll("timeout"), begin));
  for (BootTime now = begin + 1s; now < begin + 10min; now = now + 1s) {
    ASSERT_FALSE(filter.Passes(BadPoll("timeout"), now));
  }
  EXPECT_TRUE(filter.Passes(BadPoll("timeout"), begin + 10min));
  EXPECT_FALSE(filter.Passes(BadPoll("bus down"), begin + 10min + 1s));  // another reason is no new beginning
}

TEST(SilenceFilter, APartlyReadPollIsAlwaysToldAndEndsTheSilence) {
  SilenceFilter filter(10min);
  EXPECT_TRUE(filter.Passes(BadPoll("timeout"), BootTime{0}));
  EXPECT_TRUE(filter.Passes(HalfPoll(), BootTime{1}));
  EXPECT_TRUE(filter.Passes(HalfPoll(), BootTime{2}));
  EXPECT_TRUE(filter.Passes(BadPoll("timeout"), BootTime{3}));
}

TEST(SilenceFilter, TakesTheSmallestMaxSilenceOfTheThing) {
  ThingSettings thing;
  EXPECT_EQ(SilenceFilter::MaxSilenceOf(thing), 10min);
  thing.points.resize(2);
  thing.points[0].report.max_silence = 30min;
  thing.points[1].report.max_silence = 20min;
  EXPECT_EQ(SilenceFilter::MaxSilenceOf(thing), 20min);
}

TEST(LoadMeter, IsTheShareOfTheLastMinute) {
  LoadMeter meter;
  EXPECT_EQ(meter.Load(BootTime{0} + 100s), 0);
  for (int i = 0; i < 120; ++i) meter.Busy(BootTime{0} + i * 1s, BootTime{0} + i * 1s + 250ms);
  EXPECT_NEAR(meter.Load(BootTime{0} + 120s), 0.25, 0.01);
  EXPECT_NEAR(meter.Load(BootTime{0} + 150s), 0.125, 0.01);
  EXPECT_EQ(meter.Load(BootTime{0} + 300s), 0);
}

TEST(LoadMeter, ARequestThatSpansSecondsCountsInEach) {
  LoadMeter meter;
  meter.Busy(BootTime{0} + 900ms, BootTime{0} + 5s);
  EXPECT_NEAR(meter.Load(BootTime{0} + 5s), 1, 0.01);
  EXPECT_NEAR(meter.Load(BootTime{0} + 20s), 4.1 / 19.1, 0.01);
}

TEST(LineGate, CutsIntoLinesAndCleansThem) {
  LineGate gate;
  const auto none = gate.Take("hel", BootTime{0});
  EXPECT_TRUE(none.empty());
  const auto lines = gate.Take("lo\x1b[0m\n\nx\n", BootTime{0});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].text, "hello [0m");
  EXPECT_EQ(lines[1].text, "x");
}

TEST(LineGate, LetsABurstPassAndCountsTheRest) {
  LineGate gate;
  std::string flood;
  for (int i = 0; i < 1000; ++i) flood += "line\n";
  EXPECT_EQ(gate.Take(flood, BootTime{0}).size(), static_cast<std::size_t>(LineGate::kBurst));
  const auto later = gate.Take("after\n", BootTime{0} + 1s);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0].dropped, 960U);
}

TEST(LineGate, BoundsALineWithoutEnd) {
  LineGate gate;
  for (int i = 0; i < 1000; ++i) gate.Take(std::string(1000, 'x'), BootTime{0});
  const auto lines = gate.Take("\n", BootTime{0});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].text.size(), LineGate::kMaxLine);
}

class ThingRecordTest : public ::testing::Test {
 protected:
  static ThingSettings Thing() {
    ThingSettings thing;
    thing.name = "t";
    thing.points.resize(2);
    thing.points[0].name = "a";
    thing.points[1].name = "b";
    return thing;
  }
  ThingRecord record{Thing()};
};

TEST_F(ThingRecordTest, WaitsUntilTheFirstPoll) {
  const ThingStatus status = record.Status(1s, BootTime{0});
  EXPECT_EQ(status.state, "waiting");
  EXPECT_EQ(status.points.at("a").value.reason, "not read yet");
}

TEST_F(ThingRecordTest, KeepsTheLastValueWhileTheNewestAttemptFails) {
  Reading good = HalfPoll();
  good.unix_ms = 1000;
  record.OnPoll(good);
  Reading bad = BadPoll("timeout");
  bad.unix_ms = 2000;
  record.OnPoll(bad);
  const ThingStatus status = record.Status(1s, BootTime{0});
  EXPECT_EQ(status.state, "unreachable");
  EXPECT_EQ(status.reason, "timeout");
  EXPECT_EQ(status.failed_polls, 1U);
  EXPECT_EQ(status.last_reading_ms, 1000);
  const PointStatus& b = status.points.at("b");
  EXPECT_EQ(b.value.value, Value(1.0));
  EXPECT_EQ(b.value_ms, 1000);
  EXPECT_EQ(b.attempt_ms, 2000);
  EXPECT_EQ(b.trouble, "timeout");
  EXPECT_FALSE(HasValue(status.points.at("a").value.value));
}

TEST_F(ThingRecordTest, IsStaleWhenNoValueCameForThreeIntervals) {
  Reading good = HalfPoll();
  good.boot_ns = 1;
  record.OnPoll(good);
  EXPECT_EQ(record.Status(1s, BootTime{1} + 3s).state, "ok");
  EXPECT_EQ(record.Status(1s, BootTime{1} + 3s + Duration(1)).state, "stale");
}

}  // namespace
}  // namespace penumbra
