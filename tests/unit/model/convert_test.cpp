#include "model/convert.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace penumbra {
namespace {

PointSettings Scaled(double scale, double offset = 0) {
  PointSettings point;
  point.name = "t";
  point.scale = scale;
  point.offset = offset;
  point.scaled = true;
  point.decimals = std::max(DecimalsOf(scale), DecimalsOf(offset));
  return point;
}

TEST(ConvertTest, RoundsAScaledValueToTheDecimalsOfItsScale) {
  EXPECT_EQ(ToJsonText(Convert(Scaled(0.1), std::int64_t{225}).value), "22.5");
  EXPECT_EQ(ToJsonText(Convert(Scaled(0.1), std::int64_t{3}).value), "0.3");  // 3 * 0.1 is 0.30000000000000004
  EXPECT_EQ(ToJsonText(Convert(Scaled(0.01, -40), std::int64_t{6123}).value), "21.23");
  EXPECT_EQ(ToJsonText(Convert(Scaled(10), std::int64_t{7}).value), "70");
  EXPECT_EQ(ToJsonText(Convert(Scaled(0.1), std::int64_t{0}).value), "0");
}

TEST(ConvertTest, KeepsUnscaledIntegersExact) {
  PointSettings point;
  EXPECT_EQ(ToJsonText(Convert(point, std::uint64_t{18446744073709551615ULL}).value), "18446744073709551615");
  EXPECT_EQ(ToJsonText(Convert(point, std::int64_t{-9007199254740993}).value), "-9007199254740993");
  EXPECT_EQ(ToJsonText(Convert(point, true).value), "true");
}

TEST(ConvertTest, NotANumberIsBadAndNeverAValue) {
  for (const double v : {NAN, INFINITY, -INFINITY}) {
    const PointValue value = Convert(PointSettings{}, v);
    EXPECT_EQ(value.quality, Quality::kBad);
    EXPECT_FALSE(HasValue(value.value));
    EXPECT_EQ(value.reason, "not a number");
  }
  EXPECT_EQ(Convert(Scaled(1e300), 1e300).quality, Quality::kBad);
}

TEST(ConvertTest, ASentinelOrAnImplausibleValueIsBadWithItsReason) {
  PointSettings point = Scaled(0.1);
  point.invalid = {32767};
  point.min = -40;
  point.max = 125;
  EXPECT_EQ(Convert(point, std::int64_t{32767}).reason, "sentinel 32767");
  EXPECT_EQ(Convert(point, std::int64_t{1251}).reason, "above max: 125.1 > 125");
  EXPECT_EQ(Convert(point, std::int64_t{-401}).reason, "below min: -40.1 < -40");
  EXPECT_EQ(Convert(point, std::int64_t{1250}).quality, Quality::kGood);
}

TEST(ConvertTest, WritingUndoesTheScale) {
  const auto raw = ToRaw(Scaled(0.1), 22.5);
  ASSERT_TRUE(raw);
  EXPECT_NEAR(std::get<double>(*raw), 225, 1e-9);
  EXPECT_EQ(*ToRaw(PointSettings{}, std::int64_t{0}), Value(std::int64_t{0}));
  EXPECT_FALSE(ToRaw(Scaled(0.1), std::string("warm")));
  EXPECT_FALSE(ToRaw(Scaled(0.1), true));
}

TEST(ConvertTest, CountsDecimals) {
  EXPECT_EQ(DecimalsOf(0.1), 1);
  EXPECT_EQ(DecimalsOf(0.25), 2);
  EXPECT_EQ(DecimalsOf(10), 0);
  EXPECT_EQ(DecimalsOf(1e-3), 3);
  EXPECT_EQ(DecimalsOf(-273.15), 2);
  EXPECT_EQ(DecimalsOf(0), 0);
}

}  // namespace
}  // namespace penumbra
