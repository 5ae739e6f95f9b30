// EventLoop over Boost.Asio. Only app and api include this file; every other module sees event/loop.hpp.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>

#include "event/loop.hpp"

namespace penumbra {

class AsioLoop : public EventLoop {
 public:
  explicit AsioLoop(Clock& clock) : clock_(clock) {}

  void Post(std::function<void()> handler) override;
  SubscriptionPtr After(Duration delay, std::function<void()> handler) override;
  SubscriptionPtr WhenReadable(int fd, std::function<void()> handler) override;
  Clock& clock() override { return clock_; }

  // Runs handlers until Stop(). Calls on the thread that becomes the loop thread.
  void Run();
  // Any thread, also a signal-driven handler.
  void Stop() { context_.stop(); }

  boost::asio::io_context& context() { return context_; }

  // The longest time a single handler has run since the last call, and handlers run in all: how health sees that
  // something on the loop blocks. Any thread.
  Duration TakeLongestHandler() { return Duration(longest_ns_.exchange(0)); }
  // The same over the whole life of the loop.
  Duration longest_handler() const { return Duration(longest_ever_ns_.load(std::memory_order_relaxed)); }
  std::uint64_t handlers_run() const { return handlers_run_.load(std::memory_order_relaxed); }

 private:
  struct Timer;
  struct ReadWatch;
  void RunTimed(const std::function<void()>& handler);

  Clock& clock_;
  boost::asio::io_context context_{1};
  std::atomic<std::int64_t> longest_ns_{0};
  std::atomic<std::int64_t> longest_ever_ns_{0};
  std::atomic<std::uint64_t> handlers_run_{0};
};

}  // namespace penumbra
