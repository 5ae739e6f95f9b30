#include "event/receipt.hpp"

#include <algorithm>

namespace penumbra {
namespace {

// Milliseconds between two clocks, either of which may be nonsense: at most a century either way. Clamped before the
// subtraction, which therefore cannot overflow.
Duration Bounded(std::int64_t later_ms, std::int64_t earlier_ms) {
  constexpr std::int64_t kCenturyMs = 100LL * 365 * 24 * 3600 * 1000;
  const std::int64_t later = std::clamp(later_ms, -kCenturyMs, 2 * kCenturyMs);
  const std::int64_t earlier = std::clamp(earlier_ms, -kCenturyMs, 2 * kCenturyMs);
  return std::chrono::milliseconds(std::clamp(later - earlier, -kCenturyMs, kCenturyMs));
}

}  // namespace

Age AgeOf(const Receipt& receipt, const std::string& boot_id, Moment now) {
  Age age{Bounded(receipt.age_ms, 0), false};
  if (receipt.boot == boot_id) {
    age.at_least += now.boot - BootTime{receipt.boot_ns};
    age.known = true;
  } else if (now.trusted && receipt.unix_ms > 0) {
    age.at_least += Bounded(now.unix_ms, receipt.unix_ms);
    age.known = true;
  }
  if (now.trusted && receipt.asked_ms > 0) {
    age.at_least = std::max(age.at_least, Bounded(now.unix_ms, receipt.asked_ms));
    age.known = true;
  }
  return age;
}

}  // namespace penumbra
