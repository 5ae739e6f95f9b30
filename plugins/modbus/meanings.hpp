// Everything that a few registers can mean: for finding out what a device without a manual says. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "modbus/codec.hpp"

namespace penumbra::modbus {

struct Meaning {
  std::size_t first = 0;  // index into the words
  Encoding encoding;
  double scale = 1;
  double value = 0;  // scaled
  double off = 0;    // distance from the guess as a share of it
};

// With a guess every usual scale is tried and the nearest comes first, the simplest of equally near ones before the
// others; without, scale 1, in the order of the registers. Never NaN or infinite.
std::vector<Meaning> MeaningsOf(std::span<const std::uint16_t> words, std::optional<double> guess);

}  // namespace penumbra::modbus
