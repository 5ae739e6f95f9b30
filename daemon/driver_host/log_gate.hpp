// The driver's way to the daemon's log: bounded, so that a flood costs the driver and nobody else. Any thread of the
// driver.
#pragma once

#include <cstdint>
#include <mutex>

namespace penumbra::host {

// In the long run, and at once.
inline constexpr double kLogLinesPerSecond = 20;
inline constexpr double kLogBurst = 40;

class LogGate {
 public:
  explicit LogGate(int socket) : socket_(socket) {}

  // Sends a line, or drops and counts it. Never blocks.
  void Line(std::uint32_t level, const char* message);
  // Tells the daemon how many were dropped since the last line; called between requests.
  void ReportDropped();

 private:
  bool TakeToken();
  bool Send(std::uint32_t level, const char* message);

  std::mutex mutex_;
  int socket_;
  double tokens_ = kLogBurst;
  std::int64_t refilled_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

// CLOCK_BOOTTIME.
std::int64_t NowNs();

}  // namespace penumbra::host
