// A reading: what one poll of one thing found. (thing, seq) names it for ever.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/value.hpp"

namespace penumbra {

struct PointValue {
  std::string point;
  Value value;  // monostate exactly when quality is kBad
  Quality quality = Quality::kGood;
  std::string reason;  // why not Good: "timeout", "exception 2 (illegal data address)", "above max", ...
  friend bool operator==(const PointValue&, const PointValue&) = default;
};

struct Reading {
  std::string thing;
  std::uint64_t seq = 0;     // given by the store at commit; 0 before that. 1 .. 2^53-1
  std::int64_t unix_ms = 0;  // time of measurement as it was believed then (TimeTrust); Redate makes it the true one
  std::int64_t boot_ns = 0;  // the same moment on CLOCK_BOOTTIME, of the boot named by boot_id
  std::string boot_id;
  bool time_trusted = true;
  std::vector<PointValue> values;  // in the order of the thing's points; points that were not read are absent
  friend bool operator==(const Reading&, const Reading&) = default;

  bool AllBad() const;
};

// The telemetry message of interfaces.md, "Telemetry": one object on one line. `primary` names the point that is
// repeated as "value" (empty: none). Bad points go to "bad" with their reason; an untrusted time says
// "time":"uncertain".
std::string TelemetryJson(const Reading& reading, const std::string& primary);

}  // namespace penumbra
