// SHT4x, HDC302x, HDC1080, AHT20, HTU21D: conversions over all or a million raw values, and each on its emulated chip.
#include "chip_rig.hpp"
#include "i2c/aht20/aht20.hpp"
#include "i2c/hdc1080/hdc1080.hpp"
#include "i2c/hdc302x/hdc302x.hpp"
#include "i2c/htu21d/htu21d.hpp"
#include "i2c/sht4x/sht4x.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;

struct Case {
  const ChipType* type;
  const char* model;
};
class HumidityChip : public ::testing::TestWithParam<Case> {};

TEST_P(HumidityChip, MeasuresWhatItSeesWithinHundredths) {
  ChipRig rig(*GetParam().type, GetParam().model);
  for (const Climate& climate : {Climate{21.5, 45, 1013}, Climate{-33.33, 3.21, 1013}, Climate{80.1, 97.6, 1013}}) {
    rig.chip().climate = climate;
    EXPECT_NEAR(rig.Value(Quantity::kTemperature), climate.temperature, 0.02);
    EXPECT_NEAR(rig.Value(Quantity::kHumidity), climate.humidity, 0.02);
  }
  EXPECT_EQ(rig.counters().measurements, rig.counters().good);
}

TEST_P(HumidityChip, IsResetAndSetUpAgainAfterTroubleAndAfterItsPowerWasAway) {
  ChipRig rig(*GetParam().type, GetParam().model);
  ASSERT_EQ(rig.Reason(), "good");
  rig.SetFault(BusFault::Kind::kNack, 12);
  rig.Read();
  rig.Read();
  rig.SetFault(BusFault::Kind::kNone);
  rig.bus.Advance(100'000'000);
  EXPECT_EQ(rig.Reason(), "good");
  EXPECT_GE(rig.counters().resets, 1U);
  rig.Replug(GetParam().model);
  rig.bus.Advance(50'000'000);
  EXPECT_EQ(rig.Reason(), "good");
}

TEST_P(HumidityChip, ThatIsGoneIsNoAnswer) {
  ChipRig rig(*GetParam().type, GetParam().model);
  rig.Unplug();
  EXPECT_EQ(rig.Reason(), "no answer (NACK)");
}

INSTANTIATE_TEST_SUITE_P(All, HumidityChip,
                         ::testing::Values(Case{&sht4x::kType, "sht4x"}, Case{&hdc302x::kType, "hdc302x"},
                                           Case{&hdc1080::kType, "hdc1080"}, Case{&aht20::kType, "aht20"},
                                           Case{&htu21d::kType, "htu21d"}),
                         [](const auto& chip) { return std::string(chip.param.model); });

TEST(Sht4x, AgreesWithTheFormulaForEveryRawValueAndCropsTheHumidity) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    EXPECT_NEAR(static_cast<double>(ShtCentiCelsius(word)) / 100, -45 + 175 * (raw / 65535.0), 0.00501);
    EXPECT_NEAR(static_cast<double>(sht4x::CentiPercent(word)) / 100,
                std::clamp(-6 + 125 * (raw / 65535.0), 0.0, 100.0), 0.00501);
  }
}

TEST(Hdc1080, AgreesWithTheFormulaForEveryRawValue) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    EXPECT_NEAR(static_cast<double>(hdc1080::CentiCelsius(word)) / 100, raw / 65536.0 * 165 - 40, 0.00501);
    EXPECT_NEAR(static_cast<double>(hdc1080::CentiPercent(word)) / 100, raw / 65536.0 * 100, 0.00501);
  }
}

TEST(Htu21d, HasTheDatasheetsCheckSumsAndConversions) {
  // HPC199_6, page 14. Older issues call the second a temperature and the third a humidity, the one of 2017 the other
  // way round: both are what the formulas say.
  const std::array<std::uint8_t, 1> dc{0xDC};
  const std::array<std::uint8_t, 2> first{0x68, 0x3A}, second{0x4E, 0x85};
  EXPECT_EQ(Crc8(dc, 0), 0x79);
  EXPECT_EQ(Crc8(first, 0), 0x7C);
  EXPECT_EQ(Crc8(second, 0), 0x6B);
  EXPECT_EQ(htu21d::CentiCelsius(0x683A), 2469);  // 24.7 Cel
  EXPECT_EQ(htu21d::CentiPercent(0x4E85), 3234);  // 32.3 %
  EXPECT_EQ(htu21d::CentiPercent(0x683A), 4489);  // 44.8 % (cut)
  EXPECT_EQ(htu21d::CentiCelsius(0x4E85), 704);   // 7.04 Cel
  // Pages 11 and 15.
  EXPECT_EQ(htu21d::CentiPercent(0x7C80), 5479);  // 54.8 %
}

