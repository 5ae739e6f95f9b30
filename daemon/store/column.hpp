// One point's values over a run of readings, packed: part of the journal row's format (see codec.hpp). Pure.
#pragma once

#include <span>

#include "base/bytes.hpp"
#include "model/reading.hpp"
#include "store/dictionary.hpp"

namespace penumbra {

// How the values of a column are written.
enum class Column : std::uint8_t {
  kMixed = 0,    // per value: u8 type, then the value in full
  kDecimal = 1,  // doubles with few decimals: u8 exponent, then zz differences of value * 10^exponent; exact
  kSigned = 2,   // zz differences
  kUnsigned = 3,
  kBool = 4,    // a byte each
  kDouble = 5,  // 8 bytes each
  // The same numbers as a series (series.hpp), in runs that are written so.
  kDecimalSeries = 6,
  kSignedSeries = 7,
  kUnsignedSeries = 8,
};
constexpr std::uint8_t kColumnPlain = 0x80;  // all Good, no reasons

// `series`: there are enough values for one.
void EncodeColumn(ByteWriter& out, std::span<const PointValue* const> values, bool series, Dictionary& dictionary);
// Sets value, quality and reason of each. false: damaged.
bool DecodeColumn(ByteReader& in, std::span<PointValue* const> values, const Dictionary& dictionary);

}  // namespace penumbra
