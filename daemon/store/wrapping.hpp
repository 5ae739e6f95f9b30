// Differences that wrap, so that any pair of numbers has one; adding wraps back. For the packed formats. Pure.
#pragma once

#include <cstdint>

namespace penumbra {

inline std::int64_t Minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

inline std::int64_t Plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace penumbra
