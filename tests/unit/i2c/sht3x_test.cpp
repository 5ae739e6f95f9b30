#include "i2c/sht3x/sht3x.hpp"

#include "chip_rig.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(Sht3x, HasTheCheckSumOfTheDatasheetsExample) {
  const std::array<std::uint8_t, 2> word{0xBE, 0xEF};  // section 4.12, table 20
  EXPECT_EQ(Crc8(word), 0x92);
}

TEST(Sht3x, ConvertsTheEndsAndTheMiddleOfTheScale) {
  // Section 4.13: the ends are exact, the rest lies on the line between them.
  EXPECT_EQ(ShtCentiCelsius(0), -4500);
  EXPECT_EQ(ShtCentiCelsius(65535), 13000);
  EXPECT_EQ(ShtCentiPercent(0), 0);
  EXPECT_EQ(ShtCentiPercent(65535), 10000);
  EXPECT_EQ(ShtCentiCelsius(0x6666), 2500);  // 26214 / 65535 = 0.4 exactly
  EXPECT_EQ(ShtCentiPercent(0x8000), 5000);
}

TEST(Sht3x, AgreesWithTheFormulaForEveryRawValue) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    EXPECT_NEAR(static_cast<double>(ShtCentiCelsius(word)) / 100, -45 + 175 * (raw / 65535.0), 0.00501);
    EXPECT_NEAR(static_cast<double>(ShtCentiPercent(word)) / 100, 100 * (raw / 65535.0), 0.00501);
  }
}

TEST(Sht3x, BelievesNoAnswerWithAWrongCheckSum) {
  std::array<std::uint8_t, kPairSize> answer{0xBE, 0xEF, 0x92, 0xBE, 0xEF, 0x92};
  Values values;
  ASSERT_EQ(DecodePair(answer, sht3x::kScale, values), Fault::kNone);
  for (std::size_t bit = 0; bit < 8 * answer.size(); ++bit) {
    auto wrong = answer;
    wrong[bit / 8] = static_cast<std::uint8_t>(wrong[bit / 8] ^ 1U << bit % 8);
    Values none;
    EXPECT_EQ(DecodePair(wrong, sht3x::kScale, none), Fault::kCrc) << bit;
    EXPECT_FALSE(none.Get(Quantity::kTemperature));
  }
}

TEST(Sht3x, SurvivesAMillionRandomAnswers) {
  DecodesRandomAnswers<kPairSize>([](std::span<std::uint8_t, kPairSize> answer, Values& values) {
    answer[2] = Crc8(answer.first<2>());  // most random answers would not come past the check sum
    answer[5] = Crc8(answer.subspan<3, 2>());
    const Fault fault = DecodePair(answer, sht3x::kScale, values);
    const double t = values.Get(Quantity::kTemperature).value(), rh = values.Get(Quantity::kHumidity).value();
    EXPECT_CHEAPLY(t >= -45 && t <= 130 && rh >= 0 && rh <= 100);
    return fault;
  });
}

TEST(Sht3x, MeasuresWhatTheChipSees) {
  ChipRig rig(sht3x::kType, "sht3x");
  rig.chip().climate = {.temperature = -12.34, .humidity = 56.78};
  const auto results = rig.Read();
  EXPECT_EQ(results[0].value, -12.34);
  EXPECT_EQ(results[1].value, 56.78);
}

TEST(Sht3x, WaitsAsLongAsEachRepeatabilityNeeds) {
  for (const char* repeatability : {"high", "medium", "low"}) {
    ChipRig rig(sht3x::kType, "sht3x", {{"repeatability", repeatability}});
    EXPECT_EQ(rig.Reason(), "good") << repeatability;
    EXPECT_EQ(rig.counters().measurements, 1U) << repeatability;
  }
}

TEST(Sht3x, TurnsTheHeaterOnOnlyWhenAsked) {
  ChipRig cold(sht3x::kType, "sht3x");
  ChipRig warm(sht3x::kType, "sht3x", {{"heater", true}});
  EXPECT_GT(warm.Value(Quantity::kTemperature), cold.Value(Quantity::kTemperature) + 2);
  EXPECT_THAT(warm.bus.world.trace(), Contains("44 w 30 6d"));
  EXPECT_THAT(cold.bus.world.trace(), Contains("44 w 30 66"));
}

TEST(Sht3x, ValuesOfAWarmChipAreUncertain) {
  ChipRig warm(sht3x::kType, "sht3x", {{"heater", true}});
  for (const PointOutcome& point : warm.Read()) {
    EXPECT_TRUE(point.value);
    EXPECT_EQ(point.status, PENUMBRA_OK);
    EXPECT_STREQ(point.reason, "its heater is on");
  }
}

TEST(Sht3x, AHeaterThatSomebodyElseLeftOnIsTurnedOffAndTheChipGetsItsMinuteToCoolDown) {
  ChipRig rig(sht3x::kType, "sht3x");
  const std::array<std::uint8_t, 2> on{0x30, 0x6D};
  ASSERT_TRUE(rig.chip().Write(on, rig.bus.NowNs()));
  EXPECT_STREQ(rig.Read()[0].reason, "still warm from its heater");
  rig.bus.Advance(59'000'000'000);
  EXPECT_STREQ(rig.Read()[0].reason, "still warm from its heater");
  rig.bus.Advance(1'000'000'000);
  EXPECT_EQ(rig.Read()[0].reason, nullptr);
  EXPECT_EQ(rig.Value(Quantity::kTemperature), 21.5);
}

TEST(Sht3x, DoesNotBelieveTemperaturesOutsideItsRange) {
  ChipRig rig(sht3x::kType, "sht3x");
  rig.chip().climate.temperature = 127;
  const auto results = rig.Read();
  EXPECT_STREQ(results[0].reason, "outside the chip's range");
  EXPECT_TRUE(results[1].value);
}

}  // namespace
}  // namespace penumbra::test
