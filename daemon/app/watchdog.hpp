// Feeds systemd's watchdog while every thread of the daemon makes progress, and says which one does not. Loop thread.
//
// A timer alone would go on feeding while the store hangs in an fsync for ever. So each member is asked something that
// only its own thread can answer, behind the work that waits there; the watchdog is fed when all have answered. That
// this runs at all is the loop's own proof.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/loop.hpp"

namespace penumbra {

class Watchdog {
 public:
  struct Member {
    std::string name;
    // Has `answer` called on the loop thread once the member's thread got to it; not called at all is "no progress".
    std::function<void(std::function<void()> answer)> ask;
  };

  // Asks at once and every `interval`, and calls `feed` whenever all have answered. A member that has not answered when
  // the interval is over is told once in the log, is not asked again before it answers, and feeds then.
  Watchdog(EventLoop& loop, Duration interval, std::vector<Member> members, std::function<void()> feed);
  ~Watchdog();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace penumbra
