// A rate limit: at most `burst` at once and `rate` a second in the long run. Pure; the caller brings the time.
#pragma once

#include "event/clock.hpp"

namespace penumbra {

class TokenBucket {
 public:
  // rate > 0 per second, burst >= 1. Starts full.
  TokenBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}

  // Takes one token if there is one.
  bool TryTake(BootTime now);
  // How long until TryTake can succeed; zero when it can now.
  Duration UntilNext(BootTime now);

 private:
  void Refill(BootTime now);
  double rate_;
  double burst_;
  double tokens_;
  BootTime last_{};
  bool started_ = false;
};

}  // namespace penumbra
