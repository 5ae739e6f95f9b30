#include "uplink/rate_window.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra {
namespace {

// A tenth of a second's worth at a time: few timers, and still smooth.
constexpr double kSlicesPerSecond = 10;

}  // namespace

RateWindow::RateWindow(double rate)
    : taken_(static_cast<std::size_t>(std::max(1.0, std::floor(rate / kSlicesPerSecond)))),
      window_(static_cast<std::int64_t>(std::ceil(static_cast<double>(taken_.size()) / rate * 1e9))) {}

void RateWindow::Change(double rate, BootTime now) {
  *this = RateWindow(rate);
  std::fill(taken_.begin(), taken_.end(), now);
  full_ = true;
}

Duration RateWindow::Wait(BootTime now) const {
  if (!full_) return Duration::zero();
  return std::max(Duration::zero(), window_ - (now - taken_[next_]));
}

void RateWindow::Take(BootTime now) {
  taken_[next_] = now;
  next_ = (next_ + 1) % taken_.size();
  if (next_ == 0) full_ = true;
}

}  // namespace penumbra
