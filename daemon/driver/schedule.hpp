// When what is due on one bus. Pure; the caller brings the time.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "event/clock.hpp"
#include "model/settings.hpp"

namespace penumbra {

// The drift-free slots of one thing: origin + k * interval. A slot that was missed is counted, never made up for.
class PollGrid {
 public:
  PollGrid() = default;
  // First slot at `origin`. `interval` below kMinSampleInterval counts as that.
  PollGrid(BootTime origin, Duration interval);

  BootTime next() const { return next_; }
  Duration interval() const { return interval_; }
  // Takes the slot that is due at `now` and answers how many before it were missed. next() is then after `now`.
  std::uint64_t Take(BootTime now);
  // next() becomes the first slot not before `t`, without counting.
  void SkipTo(BootTime t);

 private:
  BootTime next_{};
  Duration interval_ = kMinSampleInterval;
};

// Where in its interval the `index`th thing of a bus polls, 0..1: golden-ratio steps are spread evenly for any number
// of things, and the same after every start.
double PhaseOf(std::size_t index);

// Items by due time, earliest first; the order of equals is that of their numbers. O(log n) a step.
class DueTable {
 public:
  // Sets or moves an item's due time.
  void Set(std::uint32_t item, BootTime due);
  void Erase(std::uint32_t item);
  // The earliest.
  std::optional<std::pair<BootTime, std::uint32_t>> Next() const;
  std::size_t size() const { return order_.size(); }

 private:
  std::set<std::pair<BootTime, std::uint32_t>> order_;
  std::vector<std::optional<BootTime>> due_;  // by item
};

}  // namespace penumbra
