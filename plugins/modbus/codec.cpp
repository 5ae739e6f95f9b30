#include "modbus/codec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace penumbra::modbus {
namespace {

struct TypeFacts {
  Type type;
  std::string_view name;
  std::uint16_t words;
};

constexpr std::array<TypeFacts, 13> kTypes{{{Type::kBool, "bool", 1},
                                            {Type::kS16, "s16", 1},
                                            {Type::kU16, "u16", 1},
                                            {Type::kS32, "s32", 2},
                                            {Type::kU32, "u32", 2},
                                            {Type::kS64, "s64", 4},
                                            {Type::kU64, "u64", 4},
                                            {Type::kF16, "f16", 1},
                                            {Type::kF32, "f32", 2},
                                            {Type::kF64, "f64", 4},
                                            {Type::kBcd16, "bcd16", 1},
                                            {Type::kBcd32, "bcd32", 2},
                                            {Type::kString, "string", 0}}};

constexpr std::array<std::pair<std::string_view, Order>, 4> kOrders{
    {{"ABCD", Order::kAbcd}, {"CDAB", Order::kCdab}, {"BADC", Order::kBadc}, {"DCBA", Order::kDcba}}};

bool ReversesWords(Order order) {
  return order == Order::kCdab || order == Order::kDcba;
}
bool SwapsBytes(Order order) {
  return order == Order::kBadc || order == Order::kDcba;
}

std::uint16_t Swap(std::uint16_t word) {
  return static_cast<std::uint16_t>((word << 8) | (word >> 8));
}

// The bits of a number of 1 to 4 registers, most significant first.
std::uint64_t Gather(std::span<const std::uint16_t> words, Order order) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint16_t word = words[ReversesWords(order) ? words.size() - 1 - i : i];
    bits = (bits << 16) | (SwapsBytes(order) ? Swap(word) : word);
  }
  return bits;
}

void Scatter(std::uint64_t bits, Order order, std::span<std::uint16_t> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto word = static_cast<std::uint16_t>(bits >> (16 * (words.size() - 1 - i)));
    words[ReversesWords(order) ? words.size() - 1 - i : i] = SwapsBytes(order) ? Swap(word) : word;
  }
}

template <typename To, typename From>
To BitsAs(From bits) {
  static_assert(sizeof(To) == sizeof(From));
  To value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double ParseDouble(const char* begin, const char* end) {
  double value = 0;
  std::from_chars(begin, end, value);
  return value;
}

double Shortest(float value) {
  if (!std::isfinite(value)) return value;
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return ParseDouble(text.data(), end);
}

double HalfToDouble(std::uint16_t half) {
  const int exponent = (half >> 10) & 0x1F;
  const int fraction = half & 0x3FF;
  double magnitude = 0;
  if (exponent == 0x1F) {
    magnitude = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Nearest half, ties to even. `value` is finite or an infinity; what is too large for a half becomes an infinity.
std::uint16_t DoubleToHalf(double value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double magnitude = std::fabs(value);
  if (magnitude >= 65520) return sign | 0x7C00;
  const int exponent = magnitude > 0 ? std::max(std::ilogb(magnitude), -14) : -14;
  // In units of the last place; 2048 of them carry into the next exponent by plain addition.
  const auto units = static_cast<int>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | (units + ((exponent + 14) << 10)));
}

// The number with the fewest digits that is the same half.
double ShortestHalf(std::uint16_t half) {
  const double exact = HalfToDouble(half);
  if (!std::isfinite(exact)) return exact;
  for (int digits = 1; digits <= 5; ++digits) {
    std::array<char, 64> text;
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), exact, std::chars_format::general, digits).ptr;
    const double candidate = ParseDouble(text.data(), end);
    if (DoubleToHalf(candidate) == half) return candidate;
  }
  return exact;
}

Decoded DecodeBcd(std::uint64_t bits, int digits) {
  std::uint64_t value = 0;
  for (int i = digits - 1; i >= 0; --i) {
    const std::uint64_t digit = (bits >> (4 * i)) & 0xF;
    if (digit > 9) return {.value = {}, .fault = "invalid BCD digit"};
    value = value * 10 + digit;
  }
  return {.value = value};
}

