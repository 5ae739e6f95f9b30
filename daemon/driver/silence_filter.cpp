#include "driver/silence_filter.hpp"

#include <algorithm>

namespace penumbra {

bool SilenceFilter::Passes(const Reading& reading, BootTime now) {
  if (!reading.AllBad()) {
    silent_ = false;
    return true;
  }
  if (silent_ && now - told_ < max_silence_) return false;
  silent_ = true;
  told_ = now;
  return true;
}

Duration SilenceFilter::MaxSilenceOf(const ThingSettings& thing) {
  Duration smallest = ReportPolicy{}.max_silence;
  bool first = true;
  for (const PointSettings& point : thing.points) {
    smallest = first ? point.report.max_silence : std::min(smallest, point.report.max_silence);
    first = false;
  }
  return smallest;
}

}  // namespace penumbra
