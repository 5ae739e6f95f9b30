// Report by exception: is a point's new value worth telling? Compared with the last value that was *sent*, so that slow
// drift cannot creep through; a change of quality always passes; a heartbeat after max_silence needs a fresh value.
#pragma once

#include <optional>

#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra {

class ReportFilter {
 public:
  // `now_ns`: CLOCK_BOOTTIME of the value. True: tell it, and call Sent().
  bool Due(const ReportPolicy& policy, const PointValue& value, std::int64_t now_ns) const;
  void Sent(const PointValue& value, std::int64_t now_ns);

 private:
  std::optional<PointValue> last_;
  std::int64_t last_ns_ = 0;
};

}  // namespace penumbra
