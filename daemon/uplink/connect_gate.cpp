#include "uplink/connect_gate.hpp"

#include <algorithm>
#include <utility>

namespace penumbra {

ConnectGate::ConnectGate(EventLoop& loop, double rate, Random& random)
    : loop_(loop),
      gap_(static_cast<std::int64_t>(1e9 / rate)),
      most_under_way_(static_cast<std::size_t>(std::clamp(rate / 2, 1.0, 1e6))),
      random_(random) {}

void ConnectGate::Request(const std::string& client_id, Priority priority, std::function<void()> open) {
  waiting_[client_id] = {std::move(priority), std::move(open), order_++};
  Arm();
}

void ConnectGate::Cancel(const std::string& client_id) {
  waiting_.erase(client_id);
  under_way_.erase(client_id);
  Arm();
}

void ConnectGate::Finished(const std::string& client_id) {
  if (under_way_.erase(client_id) != 0) Arm();
}

BootTime ConnectGate::Room() const {
  if (under_way_.size() < most_under_way_) return {};
  BootTime eldest = under_way_.begin()->second;
  for (const auto& [client_id, since] : under_way_) eldest = std::min(eldest, since);
  return eldest + kHold;
}

BootTime ConnectGate::Earliest(const std::string& client_id) const {
  const auto last = last_.find(client_id);
  return last == last_.end() ? next_ : std::max(next_, last->second + kPerClient);
}

void ConnectGate::Arm() {
  if (waiting_.empty()) return timer_.reset();
  BootTime soonest = Earliest(waiting_.begin()->first);
  for (const auto& [client_id, unused] : waiting_) soonest = std::min(soonest, Earliest(client_id));
  timer_ = loop_.After(std::max(soonest, Room()) - loop_.Now(), [this] { Open(); });
}

void ConnectGate::Open() {
  const BootTime now = loop_.Now();
  std::erase_if(under_way_, [now](const auto& attempt) { return attempt.second + kHold <= now; });
  if (under_way_.size() >= most_under_way_) return Arm();
  auto best = waiting_.end();
  std::pair<std::int64_t, std::uint64_t> best_rank{};
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (Earliest(it->first) > now) continue;
    const std::pair rank(it->second.priority(), it->second.order);
    if (best != waiting_.end() && !(rank < best_rank)) continue;
    best = it;
    best_rank = rank;
  }
  if (best == waiting_.end()) return Arm();
  const auto open = std::move(best->second.open);
  last_[best->first] = now;
  under_way_[best->first] = now;
  waiting_.erase(best);
  std::uniform_real_distribution<double> stretch(1.0, 1.0 + kJitter);
  next_ = now + Duration(static_cast<std::int64_t>(static_cast<double>(gap_.count()) * stretch(random_)));
  Arm();
  open();
}

}  // namespace penumbra
