#include "model/report.hpp"

#include <cmath>

namespace penumbra {
namespace {

bool Moved(const ReportPolicy& policy, const Value& from, const Value& to) {
  if (from == to) return false;
  double a = 0;
  double b = 0;
  if (!ToDouble(from, a) || !ToDouble(to, b)) return true;
  const double band = policy.deadband_percent ? std::abs(a) * policy.deadband / 100.0 : policy.deadband;
  if (band <= 0) return a != b;
  // 22.6 - 22.5 is a hair above 0.1 in binary; a move of exactly the deadband counts.
  return std::abs(b - a) >= band * (1 - 1e-9);
}

}  // namespace

bool ReportFilter::Due(const ReportPolicy& policy, const PointValue& value, std::int64_t now_ns) const {
  if (!last_) return true;
  if (value.quality != last_->quality || value.reason != last_->reason) return true;
  const Duration silence(now_ns - last_ns_);
  if (silence < policy.min_interval) return false;
  return silence >= policy.max_silence || Moved(policy, last_->value, value.value);
}

void ReportFilter::Sent(const PointValue& value, std::int64_t now_ns) {
  last_ = value;
  last_ns_ = now_ns;
}

}  // namespace penumbra
