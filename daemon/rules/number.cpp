#include "rules/number.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace penumbra::rules {
namespace {

constexpr std::uint32_t kBase = 1'000'000'000;
constexpr int kBaseDigits = 9;
constexpr std::uint32_t kPowers[] = {1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

int DigitsOf(std::uint32_t limb) {
  int count = 1;
  while (count < kBaseDigits && limb >= kPowers[count]) ++count;
  return count;
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

Number::Wide Number::Widen(const Number& number) {
  Wide wide{};
  std::copy(number.limbs_.begin(), number.limbs_.end(), wide.begin());
  return wide;
}

int Number::DigitCount(const Wide& wide) {
  for (std::size_t i = kWideLimbs; i-- > 0;) {
    if (wide[i] != 0) return static_cast<int>(i) * kBaseDigits + DigitsOf(wide[i]);
  }
  return 0;
}

void Number::MultiplySmall(Wide& wide, std::uint32_t factor) {
  std::uint64_t carry = 0;
  for (std::uint32_t& limb : wide) {
    carry += static_cast<std::uint64_t>(limb) * factor;
    limb = static_cast<std::uint32_t>(carry % kBase);
    carry /= kBase;
  }
}

void Number::Scale(Wide& wide, int zeros) {
  const auto whole = static_cast<std::size_t>(zeros / kBaseDigits);
  if (whole > 0) {
    std::copy_backward(wide.begin(), wide.end() - static_cast<std::ptrdiff_t>(whole), wide.end());
    std::fill_n(wide.begin(), whole, 0u);
  }
  if (zeros % kBaseDigits != 0) MultiplySmall(wide, kPowers[zeros % kBaseDigits]);
}

int Number::Drop(Wide& wide, int count, bool& any) {
  if (count <= 0) return -1;
  if (count > static_cast<int>(kWideLimbs) * kBaseDigits) {
    for (std::uint32_t limb : wide) any = any || limb != 0;
    wide.fill(0);
    return -1;
  }
  // All but the last of the dropped digits, then that one, which decides.
  const auto drop = [&wide](int digits) {
    bool lost = false;
    const auto whole = static_cast<std::size_t>(digits / kBaseDigits);
    for (std::size_t i = 0; i < whole; ++i) lost = lost || wide[i] != 0;
    std::copy(wide.begin() + static_cast<std::ptrdiff_t>(whole), wide.end(), wide.begin());
    std::fill(wide.end() - static_cast<std::ptrdiff_t>(whole), wide.end(), 0u);
    const std::uint32_t power = kPowers[digits % kBaseDigits];
    std::uint64_t rest = 0;
    for (std::size_t i = kWideLimbs; power > 1 && i-- > 0;) {
      const std::uint64_t part = rest * kBase + wide[i];
      wide[i] = static_cast<std::uint32_t>(part / power);
      rest = part % power;
    }
    return lost || rest != 0;
  };
  const bool below = drop(count - 1);
  const std::uint32_t last = wide[0] % 10;
  drop(1);
  any = any || below || last != 0;
  if (last != 5) return last < 5 ? -1 : 1;
  return below ? 1 : 0;
}

void Number::Increment(Wide& wide) {
  for (std::uint32_t& limb : wide) {
    if (++limb < kBase) return;
    limb = 0;
  }
}

int Number::CompareWide(const Wide& a, const Wide& b) {
  for (std::size_t i = kWideLimbs; i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

void Number::SubtractWide(Wide& a, const Wide& b) {
  std::int64_t borrow = 0;
  for (std::size_t i = 0; i < kWideLimbs; ++i) {
    std::int64_t limb = static_cast<std::int64_t>(a[i]) - b[i] - borrow;
    borrow = limb < 0 ? 1 : 0;
    a[i] = static_cast<std::uint32_t>(limb + borrow * kBase);
  }
}

Number::Wide Number::DivideWide(const Wide& dividend, const Wide& divisor, bool& rest) {
  Wide quotient{};
  if (DigitCount(divisor) <= kBaseDigits) {
    std::uint64_t left = 0;
    for (std::size_t i = kWideLimbs; i-- > 0;) {
      const std::uint64_t part = left * kBase + dividend[i];
      quotient[i] = static_cast<std::uint32_t>(part / divisor[0]);
      left = part % divisor[0];
    }
    rest = left != 0;
    return quotient;
  }
  // Digit by digit: rare (divisors above nine digits), and short.
  Wide left{};
  for (std::size_t i = kWideLimbs; i-- > 0;) {
    for (int digit = kBaseDigits; digit-- > 0;) {
      MultiplySmall(left, 10);
      left[0] += dividend[i] / kPowers[digit] % 10;
      std::uint32_t times = 0;
      for (; CompareWide(left, divisor) >= 0; ++times) SubtractWide(left, divisor);
      quotient[i] += times * kPowers[digit];
    }
  }
  rest = DigitCount(left) != 0;
  return quotient;
}

std::optional<Number> Number::Make(Wide wide, int exponent, bool negative, bool rest, bool to_zero) {
  const int excess = DigitCount(wide) - kDigits;
  if (excess > 0) {
    bool any = false;
    int half = Drop(wide, excess, any);
    if (half == 0 && rest) half = 1;
    exponent += excess;
    if (!to_zero && (half > 0 || (half == 0 && wide[0] % 2 == 1))) {
      Increment(wide);
      if (DigitCount(wide) > kDigits) {
        Drop(wide, 1, any);
        ++exponent;
      }
    }
  }
  Number number;
  std::copy_n(wide.begin(), kLimbs, number.limbs_.begin());
  const int digits = DigitCount(wide);
  if (digits == 0) return number;
  if (exponent + digits - 1 > kMaxExponent) return std::nullopt;
  if (exponent + digits - 1 < -kMaxExponent) return Number();
  number.exponent_ = static_cast<std::int16_t>(exponent);
  number.negative_ = negative;
  number.is_int_ = false;
  return number;
}

bool Number::is_zero() const {
  return std::all_of(limbs_.begin(), limbs_.end(), [](std::uint32_t limb) { return limb == 0; });
}

void Number::StripZeros() {
  while (exponent_ < 0 && limbs_[0] % 10 == 0) {
    if (is_zero()) {
      exponent_ = 0;
      return;
    }
    Wide wide = Widen(*this);
    bool any = false;
    Drop(wide, 1, any);
    std::copy_n(wide.begin(), kLimbs, limbs_.begin());
    ++exponent_;
  }
}

Number Number::FromUnsigned(std::uint64_t value) {
  Number number;
  for (std::size_t i = 0; value != 0; ++i, value /= kBase) number.limbs_[i] = static_cast<std::uint32_t>(value % kBase);
  return number;
}

Number Number::FromInt(std::int64_t value) {
  Number number = FromUnsigned(value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value));
  number.negative_ = value < 0;
  return number;
}

std::optional<Number> Number::Parse(std::string_view text) {
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++at;
  Wide wide{};
  int digits = 0, exponent = 0;
  bool point = false, rest = false, any_digit = false, whole_form = true;
  std::uint32_t gathered = 0;
  int count = 0;
  const auto flush = [&] {
    if (count == 0) return;
    MultiplySmall(wide, kPowers[count]);
    std::uint64_t carry = gathered;
    for (std::size_t i = 0; carry != 0 && i < kWideLimbs; ++i) {
      carry += wide[i];
      wide[i] = static_cast<std::uint32_t>(carry % kBase);
      carry /= kBase;
    }
    gathered = 0;
    count = 0;
  };
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point && any_digit && at + 1 < text.size() && IsDigit(text[at + 1])) {
      point = true;
      whole_form = false;
      continue;
    }
    if (!IsDigit(c)) break;
    any_digit = true;
    if (digits < 60) {  // what is behind cannot change the rounding but by being there
      gathered = gathered * 10 + static_cast<std::uint32_t>(c - '0');
      if (++count == kBaseDigits - 1) flush();
      if (digits > 0 || c != '0') ++digits;
      if (point) --exponent;
    } else {
      rest = rest || c != '0';
      if (!point && exponent < 100'000) ++exponent;
    }
  }
  flush();
  if (!any_digit) return std::nullopt;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    whole_form = false;
    ++at;
    if (at < text.size() && text[at] == '+') ++at;
    int power = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), power);
    if (end != text.data() + text.size() || end == text.data() + at) return std::nullopt;
    if (error != std::errc() || std::abs(power) > 1'000'000) {
      if (digits == 0 || text[at] == '-') return Number();
      return std::nullopt;
    }
    exponent += power;
  }
  auto number = Make(wide, exponent, negative, rest, false);
  if (!number) return std::nullopt;
  number->is_int_ = whole_form && number->exponent_ == 0;
  number->StripZeros();
  return number;
}

