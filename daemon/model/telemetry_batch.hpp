// Several telemetry messages in one: an array of the objects that TelemetryJson makes (interfaces.md, "Telemetry").
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace penumbra {

// "sensors/<thing>/batch"
std::string BatchTopic(const std::string& thing);

class TelemetryBatch {
 public:
  // AWS IoT Core refuses a payload above 128 KB; a reading larger than a batch goes alone.
  static constexpr std::size_t kMaxBytes = 128 * 1024;

  // `limit_bytes`: of the whole; above kMaxBytes counts as that.
  explicit TelemetryBatch(std::size_t limit_bytes) : limit_(limit_bytes < kMaxBytes ? limit_bytes : kMaxBytes) {}
  // False: full, nothing was added. The first one always fits.
  bool Add(std::string_view object);
  std::string Take();

 private:
  std::size_t limit_;
  std::string text_ = "[";
};

}  // namespace penumbra
