#include "modbus/meanings.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra::modbus {
namespace {

constexpr Type kTypes[] = {Type::kU16, Type::kS16, Type::kF32, Type::kU32,   Type::kS32,  Type::kU64,
                           Type::kS64, Type::kF64, Type::kF16, Type::kBcd16, Type::kBcd32};
constexpr Order kOrders[] = {Order::kAbcd, Order::kCdab, Order::kBadc, Order::kDcba};
constexpr double kScales[] = {1, 0.1, 0.01, 0.001, 10};

bool IsFloat(Type type) {
  return type == Type::kF16 || type == Type::kF32 || type == Type::kF64;
}

std::optional<double> NumberOf(const Value& value) {
  if (const auto* natural = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*natural);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&value); real != nullptr && std::isfinite(*real)) return *real;
  return std::nullopt;
}

// 225 * 0.1 is 22.5, not 22.500000000000004.
double Scaled(double raw, double scale) {
  return scale < 1 ? raw / std::round(1 / scale) : raw * scale;
}

void Add(std::vector<Meaning>& meanings, std::size_t first, const Encoding& encoding, double raw,
         std::optional<double> guess) {
  for (const double scale : kScales) {
    if (scale != 1 && (!guess || IsFloat(encoding.type))) continue;
    Meaning meaning{.first = first, .encoding = encoding, .scale = scale, .value = Scaled(raw, scale)};
    if (guess) meaning.off = std::abs(meaning.value - *guess) / std::max(std::abs(*guess), 1e-9);
    meanings.push_back(meaning);
  }
}

}  // namespace

std::vector<Meaning> MeaningsOf(std::span<const std::uint16_t> words, std::optional<double> guess) {
  std::vector<Meaning> meanings;
  for (std::size_t first = 0; first < words.size(); ++first) {
    for (const Type type : kTypes) {
      for (const Order order : kOrders) {
        const Encoding encoding{.type = type, .order = order};
        const std::size_t count = WordsOf(encoding);
        const bool reversed = order == Order::kCdab || order == Order::kDcba;
        if (first + count > words.size() || (count == 1 && reversed)) continue;
        const Decoded decoded = Decode(encoding, words.subspan(first, count));
        const auto raw = decoded.fault == nullptr ? NumberOf(decoded.value) : std::nullopt;
        if (raw) Add(meanings, first, encoding, *raw, guess);
      }
    }
  }
  if (guess) std::ranges::stable_sort(meanings, {}, &Meaning::off);
  return meanings;
}

}  // namespace penumbra::modbus