std::optional<Number> Number::FromDouble(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  char buffer[40];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  (void)error;
  auto number = Parse({buffer, static_cast<std::size_t>(end - buffer)});
  if (number) number->is_int_ = false;
  return number;
}

bool Number::IsWhole() const {
  if (exponent_ >= 0 || is_zero()) return true;
  Number stripped = *this;
  stripped.StripZeros();
  return stripped.exponent_ >= 0;
}

Number Number::Plain() const {
  if (is_int_ || !IsWhole()) return *this;
  Number whole = *this;
  whole.StripZeros();
  Wide wide = Widen(whole);
  if (DigitCount(wide) + whole.exponent_ > kDigits) return *this;
  Scale(wide, whole.exponent_);
  std::copy_n(wide.begin(), kLimbs, whole.limbs_.begin());
  whole.exponent_ = 0;
  whole.is_int_ = true;
  return whole;
}

Number Number::AsDecimal() const {
  Number decimal = *this;
  decimal.is_int_ = false;
  return decimal;
}

double Number::ToDouble() const {
  const std::string text = Text();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  (void)end;
  if (error == std::errc::result_out_of_range) {
    const bool large = Digits() + exponent_ > 0;
    value = large ? HUGE_VAL : 0.0;
    return negative_ ? -value : value;
  }
  return value;
}

