#include "driver/unit_status.hpp"

#include <algorithm>
#include <chrono>

namespace penumbra {
namespace {

// Modbus knows 9; a driver that invents more is not listened to.
constexpr std::size_t kMaxExceptions = 32;
constexpr std::size_t kMaxName = 64;
constexpr std::int64_t kMaxAgeMs = 100LL * 365 * 86'400'000;

std::uint64_t Count(const Json& object, const char* key) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, GetInt(object, key).value_or(0)));
}

std::optional<double> Milliseconds(const Json& object, const char* key) {
  const auto value = GetNumber(object, key);
  return value && *value >= 0 ? value : std::nullopt;
}

std::map<std::string, std::uint64_t> Exceptions(const Json& object) {
  std::map<std::string, std::uint64_t> counts;
  const auto found = object.find("exceptions");
  if (found == object.end() || !found->is_object()) return counts;
  for (const auto& [code, count] : found->items()) {
    if (counts.size() >= kMaxExceptions || code.size() > kMaxName || !count.is_number_unsigned()) continue;
    counts[code] = count.get<std::uint64_t>();
  }
  return counts;
}

UnitStatus UnitOf(const Json& object, std::string name, BootTime now) {
  UnitStatus unit;
  unit.unit = std::move(name);
  unit.requests = Count(object, "requests");
  unit.answers = Count(object, "answers");
  unit.timeouts = Count(object, "timeouts");
  unit.bad_crc = Count(object, "bad_crc");
  unit.bad_frames = Count(object, "bad_frames");
  unit.late = Count(object, "late");
  unit.foreign = Count(object, "foreign");
  unit.exceptions = Exceptions(object);
  const auto age_ms = GetInt(object, "last_answer_ms_ago");
  if (age_ms && *age_ms >= 0 && *age_ms < kMaxAgeMs) unit.last_answer = now - std::chrono::milliseconds(*age_ms);
  const auto trips = object.find("round_trip_ms");
  if (trips != object.end()) {
    unit.p50_ms = Milliseconds(*trips, "p50");
    unit.p90_ms = Milliseconds(*trips, "p90");
    unit.p99_ms = Milliseconds(*trips, "p99");
  }
  return unit;
}

}  // namespace

std::vector<UnitStatus> UnitsOf(const OrderedJson& answer, BootTime now) {
  std::vector<UnitStatus> units;
  for (const OrderedJson& ordered : answer) {
    if (units.size() >= kMaxUnits) break;
    const Json object = ordered;
    if (GetString(object, "answer") != "unit") continue;
    const auto number = GetInt(object, "unit");
    std::string name = number ? std::to_string(*number) : GetString(object, "unit").value_or("");
    if (!name.empty() && name.size() <= kMaxName) units.push_back(UnitOf(object, std::move(name), now));
  }
  return units;
}

}  // namespace penumbra