TEST(Htu21d, AgreesWithTheFormulaForEveryRawValueAndCropsTheHumidity) {
  for (int raw = 0; raw <= 65535; ++raw) {
    const auto word = static_cast<std::uint16_t>(raw);
    const int kept = raw & ~3;
    EXPECT_NEAR(static_cast<double>(htu21d::CentiCelsius(word)) / 100, -46.85 + 175.72 * (kept / 65536.0), 0.00501);
    EXPECT_NEAR(static_cast<double>(htu21d::CentiPercent(word)) / 100,
                std::clamp(-6 + 125 * (kept / 65536.0), 0.0, 100.0), 0.00501);
  }
}

TEST(Aht20, ConvertsTheEndsAndTheMiddleOfTheScale) {
  EXPECT_EQ(aht20::CentiCelsius(0), -5000);
  EXPECT_EQ(aht20::CentiCelsius(1 << 19), 5000);
  EXPECT_EQ(aht20::CentiCelsius((1 << 20) - 1), 15000);
  EXPECT_EQ(aht20::CentiPercent(1 << 19), 5000);
}

TEST(Aht20, DecodesAnswersOfRealChips) {
  // As the elixir-sensors/aht20 and peff74/ESP_AHT20_BMP280 projects print them.
  constexpr std::array<std::uint8_t, aht20::kAnswerSize> kFirst{0x1C, 0x26, 0x9A, 0x76, 0x42, 0xE7, 0x76},
      kSecond{0x18, 0x93, 0xAC, 0x95, 0x2A, 0xC5, 0xB3};
  Values first, second;
  ASSERT_EQ(aht20::Decode(kFirst, first), Fault::kNone);
  EXPECT_EQ(first.Get(Quantity::kTemperature), 28.27);
  EXPECT_EQ(first.Get(Quantity::kHumidity), 15.08);
  ASSERT_EQ(aht20::Decode(kSecond, second), Fault::kNone);
  EXPECT_EQ(second.Get(Quantity::kTemperature), 14.59);
  EXPECT_EQ(second.Get(Quantity::kHumidity), 57.69);
}

TEST(Aht20, SurvivesAMillionRandomAnswers) {
  DecodesRandomAnswers<aht20::kAnswerSize>([](std::span<std::uint8_t, aht20::kAnswerSize> answer, Values& values) {
    answer[6] = Crc8(answer.first<6>());
    const Fault fault = aht20::Decode(answer, values);
    EXPECT_CHEAPLY(fault == ((answer[0] & 0x80) != 0 ? Fault::kNotReady : Fault::kNone));
    if (fault == Fault::kNone) {
      const double t = values.Get(Quantity::kTemperature).value(), rh = values.Get(Quantity::kHumidity).value();
      EXPECT_CHEAPLY(t >= -50 && t <= 150 && rh >= 0 && rh <= 100);
    }
    return fault;
  });
}

TEST(CheckSums, AWrongBitAnywhereIsSeen) {
  const std::array<std::uint8_t, 6> good{0xBE, 0xEF, 0x92, 0xBE, 0xEF, 0x92};
  for (std::size_t bit = 0; bit < 48; ++bit) {
    auto wrong = good;
    wrong[bit / 8] = static_cast<std::uint8_t>(wrong[bit / 8] ^ 1U << bit % 8);
    Values none;
    EXPECT_EQ(DecodePair(wrong, sht4x::kScale, none), Fault::kCrc);
    EXPECT_EQ(DecodePair(wrong, hdc302x::kScale, none), Fault::kCrc);
    EXPECT_FALSE(none.Get(Quantity::kTemperature));
  }
}

}  // namespace
}  // namespace penumbra::test
