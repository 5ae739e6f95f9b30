#include "store/thinning.hpp"

namespace penumbra {

void Thinning::Add(const Reading& reading) {
  if (in_run_ == 0) kept_.insert(reading.seq);
  last_seq_ = reading.seq;
  for (const PointValue& point : reading.values) {
    double value = 0;
    if (point.quality == Quality::kBad || !ToDouble(point.value, value)) continue;
    const auto [it, first] = extremes_.try_emplace(point.point, Extreme{value, value, reading.seq, reading.seq});
    if (first) continue;
    Extreme& extreme = it->second;
    if (value < extreme.smallest) {
      extreme.smallest = value;
      extreme.smallest_seq = reading.seq;
    }
    if (value > extreme.largest) {
      extreme.largest = value;
      extreme.largest_seq = reading.seq;
    }
  }
  if (++in_run_ >= kRun * (reading.values.size() + 1)) Finish();
}

void Thinning::Finish() {
  if (in_run_ == 0) return;
  kept_.insert(last_seq_);
  for (const auto& [point, extreme] : extremes_) {
    kept_.insert(extreme.smallest_seq);
    kept_.insert(extreme.largest_seq);
  }
  extremes_.clear();
  in_run_ = 0;
}

}  // namespace penumbra
