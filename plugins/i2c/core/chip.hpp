// What a sensor chip is for the rest of the driver: what it measures, how it is set up, measured and reset. One chip's
// code knows its datasheet and nothing of configuration, retries or the driver ABI; those are in sensor.hpp and
// driver.hpp. Thread: the host's one bus thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "penumbra/i2c.hpp"

namespace penumbra::i2c {

enum class Quantity : std::uint8_t { kTemperature, kHumidity, kPressure };
constexpr std::size_t kQuantities = 3;

// The name a point has by nature, and its UCUM unit.
constexpr const char* NameOf(Quantity quantity) {
  constexpr std::array<const char*, kQuantities> kNames{"temperature", "humidity", "pressure"};
  return kNames[static_cast<std::size_t>(quantity)];
}
constexpr const char* UnitOf(Quantity quantity) {
  constexpr std::array<const char*, kQuantities> kUnits{"Cel", "%", "hPa"};
  return kUnits[static_cast<std::size_t>(quantity)];
}
std::optional<Quantity> QuantityNamed(const std::string& name);

// One thing a chip measures, and between which values its datasheet lets it: what lies outside is not believed.
struct Measurand {
  Quantity quantity;
  double min, max;
};

// What one measurement brought, in the units of UnitOf. Always finite.
struct Values {
  std::array<std::optional<double>, kQuantities> of;
  // Static text. Set: the values are not to be believed as those of the surroundings, for this reason; and where there
  // is none, this is why ("its heater is on"). A chip that cannot measure for such a reason has not failed.
  const char* doubt = nullptr;
  void Set(Quantity quantity, double value) { of[static_cast<std::size_t>(quantity)] = value; }
  std::optional<double> Get(Quantity quantity) const { return of[static_cast<std::size_t>(quantity)]; }
};

// A whole number of hundredths, thousandths... as the nearest double, which prints as short as it should (21.5).
constexpr double Scaled(std::int64_t units, std::int64_t units_per_one) {
  return static_cast<double>(units) / static_cast<double>(units_per_one);
}
// numerator / denominator, rounded half away from zero. The denominator is positive.
constexpr std::int64_t RoundedDivide(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t half = denominator / 2;
  return (numerator >= 0 ? numerator + half : numerator - half) / denominator;
}

// The entry of a table of choices with that name; the first one, which is the default, when there is none.
template <typename Table>
const typename Table::value_type& EntryNamed(const Table& table, const std::string& name) {
  for (const auto& entry : table) {
    if (name == entry.name) return entry;
  }
  return table.front();
}

class Chip {
 public:
  Chip() = default;
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;
  virtual ~Chip() = default;

  // Brings the chip from any state into the one that Measure needs: identity, calibration data, options.
  virtual Outcome Init(Device& device) = 0;
  // One measurement of everything; waits for it. Nothing is set when the outcome is not ok.
  virtual Outcome Measure(Device& device, Values& values) = 0;
  // Soft reset, and the wait that it needs. Init follows. The bus is the only way: there is no power switch.
  virtual Outcome Reset(Device& device) = 0;
};

// Takes a complaint about a key of a thing, "" = about the thing as a whole.
using ComplainOfKey = std::function<void(const std::string& key, const std::string& message)>;

// A kind of chip: what a driver .so is made of.
struct ChipType {
  const char* name;   // = the driver's
  const char* title;  // for people: maker and models
  std::span<const Measurand> measurands;
  std::uint8_t default_address;
  std::span<const std::uint8_t> addresses;  // all that it can have
  const char* thing_properties;             // JSON members of the thing schema for the chip's own options, or ""
  std::unique_ptr<Chip> (*make)(const nlohmann::json& thing);  // options already checked against the schema
  // What a schema cannot say about the chip's own options. nullptr: nothing.
  void (*check)(const nlohmann::json& thing, const ComplainOfKey& complain) = nullptr;
};

}  // namespace penumbra::i2c
