#include "uplink/turns.hpp"

#include <algorithm>

namespace penumbra {

void Turns::Wake(Taker& taker) {
  if (std::find(queue_.begin(), queue_.end(), &taker) == queue_.end()) queue_.push_back(&taker);
  Schedule();
}

void Turns::Leave(Taker& taker) {
  std::erase(queue_, &taker);
}

void Turns::Landed(int count) {
  in_flight_ -= count;
  if (!queue_.empty()) Schedule();
}

void Turns::Schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.Post([this, token = alive_] {
    if (*token) Run();
  });
}

void Turns::Run() {
  scheduled_ = false;
  while (in_flight_ < limit_ && !queue_.empty()) {
    Taker* const taker = queue_.front();
    queue_.pop_front();
    if (!taker->TakeTurn()) continue;
    ++in_flight_;
    queue_.push_back(taker);
  }
}

}  // namespace penumbra
