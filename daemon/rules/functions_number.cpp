// Functions over numbers. Those of school mathematics go through double precision, as AWS says of its own; all others
// keep 34 digits. Bit functions work on 64 bits; what is beyond is Undefined.
#include <math.h>  // the C library's functions: those of <cmath> are overloaded

#include "rules/function_table.hpp"

namespace penumbra::rules {
namespace {

using Rounding = Number::Rounding;

template <double (*Run)(double)>
Value Real(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  return number ? Value::Of(Number::FromDouble(Run(number->ToDouble()))) : Value();
}

template <double (*Run)(double, double)>
Value Real2(const Arguments& arguments, Environment&) {
  const auto a = arguments[0].ToNumber(), b = arguments[1].ToNumber();
  return a && b ? Value::Of(Number::FromDouble(Run(a->ToDouble(), b->ToDouble()))) : Value();
}

template <Rounding kRounding>
Value Whole(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  return number ? Value(number->ToWhole(kRounding)) : Value();
}

std::optional<std::int64_t> Bits(const Value& value) {
  const auto number = value.ToNumber();
  return number ? number->ToWhole(Rounding::kDown).ToInt64() : std::nullopt;
}

template <typename Run>
Value Bits2(const Arguments& arguments, Run run) {
  const auto a = Bits(arguments[0]), b = Bits(arguments[1]);
  return a && b ? Value(Number::FromInt(run(*a, *b))) : Value();
}

Value Abs(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  if (!number) return {};
  return Value(number->is_negative() ? number->Negated() : *number);
}

Value Sign(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  if (!number) return {};
  return Value(Number::FromInt(number->is_zero() ? 0 : number->is_negative() ? -1 : 1));
}

Value Mod(const Arguments& arguments, Environment&) {
  const auto a = arguments[0].ToNumber(), b = arguments[1].ToNumber();
  return a && b ? Value::Of(Number::Remainder(*a, *b)) : Value();
}

Value Trunc(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  const Number* places = arguments[1].AsNumber();  // no text here
  if (!number || places == nullptr) return {};
  const Number whole = places->ToWhole(Rounding::kDown);
  const std::int64_t most = whole.is_negative() ? 0 : Number::kDigits;
  const std::int64_t count = std::min(std::max<std::int64_t>(whole.ToInt64().value_or(most), 0), std::int64_t{34});
  return Value(number->Truncated(static_cast<int>(count)));
}

using I = std::int64_t;

constexpr FunctionEntry kEntries[] = {
    {Function::kAbs, Abs},
    {Function::kAcos, Real<::acos>},
    {Function::kAsin, Real<::asin>},
    {Function::kAtan, Real<::atan>},
    {Function::kAtan2, Real2<::atan2>},
    {Function::kBitAnd, [](const Arguments& a, Environment&) { return Bits2(a, [](I x, I y) { return x & y; }); }},
    {Function::kBitOr, [](const Arguments& a, Environment&) { return Bits2(a, [](I x, I y) { return x | y; }); }},
    {Function::kBitXor, [](const Arguments& a, Environment&) { return Bits2(a, [](I x, I y) { return x ^ y; }); }},
    {Function::kBitNot,
     [](const Arguments& a, Environment&) {
       const auto bits = Bits(a[0]);
       return bits ? Value(Number::FromInt(~*bits)) : Value();
     }},
    {Function::kCeil, Whole<Rounding::kUp>},
    {Function::kCos, Real<::cos>},
    {Function::kCosh, Real<::cosh>},
    {Function::kExp, Real<::exp>},
    {Function::kFloor, Whole<Rounding::kDown>},
    {Function::kLn, Real<::log>},
    {Function::kLog, Real<::log10>},
    {Function::kMod, Mod},
    {Function::kRemainder, Mod},
    {Function::kPower, Real2<::pow>},
    {Function::kRound, Whole<Rounding::kHalfAway>},
    {Function::kSign, Sign},
    {Function::kSin, Real<::sin>},
    {Function::kSinh, Real<::sinh>},
    {Function::kSqrt, Real<::sqrt>},
    {Function::kTan, Real<::tan>},
    {Function::kTanh, Real<::tanh>},
    {Function::kTrunc, Trunc},
};

}  // namespace

std::span<const FunctionEntry> NumberFunctions() {
  return kEntries;
}

}  // namespace penumbra::rules
