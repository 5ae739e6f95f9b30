// Exponential backoff with full jitter: wait = floor + random(0 .. min(max, base * 2^n) - floor).
// Full jitter is what spreads a herd (AWS Architecture Blog, "Exponential Backoff And Jitter"); Device Advisor fails
// constant and warns about jitter-free backoff. Pure: the caller brings the random number.
#pragma once

#include <cstdint>
#include <random>

#include "event/clock.hpp"

namespace penumbra {

using Random = std::mt19937_64;

class Backoff {
 public:
  // 0 < base <= max. `floor` is the shortest wait ever answered (AWS: one CONNECT a second per client id).
  Backoff(Duration base, Duration max, Duration floor = Duration::zero()) : base_(base), max_(max), floor_(floor) {}

  // The next wait; each call doubles the ceiling until `max`.
  Duration Next(Random& random);
  void Reset() { attempts_ = 0; }
  std::uint32_t attempts() const { return attempts_; }

 private:
  Duration base_;
  Duration max_;
  Duration floor_;
  std::uint32_t attempts_ = 0;
};

}  // namespace penumbra
