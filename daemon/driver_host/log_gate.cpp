#include "driver_host/log_gate.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "driver/wire.hpp"

namespace penumbra::host {

std::int64_t NowNs() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool LogGate::TakeToken() {
  const std::int64_t now = NowNs();
  tokens_ = std::min(kLogBurst, tokens_ + static_cast<double>(now - refilled_ns_) * 1e-9 * kLogLinesPerSecond);
  refilled_ns_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

bool LogGate::Send(std::uint32_t level, const char* message) {
  wire::LogLine line{.level = static_cast<std::uint8_t>(std::clamp<std::uint32_t>(level, 3, 7)), .dropped = dropped_};
  line.text.assign(message, ::strnlen(message, wire::kMaxLogLine));
  const std::string frame = wire::Encode(wire::FromHost(line));
  if (::send(socket_, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return false;
  dropped_ = 0;
  return true;
}

void LogGate::Line(std::uint32_t level, const char* message) {
  if (message == nullptr || *message == '\0') return;
  const std::lock_guard lock(mutex_);
  if (!TakeToken() || !Send(level, message)) ++dropped_;
}

void LogGate::ReportDropped() {
  const std::lock_guard lock(mutex_);
  if (dropped_ > 0 && TakeToken()) Send(7, "");
}

}  // namespace penumbra::host
