#include "mqtt/work_thread.hpp"

#include <pthread.h>

namespace penumbra::mqtt {

WorkThread::WorkThread(const char* name, std::size_t limit) : limit_(limit), thread_([this] { Run(); }) {
  ::pthread_setname_np(thread_.native_handle(), name);
}

WorkThread::~WorkThread() {
  Finish();
}

void WorkThread::Finish() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool WorkThread::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= limit_) return false;
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
  return true;
}

void WorkThread::PostAlways(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void WorkThread::PostAfter(std::chrono::milliseconds delay, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    delayed_.emplace(std::chrono::steady_clock::now() + delay, std::move(work));
  }
  wake_.notify_one();
}

std::function<void()> WorkThread::Next() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (const auto due = delayed_.begin();
        due != delayed_.end() && !stopping_ && due->first <= std::chrono::steady_clock::now()) {
      auto work = std::move(due->second);
      delayed_.erase(due);
      return work;
    }
    if (!queue_.empty()) {
      auto work = std::move(queue_.front());
      queue_.pop_front();
      return work;
    }
    if (stopping_) return {};
    if (delayed_.empty()) {
      wake_.wait(lock);
    } else {
      const Moment next = delayed_.begin()->first;
      wake_.wait_until(lock, next);
    }
  }
}

void WorkThread::Run() {
  while (const auto work = Next()) work();
}

}  // namespace penumbra::mqtt
