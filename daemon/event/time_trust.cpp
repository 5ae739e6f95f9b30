#include "event/time_trust.hpp"

namespace penumbra {

bool TimeTrust::Trusted() {
  if (always_ || synchronised_) return true;
  const std::int64_t now_ns = clock_.Now().ns;
  if (asked_ns_ < 0 || now_ns - asked_ns_ >= 1'000'000'000) {
    asked_ns_ = now_ns;
    synchronised_ = clock_.Synchronised();
    battery_ = clock_.SetFromBattery();
  }
  if (synchronised_) return true;
  // A battery clock alone proves nothing on a first start: there must be something in the store to compare with.
  return battery_ && newest_seen_ms_ > 0 && clock_.UnixMs() >= newest_seen_ms_;
}

}  // namespace penumbra
