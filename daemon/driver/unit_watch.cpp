#include "driver/unit_watch.hpp"

#include <algorithm>
#include <utility>

#include "base/json.hpp"

namespace penumbra {

void UnitWatch::OnUp(BootTime now) {
  next_ = now + kEvery;
  anomalies_ = 0;
}

std::optional<std::string> UnitWatch::OnAnswer(const Result<OrderedJson>& answer, BootTime now) {
  if (!answer) {
    if (answer.error().action == Action::kGiveUp) next_ = BootTime{INT64_MAX};
    return std::nullopt;
  }
  Take(UnitsOf(*answer, now));
  for (const OrderedJson& object : *answer) {
    const Json line = object;
    const auto anomalies = GetInt(line, "anomalies");
    if (!anomalies || *anomalies <= anomalies_) continue;
    anomalies_ = *anomalies;
    return GetString(line, "anomaly").value_or("anomaly");
  }
  return std::nullopt;
}

// A new host begins at nothing, but when a unit last answered is still known.
void UnitWatch::Take(std::vector<UnitStatus> units) {
  for (UnitStatus& unit : units) {
    const auto known = std::ranges::find(units_, unit.unit, &UnitStatus::unit);
    if (!unit.last_answer && known != units_.end()) unit.last_answer = known->last_answer;
  }
  for (const UnitStatus& known : units_) {
    const bool again = std::ranges::find(units, known.unit, &UnitStatus::unit) != units.end();
    if (again || !known.last_answer || units.size() >= kMaxUnits) continue;
    units.push_back({.unit = known.unit, .exceptions = {}, .last_answer = known.last_answer});
  }
  units_ = std::move(units);
}

std::vector<UnitStatus> UnitWatch::Units(BootTime now, std::int64_t now_unix_ms) const {
  std::vector<UnitStatus> units = units_;
  for (UnitStatus& unit : units) {
    if (!unit.last_answer) continue;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - *unit.last_answer);
    unit.last_answer_ms = now_unix_ms - age.count();
  }
  return units;
}

}  // namespace penumbra
