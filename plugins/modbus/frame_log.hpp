// The flight recorder's memory: the last frames of one bus, as they were on the line, and when something went wrong
// that is worth keeping them for. Bounded; no I/O; one thread. Writing them to a file is the daemon's business.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace penumbra::modbus {

struct LoggedFrame {
  enum class Kind : std::uint8_t {
    kSent,
    kReceived,  // as it came, perhaps part of a frame
    kStale,     // came while nothing was asked
    kNote       // bytes are text: what became of the request
  };
  std::int64_t at_ns = 0;  // CLOCK_BOOTTIME
  Kind kind = Kind::kSent;
  std::vector<std::uint8_t> bytes;
};

const char* NameOf(LoggedFrame::Kind kind);

class FrameLog {
 public:
  static constexpr std::size_t kMaxFrames = 512;
  static constexpr std::size_t kMaxBytes = 32 * 1024;

  void Add(std::int64_t at_ns, LoggedFrame::Kind kind, std::span<const std::uint8_t> bytes);
  void Note(std::int64_t at_ns, const char* text);

  const std::deque<LoggedFrame>& frames() const { return frames_; }

 private:
  std::deque<LoggedFrame> frames_;
  std::size_t bytes_ = 0;
};

// Is this the moment to keep the recording? Not for a single fault, which every line has, and not again for what has
// just been kept.
class AnomalyWatch {
 public:
  static constexpr int kBurst = 5;
  static constexpr std::int64_t kBurstNs = 60'000'000'000;
  static constexpr std::int64_t kQuietNs = 600'000'000'000;

  // A damaged frame: true when they are so many.
  bool OnBadFrame(std::int64_t now_ns);
  // A reply nobody asked for.
  bool OnForeign(std::int64_t now_ns);

 private:
  static bool Pass(std::int64_t& quiet_until_ns, std::int64_t now_ns);

  std::deque<std::int64_t> bad_frames_;
  std::int64_t burst_quiet_until_ns_ = 0, foreign_quiet_until_ns_ = 0;
};

}  // namespace penumbra::modbus
