#include "i2c/bme280/bme280.hpp"

#include "chip_rig.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;
using ::testing::HasSubstr;

// BST-BMP280-DS001, section 3.12.
bme280::Calibration ExampleCalibration() {
  bme280::Calibration c;
  c.t1 = 27504, c.t2 = 26435, c.t3 = -1000;
  c.p1 = 36477, c.p2 = -10685, c.p3 = 3024, c.p4 = 2855, c.p5 = 140, c.p6 = -7, c.p7 = 15500, c.p8 = -14600;
  c.p9 = 6000;
  c.h1 = 75, c.h2 = 362, c.h3 = 0, c.h4 = 313, c.h5 = 50, c.h6 = 30;
  return c;
}

TEST(Bme280, IsBitExactOnTheDatasheetsWorkedExample) {
  const auto fine = bme280::FineTemperature(ExampleCalibration(), 519888);
  ASSERT_EQ(fine, 128422);
  EXPECT_EQ(bme280::CentiCelsius(*fine), 2508);
  // The figure prints 25767236, which comes from floating point; the integer formula of the datasheet gives 3 / 256 Pa
  // less, as its footnote says it may.
  EXPECT_EQ(bme280::PascalTimes256(ExampleCalibration(), *fine, 415148), 25767233U);
}

TEST(Bme280, ReadsTheTwelveBitTrimmingWordsWithTheirSigns) {
  std::array<std::uint8_t, bme280::kFirstBlock> first{};
  first[0] = 0x70, first[1] = 0x6B, first[25] = 75;
  std::array<std::uint8_t, bme280::kSecondBlock> second{0x6A, 0x01, 0xFF, 0xFF, 0x2E, 0x80, 0x80};
  const bme280::Calibration c = bme280::ParseCalibration(first, second);
  EXPECT_EQ(c.t1, 27504);
  EXPECT_EQ(c.h1, 75);
  EXPECT_EQ(c.h2, 362);
  EXPECT_EQ(c.h3, 255);
  EXPECT_EQ(c.h4, -2);  // 0xFFE of 12 bits
  EXPECT_EQ(c.h5, -2046);
  EXPECT_EQ(c.h6, -128);
}

TEST(Bme280, SurvivesAMillionRandomAnswersAndTrimmingWords) {
  std::mt19937_64 random(1);
  constexpr std::size_t kSize = bme280::kFirstBlock + bme280::kSecondBlock + bme280::kDataSize;
  const bme280::Calibration good = ExampleCalibration();
  DecodesRandomAnswers<kSize>([&](std::span<std::uint8_t, kSize> bytes, Values& values) {
    const auto data = bytes.last<bme280::kDataSize>();
    const bme280::Calibration random_words = bme280::ParseCalibration(
        bytes.first<bme280::kFirstBlock>(), bytes.subspan<bme280::kFirstBlock, bme280::kSecondBlock>());
    const Fault fault = bme280::Decode(random() % 2 == 0 ? good : random_words, random() % 2 == 0, data, values);
    const double humidity = values.Get(Quantity::kHumidity).value_or(0);
    EXPECT_CHEAPLY(humidity >= 0 && humidity <= 100);
    return fault;
  });
}

TEST(Bme280, TakesTheRegistersResetValuesForNoMeasurement) {
  std::array<std::uint8_t, bme280::kDataSize> data{0x80, 0, 0, 0x80, 0, 0, 0x80, 0};
  Values values;
  EXPECT_EQ(bme280::Decode(ExampleCalibration(), true, data, values), Fault::kNotReady);
}

// The model computes in floating point, the driver in integers: they agree within what the datasheet grants.
TEST(Bme280, MeasuresWhatTheChipSees) {
  ChipRig rig(bme280::kType, "bme280");
  for (const Climate& climate : {Climate{21.5, 45, 1013.25}, Climate{-30, 8, 870}, Climate{70, 93, 400}}) {
    rig.chip().climate = climate;
    const auto results = rig.Read();
    ASSERT_TRUE(results[0].value && results[1].value && results[2].value) << results[0].reason;
    EXPECT_NEAR(*results[0].value, climate.temperature, 0.02);
    EXPECT_NEAR(*results[1].value, climate.humidity, 0.05);
    EXPECT_NEAR(*results[2].value, climate.pressure, 0.05);
  }
}

TEST(Bme280, WaitsForEveryOversampling) {
  for (const int oversampling : {1, 2, 4, 8, 16}) {
    ChipRig rig(bme280::kType, "bme280", {{"oversampling", oversampling}, {"filter", 16}});
    EXPECT_EQ(rig.Reason(), "good") << oversampling;
    EXPECT_EQ(rig.counters().measurements, 1U);
  }
}

TEST(Bme280, MeasuresRightAfterThePowerWasAwayInBetween) {
  ChipRig rig(bme280::kType, "bme280", {{"address", 0x77}});
  EXPECT_EQ(rig.Reason(), "good");
  rig.Replug("bme280");
  rig.bus.Advance(5'000'000);
  EXPECT_NEAR(rig.Value(Quantity::kHumidity), 45, 0.05);
}

TEST(Bme280, SaysWhichChipAnswersInItsPlace) {
  ChipRig rig(bme280::kType, "bme280");
  rig.Unplug();
  rig.bus.world.Plug(0x76, "tmp102", rig.bus.NowNs());
  EXPECT_EQ(rig.Reason(), "another chip answers");
  ASSERT_FALSE(rig.log.empty());
  EXPECT_THAT(rig.log.back(), HasSubstr("a BME280 has 0x60"));
}

}  // namespace
}  // namespace penumbra::test
