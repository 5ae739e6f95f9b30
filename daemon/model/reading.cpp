#include "model/reading.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace penumbra {

bool Reading::AllBad() const {
  return std::all_of(values.begin(), values.end(), [](const PointValue& v) { return v.quality == Quality::kBad; });
}

std::string TelemetryJson(const Reading& reading, const std::string& primary) {
  std::string out = fmt::format(R"({{"device_id":{},"timestamp":{},"seq":{})", Dump(Json(reading.thing)),
                                reading.unix_ms, reading.seq);
  std::string bad;
  std::string repeated;
  for (const PointValue& point : reading.values) {
    if (point.quality == Quality::kBad) {
      bad += fmt::format("{}{}:{}", bad.empty() ? "" : ",", Dump(Json(point.point)), Dump(Json(point.reason)));
      continue;
    }
    const std::string value = ToJsonText(point.value);
    out += fmt::format(",{}:{}", Dump(Json(point.point)), value);
    // A point that is itself called "value" already says it: a second key would make the object ambiguous.
    if (point.point == primary && primary != "value") repeated = fmt::format(",\"value\":{}", value);
  }
  out += repeated;
  if (!bad.empty()) out += fmt::format(",\"bad\":{{{}}}", bad);
  if (!reading.time_trusted) out += ",\"time\":\"uncertain\"";
  out += '}';
  return out;
}

}  // namespace penumbra
