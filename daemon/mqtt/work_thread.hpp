// One thread that runs what is posted to it, in order, and delayed work when it is due. It knows nothing of MQTT.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace penumbra::mqtt {

class WorkThread {
 public:
  // At most `limit` works of Post() wait.
  WorkThread(const char* name, std::size_t limit);
  // Finish(), if nobody has.
  ~WorkThread();

  // Runs what is queued, not what is delayed, and joins. The object stays usable: work that runs now, and callbacks of
  // others' threads, may still post to it; what comes too late never runs. Owners call this before they let go of the
  // object, because a unique_ptr is null already while it destroys.
  void Finish();

  // Any thread. False: the queue is full, and `work` was dropped.
  bool Post(std::function<void()> work);
  // The same without the limit: for clearing up, which must not fail and is bounded by what there is to clear up.
  void PostAlways(std::function<void()> work);
  void PostAfter(std::chrono::milliseconds delay, std::function<void()> work);

 private:
  using Moment = std::chrono::steady_clock::time_point;
  void Run();
  // Waits for work; empty when the thread is to end.
  std::function<void()> Next();

  const std::size_t limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::multimap<Moment, std::function<void()>> delayed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace penumbra::mqtt
