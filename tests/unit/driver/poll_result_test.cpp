#include "driver/poll_result.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace penumbra {
namespace {

using wire::Code;
using wire::RawValue;
using wire::ReadAnswer;

RawValue BadRaw(Code code, const std::string& reason) {
  return {{}, Quality::kBad, code, reason};
}

class PollResultTest : public ::testing::Test {
 protected:
  PollResultTest() {
    thing.name = "t";
    thing.points.resize(2);
    thing.points[0].name = "a";
    thing.points[1].name = "b";
    thing.points[1].scaled = true;
    thing.points[1].scale = 0.1;
    thing.points[1].decimals = 1;
  }
  ThingSettings thing;
  PollTimes times{BootTime{5'000'000'000}, BootTime{6'000'000'000}, 1'700'000'006'000, "boot", false};
};

TEST_F(PollResultTest, ATimeOutsideTheRequestIsReplacedByTheReceipt) {
  for (const std::int64_t ns : {std::int64_t{4'999'999'999}, std::int64_t{6'000'000'001}, std::int64_t{-1},
                                std::numeric_limits<std::int64_t>::max()}) {
    const Reading reading = ReadingOf(thing, {1, Code::kOk, {{Value(1.0), Quality::kGood, Code::kOk, "", ns}}}, times);
    EXPECT_EQ(reading.boot_ns, times.received.ns) << ns;
    EXPECT_EQ(reading.unix_ms, times.received_unix_ms);
  }
}

TEST_F(PollResultTest, TheTimeIsThatOfTheFirstDatedValue) {
  const ReadAnswer answer{1,
                          Code::kOk,
                          {{{}, Quality::kBad, Code::kTimeout, "timeout", 5'100'000'000},
                           {Value(225.0), Quality::kGood, Code::kOk, "", 5'250'000'000}}};
  const Reading reading = ReadingOf(thing, answer, times);
  EXPECT_EQ(reading.boot_ns, 5'250'000'000);
  EXPECT_EQ(reading.unix_ms, 1'700'000'005'250);
  EXPECT_EQ(reading.boot_id, "boot");
  EXPECT_FALSE(reading.time_trusted);
  EXPECT_EQ(reading.values[1].value, Value(22.5));
}

TEST_F(PollResultTest, UncertainStaysUncertainAndNanIsBad) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Reading reading = ReadingOf(
      thing, {1, Code::kOk, {{Value(1.0), Quality::kUncertain, Code::kOk, "self-test failed"}, {Value(nan)}}}, times);
  EXPECT_EQ(reading.values[0], (PointValue{"a", Value(1.0), Quality::kUncertain, "self-test failed"}));
  EXPECT_EQ(reading.values[1], (PointValue{"b", {}, Quality::kBad, "not a number"}));
}

TEST_F(PollResultTest, TextsThatAreNotUtf8GoNoFurther) {
  const Reading reading =
      ReadingOf(thing, {1, Code::kOk, {{Value(std::string("\xFF"))}, BadRaw(Code::kIo, "\xFF")}}, times);
  EXPECT_EQ(reading.values[0].reason, "text is not UTF-8");
  EXPECT_EQ(reading.values[1].reason, "the driver's reason is not UTF-8");
}

TEST_F(PollResultTest, AFailedCallMakesEveryPointBad) {
  const Reading reading = ReadingOf(thing, {1, Code::kIo, {}}, times);
  ASSERT_EQ(reading.values.size(), 2U);
  EXPECT_TRUE(reading.AllBad());
  EXPECT_EQ(reading.values[1].reason, "i/o error");
}

TEST_F(PollResultTest, SilenceIsTimeoutsAndTransportFaultsOnly) {
  const RawValue timeout = BadRaw(Code::kTimeout, "no answer");
  const RawValue io = BadRaw(Code::kIo, "connection refused");
  const RawValue old_driver = BadRaw(Code::kOk, "timeout");
  const RawValue exception = BadRaw(Code::kRefused, "exception 2");
  const RawValue good{Value(true)};
  EXPECT_TRUE(IsSilence({1, Code::kOk, {timeout, io, old_driver}}));
  EXPECT_TRUE(IsSilence({1, Code::kTimeout, {}}));
  EXPECT_FALSE(IsSilence({1, Code::kOk, {timeout, exception}}));
  EXPECT_FALSE(IsSilence({1, Code::kOk, {timeout, good}}));
  EXPECT_FALSE(IsSilence({1, Code::kOk, {BadRaw(Code::kOk, "the driver filled no value")}}));
  EXPECT_FALSE(IsSilence({1, Code::kRefused, {}}));
  EXPECT_FALSE(IsSilence({1, Code::kOk, {}}));
  EXPECT_EQ(SilenceOf({1, Code::kOk, {timeout, io}}), "no answer");
  EXPECT_EQ(SilenceOf({1, Code::kNoDevice, {}}), "no device");
  EXPECT_EQ(SilenceOf({1, Code::kOk, {BadRaw(Code::kTimeout, "\xff")}}), "the driver's reason is not UTF-8");
}

}  // namespace
}  // namespace penumbra
