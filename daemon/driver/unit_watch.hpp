// How the units of one bus fare, by asking their driver from time to time for its counters (driver.h, "counters"): what
// it counted last, when each unit last answered, and whether the driver has seen what is worth a recording. Pure; the
// caller asks and brings the time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/ordered_json.hpp"
#include "driver/unit_status.hpp"

namespace penumbra {

class UnitWatch {
 public:
  static constexpr Duration kEvery = std::chrono::seconds(10);

  // The driver host has come up: it begins to count at nothing.
  void OnUp(BootTime now);
  bool Due(BootTime now) const { return now >= next_; }
  void Asked(BootTime now) { next_ = now + kEvery; }
  // What the driver saw since it was asked last, when that is an anomaly. A driver that refuses the question for good
  // is not asked again before it is up anew.
  std::optional<std::string> OnAnswer(const Result<OrderedJson>& answer, BootTime now);

  // As of the last answer, with last_answer_ms by the wall clock of now.
  std::vector<UnitStatus> Units(BootTime now, std::int64_t now_unix_ms) const;

 private:
  void Take(std::vector<UnitStatus> units);

  BootTime next_{};
  std::int64_t anomalies_ = 0;  // told already, of this run of the host
  std::vector<UnitStatus> units_;
};

}  // namespace penumbra
