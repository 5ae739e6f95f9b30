// What is known of one thing: last value and last trouble of each point, counters. For `explain`, `status`, the shadow.
// Pure; loop thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "driver/bus_manager.hpp"

namespace penumbra {

class ThingRecord {
 public:
  explicit ThingRecord(const ThingSettings& thing);

  // The thing is configured otherwise now: its points are those of `thing`; what stays keeps its last value.
  void Follow(const ThingSettings& thing);
  void OnPoll(const Reading& reading);
  void AddOverruns(std::uint64_t count) { overruns_ += count; }

  // `interval`: the one in force. Fills everything but `breaker`; `reason` is the newest poll's when nothing was read.
  ThingStatus Status(Duration interval, BootTime now) const;

 private:
  std::string StateAt(Duration interval, BootTime now) const;

  std::string thing_;
  std::string bus_;
  std::map<std::string, PointStatus> points_;
  std::uint64_t polls_ = 0, failed_polls_ = 0, overruns_ = 0;
  bool last_all_bad_ = false;
  std::string last_reason_;
  std::int64_t last_reading_ms_ = 0;
  BootTime last_value_{-1};
};

}  // namespace penumbra
