// A run of whole numbers in few bits each: times and values of a thing's readings side by side differ little. Pure.
//
// Layout: u8 order (0: the numbers; 1: their differences, after the first as zz), then blocks of up to 64 of
// them: zz smallest, u8 width in bits (1 to 64), each minus the smallest in that many bits, lowest bit first, filled up
// to a byte. One that leaps costs its own block only. Every number takes at least a bit, so that a count can be checked
// against the bytes before memory is taken. Differences wrap.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.hpp"

namespace penumbra {

// Below this many, varints are as short.
constexpr std::size_t kFewestForSeries = 8;
// More cannot be in `bytes`.
constexpr std::size_t MostInSeries(std::size_t bytes) {
  return 8 * bytes;
}

// In the shorter of both orders. `numbers` is not empty.
void EncodeSeries(ByteWriter& out, std::span<const std::int64_t> numbers);
// false: damaged.
bool DecodeSeries(ByteReader& in, std::span<std::int64_t> numbers);

}  // namespace penumbra