std::optional<std::int64_t> Number::ToInt64() const {
  const Number whole = Plain();
  if (!whole.is_int_) return std::nullopt;
  if (whole.limbs_[3] != 0) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 3; i-- > 0;) {
    if (value > (UINT64_MAX - whole.limbs_[i]) / kBase) return std::nullopt;
    value = value * kBase + whole.limbs_[i];
  }
  const std::uint64_t limit = static_cast<std::uint64_t>(INT64_MAX) + (negative_ ? 1 : 0);
  if (value > limit) return std::nullopt;
  return static_cast<std::int64_t>(negative_ ? 0 - value : value);
}

std::string Number::Text() const {
  Number number = Plain();
  number.StripZeros();
  std::string digits;
  char buffer[kBaseDigits];
  for (std::size_t i = kLimbs; i-- > 0;) {
    std::uint32_t limb = number.limbs_[i];
    if (digits.empty() && limb == 0) continue;
    const int count = digits.empty() ? DigitsOf(limb) : kBaseDigits;
    for (int d = count; d-- > 0; limb /= 10) buffer[d] = static_cast<char>('0' + limb % 10);
    digits.append(buffer, static_cast<std::size_t>(count));
  }
  if (digits.empty()) return "0";
  const int size = static_cast<int>(digits.size());
  const int power = number.exponent_ + size - 1;  // of scientific notation
  std::string text = number.negative_ ? "-" : "";
  if (number.exponent_ == 0) return text + digits;
  if (number.exponent_ < 0 && power >= -7) {
    if (power >= 0) {
      digits.insert(static_cast<std::size_t>(power + 1), 1, '.');
      return text + digits;
    }
    return text + "0." + std::string(static_cast<std::size_t>(-power - 1), '0') + digits;
  }
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back();
  if (digits.size() > 1) digits.insert(1, 1, '.');
  return text + digits + (power < 0 ? "E" : "E+") + std::to_string(power);
}

std::optional<Number> Number::Add(const Number& a, const Number& b) {
  const bool ints = a.is_int_ && b.is_int_;
  const Number& high = a.exponent_ >= b.exponent_ ? a : b;
  const Number& low = a.exponent_ >= b.exponent_ ? b : a;
  Wide one = Widen(high), other = Widen(low);
  const int shift = high.exponent_ - low.exponent_;
  std::optional<Number> sum;
  if (!high.is_zero() && DigitCount(one) + shift > 80) {
    sum = high;  // the other one is far behind its last digit
  } else {
    if (!high.is_zero()) Scale(one, shift);
    if (high.negative_ == low.negative_) {
      std::uint64_t carry = 0;
      for (std::size_t i = 0; i < kWideLimbs; ++i) {
        carry += static_cast<std::uint64_t>(one[i]) + other[i];
        one[i] = static_cast<std::uint32_t>(carry % kBase);
        carry /= kBase;
      }
      sum = Make(one, low.exponent_, high.negative_, false, false);
    } else if (CompareWide(one, other) >= 0) {
      SubtractWide(one, other);
      sum = Make(one, low.exponent_, high.negative_, false, false);
    } else {
      SubtractWide(other, one);
      sum = Make(other, low.exponent_, low.negative_, false, false);
    }
  }
  if (!sum) return std::nullopt;
  sum->is_int_ = ints && sum->exponent_ == 0;
  sum->StripZeros();
  return sum;
}

Number Number::Negated() const {
  Number number = *this;
  number.negative_ = !negative_ && !is_zero();
  return number;
}

std::optional<Number> Number::Subtract(const Number& a, const Number& b) {
  return Add(a, b.Negated());
}

