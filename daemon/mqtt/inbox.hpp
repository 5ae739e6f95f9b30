// The loop's end of a connection: what Paho's threads and the MQTT thread have to say comes to the listener by way of
// it, for as long as there is one. Everything but the counters and posting on the loop thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "event/loop.hpp"
#include "mqtt/transport.hpp"

namespace penumbra::mqtt {

struct Inbox : std::enable_shared_from_this<Inbox> {
  explicit Inbox(EventLoop& l) : loop(l) {}

  // Exactly one OnDown. The listener may destroy the connection in it.
  void End(const Failure& failure) {
    deadline.reset();
    Listener* const to = std::exchange(listener, nullptr);
    if (!to) return;
    if (const auto let_go = std::exchange(release, {})) let_go(failure.kind == Failure::Kind::kLocal);
    to->OnDown(failure);
  }
  // Any thread: runs `handler` on the loop while there is still somebody to listen.
  template <typename Handler>
  void Post(Handler handler) {
    loop.Post([self = shared_from_this(), handler = std::move(handler)] {
      if (self->listener) handler(*self);
    });
  }
  void PostEnd(Failure failure) {
    Post([failure = std::move(failure)](Inbox& inbox) { inbox.End(failure); });
  }

  EventLoop& loop;
  Listener* listener = nullptr;  // null: ended or destroyed
  std::function<void(bool gently)> release;
  SubscriptionPtr deadline;
  bool resolving = true;
  std::atomic<std::size_t> unread_messages{0};
  std::atomic<std::size_t> unread_bytes{0};
};

}  // namespace penumbra::mqtt
