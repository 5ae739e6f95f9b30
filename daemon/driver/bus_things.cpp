#include "driver/bus_things.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/json.hpp"
#include "driver/request_time.hpp"
#include "driver/wire.hpp"

namespace penumbra {
namespace {

std::string UnitName(const ThingSettings& thing) {
  const auto unit = thing.driver_options.find("unit");
  return unit != thing.driver_options.end() ? "unit " + Dump(*unit) : thing.name;
}

void CarryThing(BusThings::Thing& to, BusThings::Thing& from) {
  const bool same = to.settings == from.settings;
  to.look = from.look || !same;
  to.record = std::move(from.record);
  to.record.Follow(to.settings);
  if (SilenceFilter::MaxSilenceOf(to.settings) == SilenceFilter::MaxSilenceOf(from.settings)) to.filter = from.filter;
  if (to.settings.sample_interval != from.settings.sample_interval) return;  // a new time table
  to.grid = from.grid;
  to.started = from.started;
  to.soon = from.soon;
}

void CarryUnit(BusThings::Unit& to, const BusThings::Unit& from) {
  to.breaker = from.breaker;
  to.slowest_answer = from.slowest_answer;
  to.silence = from.silence;
  to.probes = from.probes;
}

}  // namespace

BusThings::Thing::Thing(ThingSettings s, std::uint32_t u)
    : settings(std::move(s)),
      unit(u),
      points(std::min(settings.points.size(), wire::kMaxPoints)),
      filter(SilenceFilter::MaxSilenceOf(settings)),
      record(settings) {
  std::iota(points.begin(), points.end(), 0U);
}

BusThings::BusThings(std::vector<ThingSettings> things, const BreakerSettings& breaker_of_bus) {
  things_.reserve(things.size());
  for (ThingSettings& thing : things) Add(std::move(thing), breaker_of_bus);
}

void BusThings::Add(ThingSettings settings, const BreakerSettings& breaker_of_bus) {
  const std::uint32_t unit = UnitFor(settings, breaker_of_bus);
  units_[unit].things.push_back(static_cast<std::uint32_t>(things_.size()));
  things_.emplace_back(std::move(settings), unit);
}

std::uint32_t BusThings::UnitFor(const ThingSettings& thing, const BreakerSettings& breaker_of_bus) {
  const std::string name = UnitName(thing);
  const auto known = std::ranges::find(units_, name, &Unit::name);
  if (known != units_.end()) return static_cast<std::uint32_t>(known - units_.begin());
  const BreakerSettings settings = thing.breaker.value_or(breaker_of_bus);
  units_.push_back({name, settings, Breaker(settings), {}});
  return static_cast<std::uint32_t>(units_.size() - 1);
}

std::optional<std::uint32_t> BusThings::Find(const std::string& thing) const {
  const auto found = std::ranges::find(things_, thing, [](const Thing& t) { return t.settings.name; });
  if (found == things_.end()) return std::nullopt;
  return static_cast<std::uint32_t>(found - things_.begin());
}

void BusThings::Sort(std::vector<ThingSettings>& settings) const {
  std::ranges::stable_sort(settings, {}, [this](const ThingSettings& thing) {
    constexpr std::uint32_t kNew = UINT32_MAX;
    return Find(thing.name).value_or(kNew);
  });
}

void BusThings::CarryFrom(BusThings& old) {
  for (Thing& from : old.things_) {
    if (const auto index = Find(from.settings.name)) CarryThing(things_[*index], from);
  }
  for (std::uint32_t index = 0; index < units_.size(); ++index) {
    Unit& unit = units_[index];
    const auto known = std::ranges::find(old.units_, unit.name, &Unit::name);
    if (known == old.units_.end() || !(known->breaker_settings == unit.breaker_settings)) continue;
    CarryUnit(unit, *known);
    if (unit.breaker.state() == Breaker::State::kOpen) PlanProbe(index, unit.breaker.retry_at());
  }
  for (std::uint32_t index = 0; index < things_.size(); ++index) {
    if (things_[index].started) PlanPoll(index);
  }
}

void BusThings::PlanPoll(std::uint32_t index) {
  const Thing& thing = things_[index];
  const BootTime next = thing.grid.next();
  due_.Set(index, thing.soon ? std::min(*thing.soon, next) : next);
}

void BusThings::PlanFirstLook(std::uint32_t index, BootTime now) {
  Thing& thing = things_[index];
  const double phase = PhaseOf(index);
  const auto part = [phase](Duration d) { return Duration(static_cast<std::int64_t>(phase * double(d.count()))); };
  if (!thing.started) {
    const Duration interval = std::max(thing.settings.sample_interval, kMinSampleInterval);
    thing.grid = PollGrid(now + part(interval), interval);
    thing.started = true;
  }
  if (thing.grid.interval() > 2 * kFirstLook) thing.soon = now + part(kFirstLook);
  thing.look = false;
  PlanPoll(index);
}

void BusThings::PlanInterval(std::uint32_t index, Duration interval, BootTime now) {
  Thing& thing = things_[index];
  thing.settings.sample_interval = std::max(interval, kMinSampleInterval);
  if (!thing.started) return;
  thing.grid = PollGrid(now + thing.settings.sample_interval, thing.settings.sample_interval);
  PlanPoll(index);
}

std::uint64_t BusThings::TakeSlot(std::uint32_t index, BootTime now) {
  Thing& thing = things_[index];
  if (thing.soon && *thing.soon <= now) {
    thing.soon.reset();
    // The regular slot is not needed when it comes right behind.
    if (thing.grid.next() > now) thing.grid.SkipTo(now + thing.grid.interval() / 2);
  }
  const std::uint64_t missed = thing.grid.Take(now);
  thing.record.AddOverruns(missed);
  PlanPoll(index);
  return missed;
}

void BusThings::PlanProbe(std::uint32_t unit, BootTime at) {
  due_.Set(ItemOf(unit), at);
}

void BusThings::DropProbe(std::uint32_t unit) {
  due_.Erase(ItemOf(unit));
}

std::optional<BusThings::Due> BusThings::Next() const {
  const auto next = due_.Next();
  if (!next) return std::nullopt;
  const auto [at, item] = *next;
  const auto things = static_cast<std::uint32_t>(things_.size());
  return item < things ? Due{at, false, item} : Due{at, true, item - things};
}

Duration BusThings::ProbeTime(std::uint32_t index, Duration full) const {
  const Unit& unit = units_[index];
  if (unit.probes % kFullProbeEvery == kFullProbeEvery - 1) return full;
  Duration gentle = full;
  for (const Thing& thing : things_) {
    if (thing.unit != index) gentle = std::min(gentle, thing.grid.interval() / 2);
  }
  return std::min(full, std::max({gentle, 2 * unit.slowest_answer, kShortestProbe}));
}

bool BusThings::OnAnswer(std::uint32_t index, Duration took, BootTime now) {
  Unit& unit = units_[index];
  // One slow answer is forgotten after some dozens of quicker ones.
  unit.slowest_answer = std::max(took, unit.slowest_answer - unit.slowest_answer / 32);
  if (!unit.breaker.suspected()) return false;
  unit.probes = 0;
  const bool given_up = unit.breaker.OnAnswer();
  DropProbe(index);
  for (const std::uint32_t thing : unit.things) {
    things_[thing].soon = now;
    PlanPoll(thing);
  }
  return given_up;
}

void BusThings::Forgive() {
  for (std::uint32_t unit = 0; unit < units_.size(); ++unit) {
    units_[unit].breaker.OnAnswer();
    DropProbe(unit);
  }
}

}  // namespace penumbra
