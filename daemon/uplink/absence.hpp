// How long a thing was away from the cloud, across restarts of the daemon too: what the cloud kept for its session
// meanwhile may be that old when it comes, and nothing in the message says so. Loop thread.
// Deliberately not here: what may be done with something old (orders/book.hpp, shadow).
// Source: aws-iot-core.md, section 2, "Persistent sessions".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "store/store.hpp"

namespace penumbra {

class Absence {
 public:
  // For so long after a session was resumed kept messages may come among the new ones. AWS sends ten of them a second.
  static constexpr Duration kDrain = std::chrono::minutes(1);
  // By how much AWS may keep a session longer than it was asked to.
  static constexpr Duration kOverrun = std::chrono::minutes(30);

  struct World {
    EventLoop& loop;
    TimeTrust& trust;
    Store& store;
    std::int64_t last_life_ms = 0;  // Unix time until which a process before this one has lived; 0: not known
  };

  Absence(const World& world, const std::string& thing);

  // Connected. `kept`: the cloud has kept the session, for at most `expiry`. `unnoticed`: for how long a connection may
  // have been dead before anybody knew.
  void Came(bool kept, Duration expiry, Duration unnoticed);
  // The connection is gone.
  void Went();
  // How long at most a message that comes now may have waited in the cloud for this session.
  Duration MayHaveWaited() const { return waited_; }

 private:
  Duration Away() const;
  void Settle();

  const World world_;
  const std::string key_;
  std::optional<BootTime> left_;  // when this process saw it go
  bool settled_ = false;          // connected, and nothing old can come any more
  Duration waited_{};
  SubscriptionPtr settle_timer_;
};

}  // namespace penumbra
