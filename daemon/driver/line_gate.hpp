// Cuts a driver's standard error into lines and lets only so many a second pass. Pure; loop thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "event/token_bucket.hpp"

namespace penumbra {

class LineGate {
 public:
  static constexpr std::size_t kMaxLine = 512;  // longer lines are cut
  static constexpr double kLinesPerSecond = 20;
  static constexpr double kBurst = 40;

  struct Line {
    std::string text;
    std::uint64_t dropped = 0;  // lines lost since the last one that passed
  };

  // The finished lines in `bytes` and what came before them. Control characters become spaces.
  std::vector<Line> Take(std::string_view bytes, BootTime now);

 private:
  void Finish(std::vector<Line>& out, BootTime now);

  TokenBucket bucket_{kLinesPerSecond, kBurst};
  std::string partial_;
  std::uint64_t dropped_ = 0;
};

}  // namespace penumbra
