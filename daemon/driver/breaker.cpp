#include "driver/breaker.hpp"

#include <algorithm>

namespace penumbra {
namespace {

constexpr double kJitter = 0.2;

}  // namespace

bool Breaker::OnSilence(BootTime now, Random& random) {
  ++silent_polls_;
  if (state_ == State::kClosed) {
    if (silent_polls_ < settings_.failures) return false;
    wait_ = settings_.open;
    Open(now, random);
    return true;
  }
  // While open, only a probe (or what an operator asked for) brings news.
  wait_ = std::min(wait_ * 2, std::max(settings_.max_open, settings_.open));
  Open(now, random);
  return false;
}

void Breaker::Open(BootTime now, Random& random) {
  std::uniform_real_distribution<double> jitter(1 - kJitter, 1 + kJitter);
  state_ = State::kOpen;
  retry_at_ = now + Duration(static_cast<std::int64_t>(static_cast<double>(wait_.count()) * jitter(random)));
}

bool Breaker::OnAnswer() {
  const bool was_open = state_ != State::kClosed;
  state_ = State::kClosed;
  silent_polls_ = 0;
  return was_open;
}

std::string_view ToString(Breaker::State state) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kOpen:
      return "open";
    case Breaker::State::kHalfOpen:
      return "half-open";
  }
  return "unknown";
}

Duration SilenceBudget::DebtAt(BootTime now) const {
  const Duration paid(static_cast<std::int64_t>(static_cast<double>((now - at_).count()) * kShare));
  return std::max(debt_ - paid, Duration::zero());
}

void SilenceBudget::Spend(Duration spent, BootTime now) {
  debt_ = DebtAt(now) + spent;
  at_ = now;
}

Duration SilenceBudget::Wait(BootTime now) const {
  const Duration over = DebtAt(now) - kBurst;
  if (over <= Duration::zero()) return Duration::zero();
  return Duration(static_cast<std::int64_t>(static_cast<double>(over.count()) / kShare) + 1);
}

}  // namespace penumbra