std::optional<Number> Number::Multiply(const Number& a, const Number& b) {
  Wide product{};
  for (std::size_t i = 0; i < kLimbs; ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < kLimbs || carry != 0; ++j) {
      carry += product[i + j];
      if (j < kLimbs) carry += static_cast<std::uint64_t>(a.limbs_[i]) * b.limbs_[j];
      product[i + j] = static_cast<std::uint32_t>(carry % kBase);
      carry /= kBase;
    }
  }
  auto number = Make(product, a.exponent_ + b.exponent_, a.negative_ != b.negative_, false, false);
  if (!number) return std::nullopt;
  number->is_int_ = a.is_int_ && b.is_int_ && number->exponent_ == 0;
  number->StripZeros();
  return number;
}

std::optional<Number> Number::Quotient(const Number& a, const Number& b, bool to_zero) {
  if (b.is_zero()) return std::nullopt;
  if (a.is_zero()) return Number().AsDecimal();
  Wide dividend = Widen(a);
  const Wide divisor = Widen(b);
  const int scale = std::max(0, kDigits + 2 + DigitCount(divisor) - DigitCount(dividend));
  Scale(dividend, scale);
  bool rest = false;
  const Wide quotient = DivideWide(dividend, divisor, rest);
  auto number = Make(quotient, a.exponent_ - b.exponent_ - scale, a.negative_ != b.negative_, rest, to_zero);
  if (!number) return std::nullopt;
  number->is_int_ = false;
  number->StripZeros();
  return number;
}

std::optional<Number> Number::Divide(const Number& a, const Number& b) {
  if (!a.is_int_ || !b.is_int_) return Quotient(a, b, false);
  const auto small_a = a.ToInt64(), small_b = b.ToInt64();
  if (small_a && small_b && *small_b != 0 && *small_a != INT64_MIN) return FromInt(*small_a / *small_b);
  const auto exact = Quotient(a, b, true);
  return exact ? std::optional(exact->ToWhole(Rounding::kToZero)) : std::nullopt;
}

std::optional<Number> Number::Remainder(const Number& a, const Number& b) {
  const bool ints = a.is_int_ && b.is_int_;
  const auto small_a = a.ToInt64(), small_b = b.ToInt64();
  if (small_a && small_b && *small_b != 0 && *small_a != INT64_MIN) {
    Number rest = FromInt(*small_a % *small_b);
    rest.is_int_ = ints;
    return rest;
  }
  const auto quotient = Quotient(a, b, true);
  if (!quotient) return std::nullopt;
  const Number whole = quotient->ToWhole(Rounding::kToZero);
  if (!whole.is_int_) return std::nullopt;
  const auto taken = Multiply(whole, b);
  auto rest = taken ? Subtract(a, *taken) : std::nullopt;
  if (rest && ints) *rest = rest->Plain();
  return rest;
}

int Number::Compare(const Number& a, const Number& b) {
  const bool zero_a = a.is_zero(), zero_b = b.is_zero();
  if (zero_a || zero_b || a.negative_ != b.negative_) {
    const int sign_a = zero_a ? 0 : a.negative_ ? -1 : 1, sign_b = zero_b ? 0 : b.negative_ ? -1 : 1;
    return sign_a - sign_b;
  }
  const int sign = a.negative_ ? -1 : 1;
  Wide left = Widen(a), right = Widen(b);
  const int size_a = DigitCount(left) + a.exponent_, size_b = DigitCount(right) + b.exponent_;
  if (size_a != size_b) return size_a < size_b ? -sign : sign;
  // Equal size: the exponents differ by less than 34.
  if (a.exponent_ > b.exponent_) Scale(left, a.exponent_ - b.exponent_);
  if (b.exponent_ > a.exponent_) Scale(right, b.exponent_ - a.exponent_);
  return sign * CompareWide(left, right);
}

Number Number::ToWhole(Rounding rounding) const {
  if (is_int_) return *this;
  Number number = *this;
  if (exponent_ < 0) {
    Wide wide = Widen(*this);
    bool any = false;
    const int half = Drop(wide, -exponent_, any);
    const bool away = rounding == Rounding::kDown       ? any && negative_
                      : rounding == Rounding::kUp       ? any && !negative_
                      : rounding == Rounding::kHalfAway ? half >= 0
                                                        : false;
    if (away) Increment(wide);
    std::copy_n(wide.begin(), kLimbs, number.limbs_.begin());
    number.exponent_ = 0;
    number.negative_ = negative_ && !number.is_zero();
  }
  return number.Plain();
}

Number Number::Truncated(int places) const {
  if (is_int_ || exponent_ >= -places) return Plain();
  Number number = *this;
  Wide wide = Widen(*this);
  bool any = false;
  Drop(wide, -exponent_ - places, any);
  std::copy_n(wide.begin(), kLimbs, number.limbs_.begin());
  number.exponent_ = static_cast<std::int16_t>(-places);
  number.negative_ = negative_ && !number.is_zero();
  number.StripZeros();
  return number.Plain();
}

}  // namespace penumbra::rules
