#include "rules/number.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace penumbra::rules {
namespace {

using Rounding = Number::Rounding;

Number N(const std::string& text) {
  const auto number = Number::Parse(text);
  EXPECT_TRUE(number) << text;
  return number.value_or(Number());
}

std::string Text(const std::optional<Number>& number) {
  return number ? number->Text() : "none";
}

TEST(RuleNumber, RefusesWhatIsNoNumber) {
  for (const char* text :
       {"", "-", ".5", "5.", "1.2.3", "1e", "1e+", "0x1", " 1", "1 ", "--1", "NaN", "1e1.5", "1_0"}) {
    EXPECT_FALSE(Number::Parse(text)) << text;
  }
  EXPECT_FALSE(Number::Parse("1E1000"));
  EXPECT_FALSE(Number::Parse("1e99999999999"));
  EXPECT_EQ(N("1e-99999999999").Text(), "0");
  EXPECT_FALSE(Number::FromDouble(std::nan("")));
  EXPECT_FALSE(Number::FromDouble(HUGE_VAL));
}

TEST(RuleNumber, WritesAsItReads) {
  const std::pair<const char*, const char*> kCases[] = {
      {"0", "0"},
      {"-0", "0"},
      {"22.50", "22.5"},
      {"10.0", "10"},
      {"-1.25", "-1.25"},
      {"0.001", "0.001"},
      {"0.0000001", "0.0000001"},
      {"0.00000001", "1E-8"},
      {"1e3", "1000"},
      {"5E-12", "5E-12"},
      {"1E33", "1000000000000000000000000000000000"},
      {"1E34", "1E+34"},
      {"1.5E+40", "1.5E+40"},
      {"9999999999999999999999999999999999", "9999999999999999999999999999999999"},
      {"1763841600123", "1763841600123"},
      {"18446744073709551615", "18446744073709551615"},
      // 35 digits: rounded half to even at 34.
      {"12345678901234567890123456789012345", "1.234567890123456789012345678901234E+34"},
      {"12345678901234567890123456789012355", "1.234567890123456789012345678901236E+34"},
      {"99999999999999999999999999999999999", "1E+35"},
      {"0.12345678901234567890123456789012345", "0.1234567890123456789012345678901234"},
      {"0.123456789012345678901234567890123450000000000000000000000000000000000000000000000001",
       "0.1234567890123456789012345678901235"},
      {"000000000000000000000000000000000000000000000000000000000000000000000000000007", "7"},
  };
  for (const auto& [in, out] : kCases) EXPECT_EQ(N(in).Text(), out) << in;
}

TEST(RuleNumber, CalculatesInDecimalsAndNotInBinary) {
  EXPECT_EQ(Text(Number::Add(N("0.1"), N("0.2"))), "0.3");
  EXPECT_EQ(Text(Number::Add(*Number::Multiply(N("22.4"), N("1.8")), N("32"))), "72.32");
  EXPECT_EQ(Text(Number::Subtract(N("1E34"), N("1"))), "9999999999999999999999999999999999");
  EXPECT_EQ(Text(Number::Add(N("1E100"), N("1"))), "1E+100");
  EXPECT_EQ(Text(Number::Add(N("1E100"), N("-1E-100"))), "1E+100");
  EXPECT_EQ(Text(Number::Add(N("0"), N("1E-900"))), "1E-900");
  EXPECT_EQ(Text(Number::Subtract(N("5"), N("5"))), "0");
  EXPECT_EQ(Text(Number::Multiply(N("9999999999999999999999999999999999"), N("9999999999999999999999999999999999"))),
            "9.999999999999999999999999999999998E+67");
  EXPECT_EQ(Text(Number::Multiply(N("1E999"), N("10"))), "none");
  EXPECT_EQ(Text(Number::Multiply(N("1E-999"), N("0.1"))), "0");
  EXPECT_EQ(Text(Number::Divide(N("1.0"), N("3"))), "0.3333333333333333333333333333333333");
  EXPECT_EQ(Text(Number::Divide(N("2.0"), N("3"))), "0.6666666666666666666666666666666667");
  EXPECT_EQ(Text(Number::Divide(N("1.0"), N("1234567890123"))), "8.100000072902997656153953014518354E-13");
  EXPECT_EQ(Text(Number::Divide(N("1.0"), N("0"))), "none");
}

TEST(RuleNumber, DividesIntsToInts) {
  EXPECT_EQ(Text(Number::Divide(N("7"), N("2"))), "3");
  EXPECT_EQ(Text(Number::Divide(N("-7"), N("2"))), "-3");
  EXPECT_EQ(Text(Number::Divide(N("7"), N("0"))), "none");
  EXPECT_EQ(Text(Number::Divide(N("9999999999999999999999999999999999"), N("10"))),
            "999999999999999999999999999999999");
  EXPECT_EQ(Text(Number::Divide(Number::FromInt(INT64_MIN), N("-1"))), "9223372036854775808");
  EXPECT_EQ(Text(Number::Remainder(N("8"), N("3"))), "2");
  EXPECT_EQ(Text(Number::Remainder(N("-8"), N("3"))), "-2");
  EXPECT_EQ(Text(Number::Remainder(N("5.5"), N("2"))), "1.5");
  EXPECT_EQ(Text(Number::Remainder(N("5"), N("0"))), "none");
  EXPECT_EQ(Text(Number::Remainder(N("1E900"), N("7"))), "none");
}

TEST(RuleNumber, RoundsAsAsked) {
  struct Case {
    const char* in;
    const char *down, *up, *zero, *half;
  };
  for (const Case& c :
       {Case{"1.2", "1", "2", "1", "1"}, Case{"-1.2", "-2", "-1", "-1", "-1"}, Case{"1.5", "1", "2", "1", "2"},
        Case{"-1.5", "-2", "-1", "-1", "-2"}, Case{"-0.4", "-1", "0", "0", "0"}, Case{"3", "3", "3", "3", "3"},
        Case{"1E-900", "0", "1", "0", "0"}, Case{"1E40", "1E+40", "1E+40", "1E+40", "1E+40"}}) {
    EXPECT_EQ(N(c.in).ToWhole(Rounding::kDown).Text(), c.down) << c.in;
    EXPECT_EQ(N(c.in).ToWhole(Rounding::kUp).Text(), c.up) << c.in;
    EXPECT_EQ(N(c.in).ToWhole(Rounding::kToZero).Text(), c.zero) << c.in;
    EXPECT_EQ(N(c.in).ToWhole(Rounding::kHalfAway).Text(), c.half) << c.in;
  }
  EXPECT_EQ(N("2.3123").Truncated(2).Text(), "2.31");
  EXPECT_EQ(N("-2.888").Truncated(2).Text(), "-2.88");
  EXPECT_EQ(N("-0.001").Truncated(2).Text(), "0");
}

TEST(RuleNumber, ConvertsOnlyWhatFits) {
  EXPECT_EQ(N("9223372036854775807").ToInt64(), INT64_MAX);
  EXPECT_EQ(N("-9223372036854775808").ToInt64(), INT64_MIN);
  EXPECT_FALSE(N("9223372036854775808").ToInt64());
  EXPECT_FALSE(N("1.5").ToInt64());
  EXPECT_EQ(N("2.0").ToInt64(), 2);
  EXPECT_DOUBLE_EQ(N("22.5").ToDouble(), 22.5);
  EXPECT_EQ(N("1E999").ToDouble(), HUGE_VAL);
}

// Small numbers have exact answers in 64 bits.
TEST(RuleNumber, AgreesWithIntegersOnEverySmallCalculation) {
  std::mt19937_64 random(7);
  const auto any = [&random] {
    const auto bits = random() % 46;
    return static_cast<std::int64_t>(random() % (std::uint64_t{1} << (bits + 1))) - (std::int64_t{1} << bits);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t a = any(), b = any(), c = any() % 30'000;
    const Number x = Number::FromInt(a), y = Number::FromInt(b), z = Number::FromInt(c);
    ASSERT_EQ(Number::Add(x, y)->ToInt64(), a + b);
    ASSERT_EQ(Number::Subtract(x, y)->ToInt64(), a - b);
    ASSERT_EQ(Number::Multiply(x, z)->ToInt64(), a * c);
    ASSERT_EQ(Number::Compare(x, y) < 0, a < b);
    if (b == 0) continue;
    ASSERT_EQ(Number::Divide(x, y)->ToInt64(), a / b);
    // The long way round agrees with itself: a = (a / b) * b to the 33rd digit.
    const auto back = Number::Multiply(*Number::Divide(x.AsDecimal(), y), y);
    const auto off = Number::Subtract(*back, x);
    ASSERT_LE(std::abs(off->ToDouble()), std::abs(static_cast<double>(a)) * 1e-32) << a << " / " << b;
  }
}

}  // namespace
}  // namespace penumbra::rules
