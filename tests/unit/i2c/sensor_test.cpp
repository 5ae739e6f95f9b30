// What every chip's driver does when the bus or the chip fails. On an SHT3x, which shows all of it.
#include "i2c/core/sensor.hpp"

#include "chip_rig.hpp"
#include "i2c/bme280/bme280.hpp"
#include "i2c/sht3x/sht3x.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = BusFault::Kind;

class SensorFaults : public ::testing::Test {
 protected:
  ChipRig rig{sht3x::kType, "sht3x"};
};

TEST_F(SensorFaults, OneDisturbedTransactionIsRepeatedAndNotSeen) {
  ASSERT_EQ(rig.Reason(), "good");
  for (const Kind kind : {Kind::kNack, Kind::kCrc, Kind::kArbitration, Kind::kBusy, Kind::kIo, Kind::kStretch}) {
    rig.SetFault(kind, 1, 1'000'000);
    EXPECT_EQ(rig.Reason(), "good") << static_cast<int>(kind);
  }
}

TEST_F(SensorFaults, EachFaultHasItsReason) {
  ASSERT_EQ(rig.Reason(), "good");
  const std::pair<Kind, const char*> expected[] = {{Kind::kNack, "no answer (NACK)"},
                                                   {Kind::kCrc, "CRC error"},
                                                   {Kind::kArbitration, "lost arbitration"},
                                                   {Kind::kBusy, "bus busy"},
                                                   {Kind::kIo, "adapter error"}};
  for (const auto& [kind, reason] : expected) {
    rig.SetFault(kind);
    EXPECT_EQ(rig.Reason(), reason);
  }
}

TEST_F(SensorFaults, AStuckBusEndsWithinTheDeadline) {
  ASSERT_EQ(rig.Reason(), "good");
  rig.SetFault(Kind::kStuck, -1, 400'000'000);
  const std::int64_t begun = rig.bus.NowNs();
  EXPECT_EQ(rig.Reason(), "bus stuck (timeout)");
  EXPECT_LE(rig.bus.NowNs() - begun, 1'000'000'000);
}

TEST_F(SensorFaults, AWaitThatWouldPassTheDeadlineIsNotBegun) {
  ASSERT_EQ(rig.Reason(), "good");
  std::vector<PointOutcome> results;
  const std::vector<std::uint32_t> points{0};
  const std::int64_t begun = rig.bus.NowNs();
  rig.session->Read(rig.bus, 0, points, {begun + 5'000'000, -1}, results);
  EXPECT_STREQ(results[0].reason, "deadline");
  EXPECT_LT(rig.bus.NowNs(), begun + 5'000'000);
}

TEST_F(SensorFaults, ACancelledReadSaysSoAndCountsAsNoFailure) {
  rig.bus.cancelled = true;
  EXPECT_EQ(rig.Read()[0].status, PENUMBRA_CANCELLED);
  rig.bus.cancelled = false;
  EXPECT_EQ(rig.Reason(), "good");
  EXPECT_EQ(rig.counters().resets, 0U);
}

TEST_F(SensorFaults, AChipThatKeepsFailingIsResetAndSetUpAgain) {
  ASSERT_EQ(rig.Reason(), "good");
  rig.SetFault(Kind::kCrc, 4);  // two polls with their repetitions
  EXPECT_EQ(rig.Reason(), "CRC error");
  EXPECT_THAT(rig.bus.world.trace(), Not(Contains("44 w 30 a2")));
  rig.Read();
  EXPECT_THAT(rig.bus.world.trace(), Contains("44 w 30 a2"));
  EXPECT_GE(rig.counters().resets, 1U);
  rig.SetFault(Kind::kNone);
  EXPECT_EQ(rig.Reason(), "good");
}

TEST_F(SensorFaults, AChipThatWasUnpluggedIsSetUpAgainWhenItIsBack) {
  ChipRig warm(sht3x::kType, "sht3x", {{"heater", true}});
  ASSERT_EQ(warm.Reason(), "good");
  warm.Unplug();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(warm.Reason(), "no answer (NACK)");
  warm.Replug("sht3x");
  warm.bus.Advance(10'000'000);
  EXPECT_GT(warm.Value(Quantity::kTemperature), 23);  // with its heater on again
}

TEST_F(SensorFaults, ABusThatGoesAndComesBackNeedsNoRestart) {
  ASSERT_EQ(rig.Reason(), "good");
  rig.bus.world.SetPresent(false, rig.bus.NowNs());
  EXPECT_EQ(rig.Reason(), "adapter error");
  rig.bus.world.SetPresent(true, rig.bus.NowNs());
  rig.bus.Advance(10'000'000);
  EXPECT_EQ(rig.Reason(), "good");
}

TEST_F(SensorFaults, TheLogSpeaksAtTheChangeAndNotAtEachPoll) {
  ASSERT_EQ(rig.Reason(), "good");
  EXPECT_TRUE(rig.log.empty());
  rig.SetFault(Kind::kNack);
  for (int i = 0; i < 20; ++i) rig.Read();
  ASSERT_EQ(rig.log.size(), 1U);
  EXPECT_THAT(rig.log[0], HasSubstr("thing=sensor address=0x44: no answer (NACK)"));
  rig.SetFault(Kind::kNone);
  rig.Read();
  ASSERT_EQ(rig.log.size(), 2U);
  EXPECT_THAT(rig.log[1], HasSubstr("answers again"));
}

TEST_F(SensorFaults, AnAddressOfAKernelDriverIsRefusedWithoutRepetition) {
  rig.bus.world.Own(0x44);
  EXPECT_EQ(rig.Reason(), "address owned by a kernel driver");
  EXPECT_EQ(rig.counters().measurements, 1U);
  EXPECT_EQ(rig.bus.world.transactions(), 0U);
}

TEST_F(SensorFaults, UnknownThingsAndPointsAreRefused) {
  std::vector<PointOutcome> results;
  const std::vector<std::uint32_t> wrong{7}, right{0};
  EXPECT_FALSE(rig.session->Read(rig.bus, 0, wrong, rig.bus.Second(), results));
  EXPECT_FALSE(rig.session->Read(rig.bus, 1, right, rig.bus.Second(), results));
}

// A bit error that no check sum covers (the BME280 has none) is at least never a value outside the chip's range.
TEST(SensorRanges, ABme280WithBitErrorsGivesNoImpossibleValue) {
  ChipRig rig(bme280::kType, "bme280");
  ASSERT_EQ(rig.Reason(), "good");
  rig.SetFault(Kind::kCrc);
  for (int i = 0; i < 50; ++i) {
    for (const PointOutcome& point : rig.Read()) {
      if (point.value) {
        EXPECT_TRUE(*point.value >= -40 && *point.value <= 1100);
      }
    }
  }
}

}  // namespace
}  // namespace penumbra::test
