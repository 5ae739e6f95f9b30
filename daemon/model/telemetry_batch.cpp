#include "model/telemetry_batch.hpp"

#include <utility>

namespace penumbra {

std::string BatchTopic(const std::string& thing) {
  return "sensors/" + thing + "/batch";
}

bool TelemetryBatch::Add(std::string_view object) {
  const bool first = text_.size() == 1;
  if (!first && text_.size() + object.size() + 2 > limit_) return false;
  if (!first) text_ += ',';
  text_ += object;
  return true;
}

std::string TelemetryBatch::Take() {
  std::string taken = std::move(text_);
  text_.assign(1, '[');
  taken += ']';
  return taken;
}

}  // namespace penumbra
