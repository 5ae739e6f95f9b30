#include "driver/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra {

PollGrid::PollGrid(BootTime origin, Duration interval)
    : next_(origin), interval_(std::max(interval, kMinSampleInterval)) {}

std::uint64_t PollGrid::Take(BootTime now) {
  if (now < next_) return 0;
  const std::int64_t missed = (now - next_) / interval_;
  next_ = next_ + (missed + 1) * interval_;
  return static_cast<std::uint64_t>(missed);
}

void PollGrid::SkipTo(BootTime t) {
  if (t <= next_) return;
  const std::int64_t slots = (t - next_ + interval_ - Duration(1)) / interval_;
  next_ = next_ + slots * interval_;
}

double PhaseOf(std::size_t index) {
  constexpr double kGolden = 0.6180339887498949;
  double whole = 0;
  return std::modf(static_cast<double>(index) * kGolden, &whole);
}

void DueTable::Set(std::uint32_t item, BootTime due) {
  Erase(item);
  if (item >= due_.size()) due_.resize(item + 1);
  due_[item] = due;
  order_.emplace(due, item);
}

void DueTable::Erase(std::uint32_t item) {
  if (item >= due_.size() || !due_[item]) return;
  order_.erase({*due_[item], item});
  due_[item].reset();
}

std::optional<std::pair<BootTime, std::uint32_t>> DueTable::Next() const {
  if (order_.empty()) return std::nullopt;
  return *order_.begin();
}

}  // namespace penumbra
