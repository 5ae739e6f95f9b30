#include "modbus/unit_counters.hpp"

#include <algorithm>
#include <limits>

namespace penumbra::modbus {

void RoundTrips::Add(std::int64_t ns) {
  constexpr std::int64_t kMostUs = std::numeric_limits<std::uint32_t>::max();
  us_[added_++ % kKept] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(ns / 1000, 0, kMostUs));
}

std::optional<std::int64_t> RoundTrips::Percentile(double share) const {
  const std::size_t count = std::min(added_, kKept);
  if (count == 0) return std::nullopt;
  auto sorted = us_;
  const auto rank = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(count - 1) + 0.5);
  std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.begin() + count);
  return std::int64_t{sorted[rank]} * 1000;
}

}  // namespace penumbra::modbus
