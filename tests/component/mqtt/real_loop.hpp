// A real event loop for component tests: turns until something is so or the machine is dead, and remembers the longest
// time a handler took.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <functional>

#include "event/asio_loop.hpp"

namespace penumbra::test {

class RealLoop {
 public:
  EventLoop& loop() { return loop_; }
  bool RunUntil(const std::function<bool()>& done, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    loop_.context().restart();  // it stops by itself when it runs out of work between two calls
    const auto work = boost::asio::make_work_guard(loop_.context());
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.context().run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  void RunFor(std::chrono::milliseconds time) {
    RunUntil([] { return false; }, time);
  }
  Duration TakeLongestHandler() { return loop_.TakeLongestHandler(); }

 private:
  SystemClock clock_;
  AsioLoop loop_{clock_};
};

}  // namespace penumbra::test
