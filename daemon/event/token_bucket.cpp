#include "event/token_bucket.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra {

void TokenBucket::Refill(BootTime now) {
  if (started_ && now > last_) {
    tokens_ = std::min(burst_, tokens_ + rate_ * std::chrono::duration<double>(now - last_).count());
  }
  if (!started_ || now > last_) last_ = now;
  started_ = true;
}

bool TokenBucket::TryTake(BootTime now) {
  Refill(now);
  // A hair of slack: UntilNext rounds to nanoseconds, and a timer that fires exactly then must succeed.
  if (tokens_ < 1.0 - 1e-6) return false;
  tokens_ = std::max(0.0, tokens_ - 1.0);
  return true;
}

Duration TokenBucket::UntilNext(BootTime now) {
  Refill(now);
  if (tokens_ >= 1.0 - 1e-6) return Duration::zero();
  return Duration(static_cast<std::int64_t>(std::ceil((1.0 - tokens_) / rate_ * 1e9)));
}

}  // namespace penumbra
