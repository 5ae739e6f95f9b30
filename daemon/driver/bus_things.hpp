// The things of one bus, the units they belong to, and when which of them is due; and what of all that stays when
// another configuration is taken over. Pure; the caller brings the time. Things and units are known by their numbers,
// which hold until the next configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "driver/breaker.hpp"
#include "driver/schedule.hpp"
#include "driver/silence_filter.hpp"
#include "driver/thing_record.hpp"
#include "model/settings.hpp"

namespace penumbra {

class BusThings {
 public:
  // After the bus came up each thing is read within this time, however long its interval.
  static constexpr Duration kFirstLook = std::chrono::seconds(2);
  // Every so manieth probe lasts the whole time-out: the unit may have become slower than it was.
  static constexpr std::uint64_t kFullProbeEvery = 4;

  struct Thing {
    Thing(ThingSettings s, std::uint32_t u);
    ThingSettings settings;
    std::uint32_t unit;
    std::vector<std::uint32_t> points;  // 0, 1, 2, ...
    PollGrid grid;
    bool started = false;
    bool look = true;              // an early poll when the bus comes up anew: it is new or changed
    std::optional<BootTime> soon;  // an extra poll outside the grid
    SilenceFilter filter;
    ThingRecord record;
  };
  // What answers or is silent as one: the Modbus unit, or the thing itself.
  struct Unit {
    std::string name;
    BreakerSettings breaker_settings;
    Breaker breaker;
    std::vector<std::uint32_t> things;
    Duration slowest_answer{};  // fades
    std::string silence;        // what the last answer that was none gave as its reason
    std::uint64_t probes = 0;
  };
  struct Due {
    BootTime at;
    bool probe = false;       // of a unit; else the poll of a thing
    std::uint32_t index = 0;  // its number
  };

  BusThings() = default;
  BusThings(std::vector<ThingSettings> things, const BreakerSettings& breaker_of_bus);

  std::vector<Thing>& things() { return things_; }
  const std::vector<Thing>& things() const { return things_; }
  std::vector<Unit>& units() { return units_; }
  const std::vector<Unit>& units() const { return units_; }
  const Unit& UnitOf(const Thing& thing) const { return units_[thing.unit]; }
  std::optional<std::uint32_t> Find(const std::string& thing) const;

  // Settings of another configuration in the order in force, new ones behind: a driver knows things by their numbers,
  // and another order in the file is no change.
  void Sort(std::vector<ThingSettings>& settings) const;
  // A thing that stays keeps its record, and as long as they fit its time table and filter; a unit that is silent stays
  // so for us: probing it at full length again would cost the others their slots.
  void CarryFrom(BusThings& old);

  // A first look soon, spread as the grid is; on the first start also the grid itself.
  void PlanFirstLook(std::uint32_t thing, BootTime now);
  void PlanInterval(std::uint32_t thing, Duration interval, BootTime now);
  void PlanProbe(std::uint32_t unit, BootTime at);
  // The slot at `now` is taken and the next one planned. Answers how many were missed.
  std::uint64_t TakeSlot(std::uint32_t thing, BootTime now);
  void DropProbe(std::uint32_t unit);
  std::optional<Due> Next() const;

  // How long a unit that was silent may hold up its bus: one try (`full`), and no longer than half the shortest
  // interval of the others, so that none of them misses a slot; but never less than twice its slowest answer lately.
  Duration ProbeTime(std::uint32_t unit, Duration full) const;
  // The unit has answered within `took`. One that was silent is polled at once. True: its breaker was not closed.
  bool OnAnswer(std::uint32_t unit, Duration took, BootTime now);
  // Every unit gets a new chance.
  void Forgive();

 private:
  void Add(ThingSettings settings, const BreakerSettings& breaker_of_bus);
  std::uint32_t UnitFor(const ThingSettings& thing, const BreakerSettings& breaker_of_bus);
  std::uint32_t ItemOf(std::uint32_t unit) const { return static_cast<std::uint32_t>(things_.size()) + unit; }
  void PlanPoll(std::uint32_t thing);

  std::vector<Thing> things_;
  std::vector<Unit> units_;
  DueTable due_;  // items: things, then units (their probes)
};

}  // namespace penumbra
