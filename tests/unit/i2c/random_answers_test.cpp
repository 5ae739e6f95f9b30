// A million random answers through the conversion of each chip: a value is always finite and inside what the formula
// can give, or there is none. SHT3x, AHT20 and BME280 have theirs beside their other tests; that values outside the
// chip's range are not given as good is sensor_test's.
#include "chip_rig.hpp"
#include "i2c/hdc1080/hdc1080.hpp"
#include "i2c/hdc302x/hdc302x.hpp"
#include "i2c/htu21d/htu21d.hpp"
#include "i2c/lm75/lm75.hpp"
#include "i2c/mcp9808/mcp9808.hpp"
#include "i2c/sht4x/sht4x.hpp"
#include "i2c/tmp102/tmp102.hpp"

namespace penumbra::test {
namespace {

using namespace i2c;

// Of values that the conversion has set.
void ExpectInside(const Values& values, double coldest, double hottest) {
  const double celsius = values.Get(Quantity::kTemperature).value();
  EXPECT_CHEAPLY(celsius >= coldest && celsius <= hottest);
  const double percent = values.Get(Quantity::kHumidity).value_or(0);
  EXPECT_CHEAPLY(percent >= 0 && percent <= 100);
}

void PairSurvives(const PairScale& scale) {
  DecodesRandomAnswers<kPairSize>([&](std::span<std::uint8_t, kPairSize> answer, Values& values) {
    answer[2] = Crc8(answer.first<2>());  // most random answers would not come past the check sum
    answer[5] = Crc8(answer.subspan<3, 2>());
    const Fault fault = DecodePair(answer, scale, values);
    ExpectInside(values, -45, 130);
    return fault;
  });
}

// `sixteenths(word, any byte)` of a thermometer with one register.
template <typename Sixteenths>
void WordSurvives(double coldest, double hottest, Sixteenths sixteenths) {
  DecodesRandomAnswers<3>([&](std::span<std::uint8_t, 3> answer, Values& values) {
    values.Set(Quantity::kTemperature, Scaled(sixteenths(BigEndian16(answer.first<2>()), answer[2]), 16));
    ExpectInside(values, coldest, hottest);
    return Fault::kNone;
  });
}

TEST(AMillionRandomAnswers, LeaveAnSht4xInsideItsScale) {
  PairSurvives(sht4x::kScale);
}

TEST(AMillionRandomAnswers, LeaveAnHdc302xInsideItsScale) {
  PairSurvives(hdc302x::kScale);
}

TEST(AMillionRandomAnswers, LeaveAnHdc1080InsideItsScale) {
  DecodesRandomAnswers<hdc1080::kAnswerSize>([](std::span<std::uint8_t, hdc1080::kAnswerSize> answer, Values& values) {
    hdc1080::Decode(answer, values);
    ExpectInside(values, -40, 125);
    return Fault::kNone;
  });
}

TEST(AMillionRandomAnswers, LeaveAnHtu21dInsideItsScale) {
  DecodesRandomAnswers<htu21d::kAnswerSize>([](std::span<std::uint8_t, htu21d::kAnswerSize> answer, Values& values) {
    answer[2] = Crc8(answer.first<2>(), 0);
    std::uint16_t raw = 0;
    const Fault fault = htu21d::Decode(answer, raw);
    values.Set(Quantity::kTemperature, Scaled(htu21d::CentiCelsius(raw), 100));
    values.Set(Quantity::kHumidity, Scaled(htu21d::CentiPercent(raw), 100));
    ExpectInside(values, -46.85, 128.87);
    return fault;
  });
}

TEST(AMillionRandomAnswers, LeaveTheThermometersInsideTheirScales) {
  WordSurvives(-256, 256, [](std::uint16_t word, int) { return tmp102::Sixteenths(word); });
  WordSurvives(-256, 256, [](std::uint16_t word, int) { return mcp9808::Sixteenths(word); });
  WordSurvives(-128, 128, [](std::uint16_t word, int any) { return lm75::Sixteenths(word, 9 + any % 4); });
}

}  // namespace
}  // namespace penumbra::test
