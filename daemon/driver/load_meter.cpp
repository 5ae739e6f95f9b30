#include "driver/load_meter.hpp"

#include <algorithm>

namespace penumbra {

void LoadMeter::Busy(BootTime from, BootTime to) {
  if (first_.ns < 0) first_ = from;
  // Only the last minute matters, however long the request took.
  std::int64_t at = std::max(from.ns, to.ns - kBuckets * kBucketNs);
  while (at < to.ns) {
    const std::int64_t second = at / kBucketNs;
    const std::int64_t end = std::min(to.ns, (second + 1) * kBucketNs);
    Bucket& bucket = buckets_[static_cast<std::size_t>(second % kBuckets)];
    if (bucket.second != second) bucket = {second, 0};
    bucket.busy_ns += end - at;
    at = end;
  }
}

double LoadMeter::Load(BootTime now) const {
  if (first_.ns < 0) return 0;
  const std::int64_t oldest = now.ns / kBucketNs - kBuckets + 1;
  std::int64_t busy = 0;
  for (const Bucket& bucket : buckets_) {
    if (bucket.second >= oldest) busy += bucket.busy_ns;
  }
  const std::int64_t window = std::clamp<std::int64_t>(now.ns - first_.ns, kBucketNs, kBuckets * kBucketNs);
  return std::min(1.0, static_cast<double>(busy) / static_cast<double>(window));
}

}  // namespace penumbra
