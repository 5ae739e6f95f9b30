#include "event/backoff.hpp"

#include <algorithm>

namespace penumbra {

Duration Backoff::Next(Random& random) {
  Duration ceiling = base_;
  for (std::uint32_t i = 0; i < attempts_ && ceiling < max_; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, max_);
  ++attempts_;
  const Duration lowest = std::min(floor_, ceiling);
  std::uniform_int_distribution<std::int64_t> pick(lowest.count(), std::max(lowest, ceiling).count());
  return Duration(pick(random));
}

}  // namespace penumbra
