// The numbers of AWS IoT SQL: Int and Decimal, both with 34 decimal digits and exact, so that 22.4 * 1.8 + 32 is 72.32
// here as it is there. Portable (no 128-bit integers: 32-bit ARM has none). Pure values; any thread.
// Source: AWS IoT developer guide, "Data types"; aws-iot-core.md section 8. Rounding is that of IEEE 754-2008
// decimal128.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penumbra::rules {

class Number {
 public:
  static constexpr int kDigits = 34;
  static constexpr int kMaxExponent = 999;  // of scientific notation: 1E-999 .. 9.99E999

  Number() = default;  // 0, an Int
  static Number FromInt(std::int64_t value);
  static Number FromUnsigned(std::uint64_t value);
  // -?digits[.digits][E[+-]digits]; an Int exactly when it has neither point nor exponent. More than 34 digits are
  // rounded. nullopt: not this form, or too large; too small a number is 0.
  static std::optional<Number> Parse(std::string_view text);
  // The shortest decimal that reads back as `value`. nullopt: NaN and infinities.
  static std::optional<Number> FromDouble(double value);

  // An Int is written without point and divides to an Int. A Decimal may be whole: see Plain.
  bool is_int() const { return is_int_; }
  bool is_zero() const;
  bool is_negative() const { return negative_; }
  bool IsWhole() const;
  // A whole Decimal of at most 34 digits becomes an Int, as SQL 2016-03-23 has it (10.0 is 10).
  Number Plain() const;
  Number AsDecimal() const;

  double ToDouble() const;
  std::optional<std::int64_t> ToInt64() const;  // nullopt: not whole, or does not fit
  // Standard notation, scientific where that needs many zeros ("1E+40", "1E-9"). Valid JSON; no trailing zeros.
  std::string Text() const;

  // nullopt: beyond the range, or division by zero. Int and Int give Int, also divided: 7 / 2 is 3.
  static std::optional<Number> Add(const Number& a, const Number& b);
  static std::optional<Number> Subtract(const Number& a, const Number& b);
  static std::optional<Number> Multiply(const Number& a, const Number& b);
  static std::optional<Number> Divide(const Number& a, const Number& b);
  // With the sign of `a`. nullopt also when the quotient has more than 34 digits.
  static std::optional<Number> Remainder(const Number& a, const Number& b);
  static int Compare(const Number& a, const Number& b);  // <0, 0, >0
  Number Negated() const;

  enum class Rounding { kDown, kUp, kToZero, kHalfAway };  // kDown: towards minus infinity
  // To a whole number, an Int if it has at most 34 digits.
  Number ToWhole(Rounding rounding) const;
  // To `places` digits behind the point, 0..34.
  Number Truncated(int places) const;

 private:
  static constexpr std::size_t kLimbs = 4, kWideLimbs = 12;
  using Wide = std::array<std::uint32_t, kWideLimbs>;  // base 10^9, least significant first

  static Wide Widen(const Number& number);
  static int DigitCount(const Wide& wide);
  static void MultiplySmall(Wide& wide, std::uint32_t factor);
  static void Scale(Wide& wide, int zeros);
  // Takes away the last `count` digits. Answers what they were against a half: -1 less (or nothing), 0 half, 1 more;
  // `any`: they were not all zero.
  static int Drop(Wide& wide, int count, bool& any);
  static void Increment(Wide& wide);
  static int CompareWide(const Wide& a, const Wide& b);
  static void SubtractWide(Wide& a, const Wide& b);
  static Wide DivideWide(const Wide& dividend, const Wide& divisor, bool& rest);
  // Rounds half to even at 34 digits (or towards zero). `rest`: there is something behind the last digit.
  static std::optional<Number> Make(Wide wide, int exponent, bool negative, bool rest, bool to_zero);
  static std::optional<Number> Quotient(const Number& a, const Number& b, bool to_zero);
  void StripZeros();
  int Digits() const { return DigitCount(Widen(*this)); }

  std::array<std::uint32_t, kLimbs> limbs_{};  // coefficient below 10^34
  std::int16_t exponent_ = 0;                  // value = coefficient * 10^exponent
  bool negative_ = false;                      // never with zero
  bool is_int_ = true;
};

}  // namespace penumbra::rules