std::uint64_t ToBcd(std::uint64_t value) {
  std::uint64_t bits = 0;
  for (int shift = 0; value != 0; shift += 4, value /= 10) bits |= (value % 10) << shift;
  return bits;
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<std::uint8_t>(text[i]);
    const std::size_t extra = lead < 0x80         ? 0
                              : (lead >> 5) == 6  ? 1
                              : (lead >> 4) == 14 ? 2
                              : (lead >> 3) == 30 ? 3
                                                  : 9;
    if (extra == 9 || i + extra >= text.size()) return false;
    std::uint32_t code = extra == 0 ? lead : lead & (0x3Fu >> extra);
    for (std::size_t k = 1; k <= extra; ++k) {
      const auto next = static_cast<std::uint8_t>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      code = (code << 6) | (next & 0x3F);
    }
    constexpr std::array<std::uint32_t, 4> kSmallest{0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[extra] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += extra + 1;
  }
  return true;
}

Decoded DecodeText(std::span<const std::uint16_t> words, Order order) {
  std::string text;
  text.reserve(words.size() * 2);
  for (std::uint16_t word : words) {
    if (SwapsBytes(order)) word = Swap(word);
    text.push_back(static_cast<char>(word >> 8));
    text.push_back(static_cast<char>(word & 0xFF));
  }
  text.resize(std::min(text.size(), text.find('\0')));
  const auto first = text.find_first_not_of(' ');
  text = first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
  if (!IsUtf8(text)) return {.value = {}, .fault = "invalid text"};
  return {.value = std::move(text)};
}

std::string EncodeText(const Value& value, const Encoding& encoding, std::vector<std::uint16_t>& words) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return "a string register needs text";
  if (text->size() > encoding.length * 2u) {
    return "text of " + std::to_string(text->size()) + " bytes does not fit into " +
           std::to_string(encoding.length * 2) + " bytes";
  }
  words.assign(encoding.length, 0);
  for (std::size_t i = 0; i < text->size(); ++i) {
    const auto byte = static_cast<std::uint8_t>((*text)[i]);
    const bool high = (i % 2 == 0) != SwapsBytes(encoding.order);
    words[i / 2] = static_cast<std::uint16_t>(words[i / 2] | (high ? byte << 8 : byte));
  }
  return {};
}

struct IntegerRange {
  std::int64_t min;
  std::uint64_t max;
};

IntegerRange RangeOf(Type type) {
  switch (type) {
    case Type::kS16:
      return {-32768, 32767};
    case Type::kU16:
      return {0, 65535};
    case Type::kS32:
      return {std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()};
    case Type::kU32:
      return {0, std::numeric_limits<std::uint32_t>::max()};
    case Type::kS64:
      return {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()};
    case Type::kU64:
      return {0, std::numeric_limits<std::uint64_t>::max()};
    case Type::kBcd16:
      return {0, 9999};
    case Type::kBcd32:
      return {0, 99999999};
    default:
      return {0, 1};
  }
}

std::string TextOf(double value) {
  std::array<char, 64> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string Outside(std::string_view value, Type type) {
  const IntegerRange range = RangeOf(type);
  return std::string(value) + " is outside " + std::to_string(range.min) + ".." + std::to_string(range.max) + " of " +
         std::string(NameOf(type));
}

// The value as an integer of `type`, in two's complement; or why not.
std::string ToInteger(Type type, const Value& value, std::uint64_t& bits) {
  const IntegerRange range = RangeOf(type);
  if (const auto* real = std::get_if<double>(&value)) {
    if (!std::isfinite(*real)) return "not a finite number";
    const double rounded = std::round(*real);
    // 2^63 and 2^64 are exact doubles, so these comparisons keep the conversions below inside their types.
    if (rounded < 0) {
      if (rounded < -0x1p63 || static_cast<std::int64_t>(rounded) < range.min) return Outside(TextOf(*real), type);
      bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(rounded));
    } else {
      if (rounded >= 0x1p64 || static_cast<std::uint64_t>(rounded) > range.max) return Outside(TextOf(*real), type);
      bits = static_cast<std::uint64_t>(rounded);
    }
    return {};
  }
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    const bool fits = *integer < 0 ? *integer >= range.min : static_cast<std::uint64_t>(*integer) <= range.max;
    if (!fits) return Outside(std::to_string(*integer), type);
    bits = static_cast<std::uint64_t>(*integer);
    return {};
  }
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    if (*natural > range.max) return Outside(std::to_string(*natural), type);
    bits = *natural;
    return {};
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    bits = *flag ? 1 : 0;
    return {};
  }
  return "text does not go into a number";
}

