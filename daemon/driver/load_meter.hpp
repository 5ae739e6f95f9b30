// The share of the last minute that a bus was busy, in buckets of a second. Pure.
#pragma once

#include <array>
#include <cstdint>

#include "event/clock.hpp"

namespace penumbra {

class LoadMeter {
 public:
  // A request ran from `from` to `to`.
  void Busy(BootTime from, BootTime to);
  // 0..1, of the last 60 s, or of the time since the first request when that is shorter.
  double Load(BootTime now) const;

 private:
  static constexpr std::int64_t kBuckets = 60;
  static constexpr std::int64_t kBucketNs = 1'000'000'000;
  struct Bucket {
    std::int64_t second = -1;
    std::int64_t busy_ns = 0;
  };
  std::array<Bucket, kBuckets> buckets_{};
  BootTime first_{-1};
};

}  // namespace penumbra
