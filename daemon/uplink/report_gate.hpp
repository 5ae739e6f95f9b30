// telemetry = "on_report": which readings are worth a message. A reading goes when at least one of its points is due by
// its report policy, and then it carries them all. Loop thread.
#pragma once

#include <map>
#include <string>

#include "model/reading.hpp"
#include "model/report.hpp"
#include "model/settings.hpp"

namespace penumbra {

class ReportGate {
 public:
  // `thing` outlives the gate.
  explicit ReportGate(const ThingSettings& thing) : thing_(thing) {}
  // Each reading once, in the order of measurement. True: send it; it counts as told from now on.
  bool Due(const Reading& reading);

 private:
  const ReportPolicy& Policy(const std::string& point) const;

  const ThingSettings& thing_;
  std::map<std::string, ReportFilter> filters_;  // by point
};

}  // namespace penumbra
