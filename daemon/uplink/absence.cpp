#include "uplink/absence.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace penumbra {
namespace {

// What is stored instead of the time at which it went.
constexpr const char* kConnected = "connected";
constexpr const char* kUnknown = "unknown";

}  // namespace

Absence::Absence(const World& world, const std::string& thing) : world_(world), key_("link/" + thing + "/left") {}

void Absence::Came(bool kept, Duration expiry, Duration unnoticed) {
  settle_timer_.reset();
  waited_ = Duration::zero();
  if (!kept) return Settle();
  // What the session before this one did not get any more comes now.
  waited_ = std::min(Away() + unnoticed, expiry + kOverrun);
  settle_timer_ = world_.loop.After(kDrain, [this] { Settle(); });
}

void Absence::Settle() {
  waited_ = Duration::zero();
  left_.reset();
  settled_ = true;
  if (world_.store.Setting(key_) != kConnected) world_.store.PutSetting(key_, kConnected, {});
}

void Absence::Went() {
  settle_timer_.reset();
  waited_ = Duration::zero();
  if (!std::exchange(settled_, false)) return;  // too short to be sure that nothing old is left: away since before it
  left_ = world_.loop.Now();
  world_.store.PutSetting(key_, world_.trust.Trusted() ? std::to_string(world_.trust.UnixMs()) : kUnknown, {});
}

Duration Absence::Away() const {
  constexpr Duration kForEver = std::chrono::hours(24 * 365);
  if (left_) return world_.loop.Now() - *left_;
  const std::string stored = world_.store.Setting(key_).value_or(kUnknown);
  const std::int64_t left_ms = stored == kConnected ? world_.last_life_ms : std::strtoll(stored.c_str(), nullptr, 10);
  if (left_ms <= 0 || !world_.trust.Trusted()) return kForEver;
  const std::int64_t away_ms =
      std::clamp<std::int64_t>(world_.trust.UnixMs() - left_ms, 0, kForEver / std::chrono::milliseconds(1));
  return std::chrono::milliseconds(away_ms);
}

}  // namespace penumbra