std::optional<double> ToReal(const Value& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*natural);
  return std::nullopt;
}

std::string ToFloatBits(Type type, const Value& value, std::uint64_t& bits) {
  const auto real = ToReal(value);
  if (!real || !std::isfinite(*real)) return "not a finite number";
  const double largest = type == Type::kF16   ? 65504
                         : type == Type::kF32 ? std::numeric_limits<float>::max()
                                              : std::numeric_limits<double>::max();
  if (std::fabs(*real) > largest) return TextOf(*real) + " is too large for " + std::string(NameOf(type));
  if (type == Type::kF16) {
    bits = DoubleToHalf(*real);
  } else if (type == Type::kF32) {
    bits = BitsAs<std::uint32_t>(static_cast<float>(*real));
  } else {
    bits = BitsAs<std::uint64_t>(*real);
  }
  return {};
}

}  // namespace

std::optional<Type> TypeFromName(std::string_view name) {
  const auto found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeFacts& facts) { return facts.name == name; });
  return found == kTypes.end() ? std::nullopt : std::optional(found->type);
}

std::string_view NameOf(Type type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

std::optional<Order> OrderFromName(std::string_view name) {
  for (const auto& [text, order] : kOrders) {
    if (text == name) return order;
  }
  return std::nullopt;
}

std::uint16_t WordsOf(const Encoding& encoding) {
  return encoding.type == Type::kString ? encoding.length : kTypes[static_cast<std::size_t>(encoding.type)].words;
}

Decoded Decode(const Encoding& encoding, std::span<const std::uint16_t> words) {
  if (encoding.type == Type::kString) return DecodeText(words, encoding.order);
  const std::uint64_t bits = Gather(words, encoding.order);
  switch (encoding.type) {
    case Type::kBool:
      return {.value = encoding.bit ? ((bits >> *encoding.bit) & 1) != 0 : bits != 0};
    case Type::kS16:
      return {.value = std::int64_t{static_cast<std::int16_t>(bits)}};
    case Type::kS32:
      return {.value = std::int64_t{static_cast<std::int32_t>(bits)}};
    case Type::kS64:
      return {.value = static_cast<std::int64_t>(bits)};
    case Type::kF16:
      return {.value = ShortestHalf(static_cast<std::uint16_t>(bits))};
    case Type::kF32:
      return {.value = Shortest(BitsAs<float>(static_cast<std::uint32_t>(bits)))};
    case Type::kF64:
      return {.value = BitsAs<double>(bits)};
    case Type::kBcd16:
      return DecodeBcd(bits, 4);
    case Type::kBcd32:
      return DecodeBcd(bits, 8);
    default:
      return {.value = bits};
  }
}

std::string Encode(const Encoding& encoding, const Value& value, std::vector<std::uint16_t>& words) {
  if (encoding.type == Type::kString) return EncodeText(value, encoding, words);
  std::uint64_t bits = 0;
  std::string fault;
  switch (encoding.type) {
    case Type::kBool: {
      const auto flag = AsBool(value);
      if (!flag) return "a bool takes true, false, 0 or 1";
      bits = *flag ? 1 : 0;
      break;
    }
    case Type::kF16:
    case Type::kF32:
    case Type::kF64:
      fault = ToFloatBits(encoding.type, value, bits);
      break;
    default:
      fault = ToInteger(encoding.type, value, bits);
      break;
  }
  if (!fault.empty()) return fault;
  if (encoding.type == Type::kBcd16 || encoding.type == Type::kBcd32) bits = ToBcd(bits);
  words.assign(WordsOf(encoding), 0);
  Scatter(bits, encoding.order, words);
  return {};
}

std::optional<bool> AsBool(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  const auto real = ToReal(value);
  if (real == 0.0) return false;
  if (real == 1.0) return true;
  return std::nullopt;
}

}  // namespace penumbra::modbus
