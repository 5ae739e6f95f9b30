#include "uplink/connect_gate.hpp"

#include <algorithm>
#include <utility>

namespace penumbra {

ConnectGate::ConnectGate(EventLoop& loop, double rate, Random& random)
    : loop_(loop),
      gap_(static_cast<std::int64_t>(1e9 / rate)),
      most_counted_(static_cast<std::size_t>(std::clamp(rate, 1.0, 1e6))),
      random_(random) {}

void ConnectGate::Change(double rate) {
  gap_ = Duration(static_cast<std::int64_t>(1e9 / rate));
  most_counted_ = static_cast<std::size_t>(std::clamp(rate, 1.0, 1e6));
  Arm();
}

void ConnectGate::Request(const std::string& client_id, Priority priority, std::function<void()> open) {
  waiting_[client_id] = {std::move(priority), std::move(open), order_++};
  Arm();
}

void ConnectGate::Cancel(const std::string& client_id) {
  waiting_.erase(client_id);
  End(client_id);
  Arm();
}

void ConnectGate::Finished(const std::string& client_id) {
  End(client_id);
  Arm();
}

void ConnectGate::End(const std::string& client_id) {
  for (Attempt& attempt : attempts_) {
    if (attempt.ended || attempt.client_id != client_id) continue;
    attempt.ended = true;
    attempt.counts_until = std::min(attempt.counts_until, loop_.Now() + kSecond);
  }
}

BootTime ConnectGate::Room() const {
  if (attempts_.size() < most_counted_) return {};
  const auto first = std::min_element(attempts_.begin(), attempts_.end(), [](const Attempt& a, const Attempt& b) {
    return a.counts_until < b.counts_until;
  });
  return first->counts_until;
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
  std::erase_if(attempts_, [now](const Attempt& attempt) { return attempt.counts_until <= now; });
  if (attempts_.size() >= most_counted_) return Arm();
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
  attempts_.push_back({best->first, now + kHold + kSecond});
  waiting_.erase(best);
  std::uniform_real_distribution<double> stretch(1.0, 1.0 + kJitter);
  next_ = now + Duration(static_cast<std::int64_t>(static_cast<double>(gap_.count()) * stretch(random_)));
  Arm();
  open();
}

}  // namespace penumbra
