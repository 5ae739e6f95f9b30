// EventLoop on virtual time: nothing waits, everything is repeatable. Time moves only in Advance().
// Post() may be called from any thread (a real store thread may stand behind the code under test); all else on the
// test's thread.
#pragma once

#include <poll.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "event/loop.hpp"

namespace penumbra::test {

class VirtualClock : public Clock {
 public:
  BootTime Now() const override { return now; }
  std::int64_t UnixMs() const override { return unix_epoch_ms + now.ns / 1'000'000; }
  bool Synchronised() const override { return synchronised; }
  bool SetFromBattery() const override { return battery; }
  const std::string& BootId() const override { return boot_id; }

  BootTime now{1'000'000'000};
  std::int64_t unix_epoch_ms = 1'700'000'000'000;  // wall clock at boot; change it to step the clock
  bool synchronised = true;
  bool battery = false;
  std::string boot_id = "boot-1";
};

class VirtualLoop : public EventLoop {
 public:
  VirtualClock virtual_clock;

  Clock& clock() override { return virtual_clock; }

  void Post(std::function<void()> handler) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(handler));
  }

  SubscriptionPtr After(Duration delay, std::function<void()> handler) override {
    auto timer = std::make_unique<Timer>();
    const BootTime due = virtual_clock.now + std::max(delay, Duration::zero());
    timers_.emplace(std::pair(due, next_id_++), Entry{timer->alive, std::move(handler)});
    return timer;
  }

  SubscriptionPtr WhenReadable(int fd, std::function<void()> handler) override {
    auto watch = std::make_unique<Timer>();
    watches_.push_back({fd, {watch->alive, std::move(handler)}});
    return watch;
  }

  // Runs all that is due now, without moving time. Answers how many handlers ran.
  int RunReady() {
    int ran = 0;
    for (;;) {
      const int before = ran;
      while (auto handler = TakePosted()) {
        handler();
        ++ran;
      }
      ran += PollWatches();
      if (const auto it = timers_.begin(); it != timers_.end() && it->first.first <= virtual_clock.now) {
        const Entry entry = std::move(it->second);
        timers_.erase(it);
        if (*entry.alive) {
          entry.handler();
          ++ran;
        }
        continue;
      }
      if (ran == before) return ran;
    }
  }

  // Moves time on by `d`, stopping at every timer on the way.
  void Advance(Duration d) {
    const BootTime end = virtual_clock.now + d;
    RunReady();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      virtual_clock.now = std::max(virtual_clock.now, timers_.begin()->first.first);
      RunReady();
    }
    virtual_clock.now = end;
    RunReady();
  }

  // Runs handlers posted by real threads until `done` or `limit` of real time has passed; answers done().
  bool RunUntil(const std::function<bool()>& done, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (RunReady() == 0) ::poll(nullptr, 0, 1);
    }
    return true;
  }

 private:
  struct Timer : Subscription {
    ~Timer() override { *alive = false; }
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  };
  struct Entry {
    std::shared_ptr<bool> alive;
    std::function<void()> handler;
  };

  std::function<void()> TakePosted() {
    const std::lock_guard lock(mutex_);
    if (posted_.empty()) return {};
    auto handler = std::move(posted_.front());
    posted_.pop_front();
    return handler;
  }

  int PollWatches() {
    int ran = 0;
    for (std::size_t i = 0; i < watches_.size(); ++i) {
      const auto [fd, entry] = watches_[i];
      if (!*entry.alive) continue;
      pollfd p{fd, POLLIN, 0};
      if (::poll(&p, 1, 0) > 0) {
        entry.handler();
        ++ran;
      }
    }
    std::erase_if(watches_, [](const auto& w) { return !*w.second.alive; });
    return ran;
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> posted_;
  std::map<std::pair<BootTime, std::uint64_t>, Entry> timers_;
  std::vector<std::pair<int, Entry>> watches_;
  std::uint64_t next_id_ = 0;
};

}  // namespace penumbra::test
