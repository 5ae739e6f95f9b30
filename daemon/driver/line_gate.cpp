#include "driver/line_gate.hpp"

#include <utility>

namespace penumbra {

std::vector<LineGate::Line> LineGate::Take(std::string_view bytes, BootTime now) {
  std::vector<Line> lines;
  for (const char c : bytes) {
    if (c == '\n') {
      Finish(lines, now);
    } else if (partial_.size() < kMaxLine) {
      partial_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return lines;
}

void LineGate::Finish(std::vector<Line>& out, BootTime now) {
  std::string text = std::exchange(partial_, {});
  if (text.empty()) return;
  if (!bucket_.TryTake(now)) {
    ++dropped_;
    return;
  }
  out.push_back({std::move(text), std::exchange(dropped_, 0)});
}

}  // namespace penumbra
