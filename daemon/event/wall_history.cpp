#include "event/wall_history.hpp"

#include <algorithm>

namespace penumbra {

const WallEra* WallHistory::At(std::int64_t boot_ns) const {
  if (eras.empty()) return nullptr;
  const auto behind = std::upper_bound(eras.begin(), eras.end(), boot_ns,
                                       [](std::int64_t ns, const WallEra& era) { return ns < era.from_ns; });
  return behind == eras.begin() ? &eras.front() : &*(behind - 1);
}

void WallHistory::Begin(std::int64_t from_ns, std::int64_t offset_ms, bool trusted) {
  if (eras.size() >= kMaxEras) eras.erase(eras.begin() + 1);
  eras.push_back({from_ns, offset_ms, offset_ms, trusted});
}

void WallHistory::Correct(std::int64_t by_ms, bool trusted) {
  for (WallEra& era : eras) {
    era.true_offset_ms += by_ms;
    era.trusted |= trusted;
  }
}

}  // namespace penumbra
