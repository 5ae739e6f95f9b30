#include "i2c/core/session.hpp"

#include <algorithm>
#include <cmath>

namespace penumbra::i2c {

Session::Session(const ChipType& type, const BusOptions& options, Log log) : type_(type) {
  sensors_.reserve(options.things.size());
  for (const ThingOptions& thing : options.things) {
    sensors_.emplace_back(thing.name, thing.address, thing.retries, type.make(thing.options), log);
    points_.push_back(thing.points);
  }
}

bool Session::Read(Bus& bus, std::uint32_t thing, std::span<const std::uint32_t> points, const Budget& budget,
                   std::vector<PointOutcome>& results) {
  if (thing >= sensors_.size()) return false;
  const std::vector<Quantity>& known = points_[thing];
  if (std::any_of(points.begin(), points.end(), [&](std::uint32_t point) { return point >= known.size(); }))
    return false;
  Values values;
  const Outcome outcome = sensors_[thing].Measure(bus, budget, values);
  results.clear();
  for (const std::uint32_t point : points) results.push_back(Judge(outcome, values, known[point]));
  return true;
}

PointOutcome Session::Judge(const Outcome& outcome, const Values& values, Quantity quantity) const {
  if (!outcome.ok()) return {std::nullopt, StatusOf(outcome.fault), Reason(outcome.fault)};
  const std::optional<double> value = values.Get(quantity);
  if (!value && values.doubt != nullptr) return {std::nullopt, PENUMBRA_REFUSED, values.doubt};
  if (!value) return {std::nullopt, PENUMBRA_UNSUPPORTED, "the chip does not measure it"};
  for (const Measurand& measurand : type_.measurands) {
    if (measurand.quantity != quantity) continue;
    if (!std::isfinite(*value) || *value < measurand.min || *value > measurand.max) {
      return {std::nullopt, PENUMBRA_REFUSED, "outside the chip's range"};
    }
  }
  return {value, PENUMBRA_OK, values.doubt};
}

}  // namespace penumbra::i2c
