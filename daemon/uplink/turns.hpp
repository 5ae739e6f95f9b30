// One bound on what is in flight over all things together, handed round: whoever has something to send takes one turn
// and queues again. Paho's cost per message grows with the total in flight (33 us to 429 us, reference baselines.md),
// and without turns one thing's backlog would starve the others' fresh readings. Loop thread.
#pragma once

#include <deque>
#include <memory>

#include "event/loop.hpp"

namespace penumbra {

class Turns {
 public:
  class Taker {
   public:
    virtual ~Taker() = default;
    // Puts at most one message in flight and says whether it did. After false it must call Wake() when that changes.
    virtual bool TakeTurn() = 0;
  };

  Turns(EventLoop& loop, int limit) : loop_(loop), limit_(limit) {}
  ~Turns() { *alive_ = false; }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // The taker may have something to send. Turns are given on the loop, never inside this call.
  void Wake(Taker& taker);
  void Leave(Taker& taker);
  // `count` messages are in flight no more, whatever became of them.
  void Landed(int count);
  int in_flight() const { return in_flight_; }

 private:
  void Schedule();
  void Run();

  EventLoop& loop_;
  const int limit_;
  int in_flight_ = 0;
  bool scheduled_ = false;
  std::deque<Taker*> queue_;  // each at most once
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra
