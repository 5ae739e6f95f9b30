// Keeps TimeTrust and the store in step: what the clock has taught goes into the store, so that everything measured
// before is dated by it, in this run and after a restart; and looks at the clocks once a second. Loop thread.
#pragma once

#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/settings.hpp"
#include "store/store.hpp"

namespace penumbra {

class TimeKeeper {
 public:
  // The store's newest time may be this far ahead of a trusted clock without being called wrong: clocks are read one
  // after the other.
  static constexpr std::int64_t kNewestSlackMs = 60'000;

  // Both outlive it.
  TimeKeeper(EventLoop& loop, const ClockSettings& settings, Store& store);
  TimeTrust& trust() { return trust_; }

 private:
  void Watch();
  void Keep();

  EventLoop& loop_;
  Store& store_;
  TimeTrust trust_;
  SubscriptionPtr timer_;
};

}  // namespace penumbra
