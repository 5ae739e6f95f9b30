#include "store/column.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "store/series.hpp"
#include "store/wrapping.hpp"

namespace penumbra {
namespace {

using Kind = Dictionary::Kind;

constexpr double kPowersOfTen[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
constexpr std::size_t kExponents = std::size(kPowersOfTen);
constexpr double kExactLimit = 9007199254740992.0;  // 2^53: whole numbers below it are exact doubles

// value * 10^exponent as a whole number, when dividing gives the very same double again.
std::optional<std::int64_t> Scaled(double value, std::size_t exponent) {
  const double scaled = std::round(value * kPowersOfTen[exponent]);
  if (!(std::fabs(scaled) < kExactLimit)) return std::nullopt;  // also NaN
  if (scaled == 0 && (std::signbit(value) || value != 0)) return std::nullopt;
  if (scaled / kPowersOfTen[exponent] != value) return std::nullopt;
  return static_cast<std::int64_t>(scaled);
}

using Values = std::span<const PointValue* const>;

// The smallest exponent at which every value is exact.
std::optional<std::size_t> CommonExponent(Values values) {
  std::size_t exponent = 0;
  for (const PointValue* value : values) {
    while (exponent < kExponents && !Scaled(std::get<double>(value->value), exponent)) ++exponent;
    if (exponent == kExponents) return std::nullopt;
  }
  // A later value may have raised it beyond what an earlier, large one can bear.
  for (const PointValue* value : values) {
    if (!Scaled(std::get<double>(value->value), exponent)) return std::nullopt;
  }
  return exponent;
}

// As whole numbers; unsigned ones keep their bits.
std::vector<std::int64_t> Numbers(Values values, std::optional<std::size_t> exponent) {
  std::vector<std::int64_t> numbers;
  numbers.reserve(values.size());
  for (const PointValue* value : values) {
    if (exponent) {
      numbers.push_back(*Scaled(std::get<double>(value->value), *exponent));
    } else if (const auto* number = std::get_if<std::int64_t>(&value->value)) {
      numbers.push_back(*number);
    } else {
      numbers.push_back(static_cast<std::int64_t>(std::get<std::uint64_t>(value->value)));
    }
  }
  return numbers;
}

void WriteDifferences(ByteWriter& out, std::span<const std::int64_t> numbers) {
  std::int64_t before = 0;
  for (const std::int64_t number : numbers) {
    out.Zigzag(Minus(number, before));
    before = number;
  }
}

bool ReadDifferences(ByteReader& in, std::span<std::int64_t> numbers) {
  std::int64_t before = 0;
  for (std::int64_t& number : numbers) number = before = Plus(before, in.Zigzag());
  return in.Ok();
}

struct WriteValue {
  ByteWriter& out;
  void operator()(std::monostate) const {}
  void operator()(bool value) const { out.U8(value ? 1 : 0); }
  void operator()(std::int64_t value) const { out.Zigzag(value); }
  void operator()(std::uint64_t value) const { out.Varint(value); }
  void operator()(double value) const { out.F64(value); }
  void operator()(const std::string& value) const { out.String(value); }
};

bool ReadValue(ByteReader& in, Value& value) {
  switch (in.U8()) {
    case 0:
      value = std::monostate();
      break;
    case 1:
      value = in.U8() != 0;
      break;
    case 2:
      value = in.Zigzag();
      break;
    case 3:
      value = in.Varint();
      break;
    case 4:
      value = in.F64();
      break;
    case 5:
      value = std::string(in.String());
      break;
    default:
      return false;
  }
  return in.Ok();
}

Column Choose(Values values, bool series, std::optional<std::size_t>& exponent) {
  const std::size_t type = values.front()->value.index();
  const bool same =
      std::all_of(values.begin(), values.end(), [type](const auto* v) { return v->value.index() == type; });
  if (!same) return Column::kMixed;
  switch (type) {
    case 1:
      return Column::kBool;
    case 2:
      return series ? Column::kSignedSeries : Column::kSigned;
    case 3:
      return series ? Column::kUnsignedSeries : Column::kUnsigned;
    case 4:
      exponent = CommonExponent(values);
      if (!exponent) return Column::kDouble;
      return series ? Column::kDecimalSeries : Column::kDecimal;
    default:
      return Column::kMixed;
  }
}

void WriteValues(ByteWriter& out, Column kind, Values values, std::optional<std::size_t> exponent) {
  if (exponent) out.U8(static_cast<std::uint8_t>(*exponent));
  switch (kind) {
    case Column::kMixed:
      for (const PointValue* value : values) {
        out.U8(static_cast<std::uint8_t>(value->value.index()));
        std::visit(WriteValue{out}, value->value);
      }
      return;
    case Column::kDecimal:
    case Column::kSigned:
    case Column::kUnsigned:
      return WriteDifferences(out, Numbers(values, exponent));
    case Column::kDecimalSeries:
    case Column::kSignedSeries:
    case Column::kUnsignedSeries:
      return EncodeSeries(out, Numbers(values, exponent));
    case Column::kBool:
    case Column::kDouble:
      for (const PointValue* value : values) std::visit(WriteValue{out}, value->value);
      return;
  }
}

bool ReadNumbers(ByteReader& in, Column kind, std::span<PointValue* const> values) {
  const bool decimal = kind == Column::kDecimal || kind == Column::kDecimalSeries;
  const bool is_unsigned = kind == Column::kUnsigned || kind == Column::kUnsignedSeries;
  const bool differences = kind == Column::kDecimal || kind == Column::kSigned || kind == Column::kUnsigned;
  const std::size_t exponent = decimal ? in.U8() : 0;
  std::vector<std::int64_t> numbers(values.size());
  if (exponent >= kExponents) return false;
  if (!(differences ? ReadDifferences(in, numbers) : DecodeSeries(in, numbers))) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (decimal) {
      values[i]->value = static_cast<double>(numbers[i]) / kPowersOfTen[exponent];
    } else if (is_unsigned) {
      values[i]->value = static_cast<std::uint64_t>(numbers[i]);
    } else {
      values[i]->value = numbers[i];
    }
  }
  return true;
}

bool ReadValues(ByteReader& in, Column kind, std::span<PointValue* const> values) {
  switch (kind) {
    case Column::kMixed:
      return std::all_of(values.begin(), values.end(), [&in](PointValue* v) { return ReadValue(in, v->value); });
    case Column::kBool:
      for (PointValue* value : values) value->value = in.U8() != 0;
      return in.Ok();
    case Column::kDouble:
      for (PointValue* value : values) value->value = in.F64();
      return in.Ok();
    case Column::kDecimal:
    case Column::kSigned:
    case Column::kUnsigned:
    case Column::kDecimalSeries:
    case Column::kSignedSeries:
    case Column::kUnsignedSeries:
      return ReadNumbers(in, kind, values);
  }
  return false;
}

void WriteQuality(ByteWriter& out, const PointValue& value, Dictionary& dictionary) {
  const auto quality = static_cast<std::uint8_t>(value.quality);
  if (value.reason.empty()) return out.U8(quality);
  if (const auto word = dictionary.Intern(Kind::kWord, value.reason)) {
    out.U8(quality + 4 * 1);
    return out.Varint(*word);
  }
  out.U8(quality + 4 * 2);
  out.String(value.reason);
}

bool ReadQuality(ByteReader& in, PointValue& value, const Dictionary& dictionary) {
  const std::uint8_t byte = in.U8();
  if ((byte & 3) > static_cast<std::uint8_t>(Quality::kBad)) return false;
  value.quality = static_cast<Quality>(byte & 3);
  switch (byte >> 2) {
    case 0:
      return in.Ok();
    case 1: {
      const std::string* word = dictionary.Find(Kind::kWord, in.Varint());
      if (word == nullptr) return false;
      value.reason = *word;
      return in.Ok();
    }
    case 2:
      value.reason = in.String();
      return in.Ok();
    default:
      return false;
  }
}

}  // namespace

void EncodeColumn(ByteWriter& out, Values values, bool series, Dictionary& dictionary) {
  std::optional<std::size_t> exponent;
  const Column kind = Choose(values, series, exponent);
  const bool plain = std::all_of(values.begin(), values.end(), [](const PointValue* value) {
    return value->quality == Quality::kGood && value->reason.empty();
  });
  out.U8(static_cast<std::uint8_t>(static_cast<std::uint8_t>(kind) | (plain ? kColumnPlain : 0)));
  WriteValues(out, kind, values, exponent);
  if (plain) return;
  for (const PointValue* value : values) WriteQuality(out, *value, dictionary);
}

bool DecodeColumn(ByteReader& in, std::span<PointValue* const> values, const Dictionary& dictionary) {
  const std::uint8_t head = in.U8();
  if (!ReadValues(in, static_cast<Column>(head & ~kColumnPlain), values)) return false;
  if ((head & kColumnPlain) != 0) return in.Ok();
  return std::all_of(values.begin(), values.end(),
                     [&in, &dictionary](PointValue* value) { return ReadQuality(in, *value, dictionary); });
}

}  // namespace penumbra
