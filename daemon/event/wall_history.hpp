// How the wall clock stood to BootTime during one boot: as it was believed then, and as is known now. From it a moment
// on CLOCK_BOOTTIME gets its true wall time long after a wrong clock was put right. Pure values.
//
// CLOCK_BOOTTIME and CLOCK_REALTIME are slewed together (clock_gettime(2), adjtimex(2)), so their difference is
// constant but for steps: an era is the time between two of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace penumbra {

struct WallEra {
  std::int64_t from_ns = 0;         // CLOCK_BOOTTIME when it began; the first one also covers what lies before it
  std::int64_t offset_ms = 0;       // Unix milliseconds minus BootTime, as believed while the era lasted
  std::int64_t true_offset_ms = 0;  // and as is known now
  bool trusted = false;             // of true_offset_ms
  friend bool operator==(const WallEra&, const WallEra&) = default;
};

struct WallHistory {
  // Beyond it the two oldest become one: what is lost is the size of an old correction, not a trusted time.
  static constexpr std::size_t kMaxEras = 64;

  std::string boot_id;
  std::vector<WallEra> eras;  // ascending in from_ns

  // The era of a moment of this boot; nullptr: nothing is known.
  const WallEra* At(std::int64_t boot_ns) const;
  void Begin(std::int64_t from_ns, std::int64_t offset_ms, bool trusted);
  // All that went before was wrong by this much.
  void Correct(std::int64_t by_ms, bool trusted);
  friend bool operator==(const WallHistory&, const WallHistory&) = default;
};

}  // namespace penumbra
