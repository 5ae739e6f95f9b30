#include "modbus/frame_log.hpp"

#include <string_view>

namespace penumbra::modbus {

const char* NameOf(LoggedFrame::Kind kind) {
  switch (kind) {
    case LoggedFrame::Kind::kSent:
      return "sent";
    case LoggedFrame::Kind::kReceived:
      return "received";
    case LoggedFrame::Kind::kStale:
      return "stale";
    case LoggedFrame::Kind::kNote:
      break;
  }
  return "note";
}

void FrameLog::Add(std::int64_t at_ns, LoggedFrame::Kind kind, std::span<const std::uint8_t> bytes) {
  frames_.push_back({.at_ns = at_ns, .kind = kind, .bytes = {bytes.begin(), bytes.end()}});
  bytes_ += bytes.size();
  while (frames_.size() > kMaxFrames || (bytes_ > kMaxBytes && frames_.size() > 1)) {
    bytes_ -= frames_.front().bytes.size();
    frames_.pop_front();
  }
}

void FrameLog::Note(std::int64_t at_ns, const char* text) {
  const std::string_view view = text;
  Add(at_ns, LoggedFrame::Kind::kNote, {reinterpret_cast<const std::uint8_t*>(view.data()), view.size()});
}

bool AnomalyWatch::Pass(std::int64_t& quiet_until_ns, std::int64_t now_ns) {
  if (now_ns < quiet_until_ns) return false;
  quiet_until_ns = now_ns + kQuietNs;
  return true;
}

bool AnomalyWatch::OnBadFrame(std::int64_t now_ns) {
  bad_frames_.push_back(now_ns);
  while (now_ns - bad_frames_.front() > kBurstNs || bad_frames_.size() > kBurst) bad_frames_.pop_front();
  return bad_frames_.size() == kBurst && Pass(burst_quiet_until_ns_, now_ns);
}

bool AnomalyWatch::OnForeign(std::int64_t now_ns) {
  return Pass(foreign_quiet_until_ns_, now_ns);
}

}  // namespace penumbra::modbus
