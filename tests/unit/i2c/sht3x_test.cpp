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
  EXPECT_EQ(sht3x::CentiCelsius(0), -4500);
  EXPECT_EQ(sht3x::CentiCelsius(65535), 13000);
  EXPECT_EQ(sht3x::CentiPercent(0), 0);
  EXPECT_EQ(sht3x::CentiPercent(65535), 10000);
  EXPECT_EQ(sht3x::CentiCelsius(0x6666), 2500);  // 26214 / 65535 = 0.4 exactly
  EXPECT_EQ(sht3x::CentiPercent(0x8000), 5000);
}

TEST(Sht3x, AgreesWithTheFormulaForEveryRawValue) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    EXPECT_NEAR(static_cast<double>(sht3x::CentiCelsius(word)) / 100, -45 + 175 * (raw / 65535.0), 0.00501);
    EXPECT_NEAR(static_cast<double>(sht3x::CentiPercent(word)) / 100, 100 * (raw / 65535.0), 0.00501);
  }
}

TEST(Sht3x, BelievesNoAnswerWithAWrongCheckSum) {
  std::array<std::uint8_t, sht3x::kAnswerSize> answer{0xBE, 0xEF, 0x92, 0xBE, 0xEF, 0x92};
  Values values;
  ASSERT_EQ(sht3x::Decode(answer, values), Fault::kNone);
  for (std::size_t bit = 0; bit < 8 * answer.size(); ++bit) {
    auto wrong = answer;
    wrong[bit / 8] = static_cast<std::uint8_t>(wrong[bit / 8] ^ 1U << bit % 8);
    Values none;
    EXPECT_EQ(sht3x::Decode(wrong, none), Fault::kCrc) << bit;
    EXPECT_FALSE(none.Get(Quantity::kTemperature));
  }
}

TEST(Sht3x, SurvivesAMillionRandomAnswers) {
  DecodesRandomAnswers<sht3x::kAnswerSize>([](std::span<std::uint8_t, sht3x::kAnswerSize> answer, Values& values) {
    answer[2] = Crc8(answer.first<2>());  // most random answers would not come past the check sum
    answer[5] = Crc8(answer.subspan<3, 2>());
    const Fault fault = sht3x::Decode(answer, values);
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

TEST(Sht3x, DoesNotBelieveTemperaturesOutsideItsRange) {
  ChipRig rig(sht3x::kType, "sht3x");
  rig.chip().climate.temperature = 127;
  const auto results = rig.Read();
  EXPECT_STREQ(results[0].reason, "outside the chip's range");
  EXPECT_TRUE(results[1].value);
}

}  // namespace
}  // namespace penumbra::test
