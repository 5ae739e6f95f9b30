// The event loop as the modules see it. One thread runs it and owns all state; nothing on it may block.
// Asio stands behind it (asio_loop.hpp, seen by app and api only); tests put virtual time in its place
// (tests/support/virtual_loop.hpp).
#pragma once

#include <functional>
#include <memory>

#include "event/clock.hpp"

namespace penumbra {

// Owner of something that can still happen: destroying it guarantees that the handler does not run any more.
// Loop thread only.
class Subscription {
 public:
  virtual ~Subscription() = default;
};
using SubscriptionPtr = std::unique_ptr<Subscription>;

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Runs `handler` on the loop soon, after what is already queued. Any thread. What is posted after the loop has
  // stopped never runs and is destroyed with the loop.
  virtual void Post(std::function<void()> handler) = 0;

  // Runs `handler` once, `delay` from now (a delay <= 0: as soon as possible, never inside this call). Loop thread.
  virtual SubscriptionPtr After(Duration delay, std::function<void()> handler) = 0;

  // Runs `handler` each time `fd` is readable or at its end, until the subscription is destroyed. Level triggered. The
  // caller keeps `fd` open and non-blocking, and destroys the subscription before closing it. Loop thread.
  virtual SubscriptionPtr WhenReadable(int fd, std::function<void()> handler) = 0;

  virtual Clock& clock() = 0;
  BootTime Now() { return clock().Now(); }
};

}  // namespace penumbra
