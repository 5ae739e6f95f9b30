// One piece of blocking work at a time on a thread of its own (small files and their fsyncs), its answer on the loop.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/error.hpp"
#include "event/loop.hpp"

namespace penumbra {

class Background {
 public:
  explicit Background(EventLoop& loop) : loop_(loop) {}
  // Waits for the work under way.
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // `done` on the loop, once, unless this is gone by then. Not while other work is under way: await its `done`.
  void Run(std::function<Status()> work, std::function<void(Status)> done) {
    if (thread_.joinable()) thread_.join();
    thread_ = std::thread(
        [&loop = loop_, weak = std::weak_ptr(alive_), work = std::move(work), done = std::move(done)]() mutable {
          auto status = std::make_shared<Status>(work());
          loop.Post([weak, status, done = std::move(done)] {
            if (!weak.expired()) done(*status);
          });
        });
  }

 private:
  EventLoop& loop_;
  std::thread thread_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace penumbra
