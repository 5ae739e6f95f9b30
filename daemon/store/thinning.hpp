// Which readings stay when old unsent ones are thinned for space: of each run the first, the last, and for every point
// the smallest and the largest value, so that a curve keeps its shape and its extremes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "model/reading.hpp"

namespace penumbra {

// Told the readings of one thing in their order; answers afterwards what to keep.
class Thinning {
 public:
  // A run is this many readings for each point, and one more: of it at most one in eight stays.
  static constexpr std::size_t kRun = 16;

  void Add(const Reading& reading);
  // The kept seqs are known for what was added before. Ends the last run.
  void Finish();
  bool Keeps(std::uint64_t seq) const { return kept_.contains(seq); }

 private:
  struct Extreme {
    double smallest = 0;
    double largest = 0;
    std::uint64_t smallest_seq = 0;
    std::uint64_t largest_seq = 0;
  };
  std::map<std::string, Extreme> extremes_;
  std::size_t in_run_ = 0;
  std::uint64_t last_seq_ = 0;

  std::set<std::uint64_t> kept_;
};

}  // namespace penumbra
