// What differs between the settings in force and new ones, sorted by what it takes to apply them. Pure.
#pragma once

#include <string>
#include <vector>

#include "model/settings.hpp"

namespace penumbra {

struct SettingsDiff {
  struct Interval {
    std::string thing;
    Duration from{}, to{};
    friend bool operator==(const Interval&, const Interval&) = default;
  };
  // Things of which nothing but the sample interval changed: applied while everything runs.
  std::vector<Interval> intervals;
  // What a running daemon cannot take over, in words for the operator: "[store]", "bus hall-a: added",
  // "thing sensor-001: points". In the order of the new files; what is gone comes last.
  std::vector<std::string> restart;

  bool empty() const { return intervals.empty() && restart.empty(); }
};

// Order of buses and things means nothing.
SettingsDiff Compare(const Settings& running, const Settings& wanted);

}  // namespace penumbra
