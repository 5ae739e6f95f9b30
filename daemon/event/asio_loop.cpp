#include "event/asio_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace penumbra {

namespace asio = boost::asio;

// Asio may have queued a handler when its object is destroyed, so each handler holds this flag and looks at it first.
using Alive = std::shared_ptr<bool>;

struct AsioLoop::Timer : Subscription {
  explicit Timer(asio::io_context& context) : timer(context) {}
  ~Timer() override { *alive = false; }
  asio::steady_timer timer;
  Alive alive = std::make_shared<bool>(true);
};

struct AsioLoop::ReadWatch : Subscription {
  ReadWatch(AsioLoop& l, int fd, std::function<void()> h)
      : loop(l), descriptor(l.context_, fd), handler(std::move(h)) {}
  ~ReadWatch() override {
    *alive = false;
    descriptor.release();  // the caller owns the descriptor
  }
  void Arm() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, token = alive](const boost::system::error_code& error) {
                            if (!*token || error) return;
                            loop.RunTimed(handler);
                            if (*token) Arm();
                          });
  }
  AsioLoop& loop;
  asio::posix::stream_descriptor descriptor;
  std::function<void()> handler;
  Alive alive = std::make_shared<bool>(true);
};

namespace {

void RaiseTo(std::atomic<std::int64_t>& maximum, std::int64_t value) {
  std::int64_t seen = maximum.load(std::memory_order_relaxed);
  while (value > seen && !maximum.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

void AsioLoop::RunTimed(const std::function<void()>& handler) {
  const std::function<void()> keep = handler;  // the handler may destroy its own subscription
  const BootTime start = clock_.Now();
  keep();
  const std::int64_t ns = (clock_.Now() - start).count();
  handlers_run_.fetch_add(1, std::memory_order_relaxed);
  RaiseTo(longest_ns_, ns);
  RaiseTo(longest_ever_ns_, ns);
}

void AsioLoop::Post(std::function<void()> handler) {
  asio::post(context_, [this, handler = std::move(handler)] { RunTimed(handler); });
}

SubscriptionPtr AsioLoop::After(Duration delay, std::function<void()> handler) {
  auto timer = std::make_unique<Timer>(context_);
  timer->timer.expires_after(std::max(delay, Duration::zero()));
  timer->timer.async_wait(
      [this, token = timer->alive, handler = std::move(handler)](const boost::system::error_code& error) {
        if (!*token || error) return;
        RunTimed(handler);
      });
  return timer;
}

SubscriptionPtr AsioLoop::WhenReadable(int fd, std::function<void()> handler) {
  auto watch = std::make_unique<ReadWatch>(*this, fd, std::move(handler));
  watch->Arm();
  return watch;
}

void AsioLoop::Run() {
  const auto work = asio::make_work_guard(context_);
  context_.run();
}

}  // namespace penumbra
