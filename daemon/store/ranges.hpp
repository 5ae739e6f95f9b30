// An IntervalSet as bytes, as table `outbox` holds it: pairs of varints (gap after the last range, length - 1),
// ascending. Pure.
#pragma once

#include <string>
#include <string_view>

#include "store/interval_set.hpp"

namespace penumbra {

std::string EncodeRanges(const IntervalSet& set);
// false: damaged; the set then holds what came before the damage.
bool DecodeRanges(std::string_view bytes, IntervalSet& set);

}  // namespace penumbra
