#include "uplink/report_gate.hpp"

#include <algorithm>

namespace penumbra {

const ReportPolicy& ReportGate::Policy(const std::string& point) const {
  static const ReportPolicy kDefault;
  const auto found = std::find_if(thing_.points.begin(), thing_.points.end(),
                                  [&](const PointSettings& settings) { return settings.name == point; });
  return found == thing_.points.end() ? kDefault : found->report;
}

bool ReportGate::Due(const Reading& reading) {
  if (thing_.telemetry == Telemetry::kEveryPoll) return true;
  const bool due = std::any_of(reading.values.begin(), reading.values.end(), [&](const PointValue& value) {
    return filters_[value.point].Due(Policy(value.point), value, reading.boot_ns);
  });
  if (due) {
    for (const PointValue& value : reading.values) filters_[value.point].Sent(value, reading.boot_ns);
  }
  return due;
}

}  // namespace penumbra
