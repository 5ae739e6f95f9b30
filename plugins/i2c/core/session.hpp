// The open bus of a driver: its sensors, and which point is which quantity. Everything of the driver but the C ABI
// itself, so that tests run it on an emulated bus. Thread: the host's one bus thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "i2c/core/options.hpp"
#include "i2c/core/sensor.hpp"

namespace penumbra::i2c {

// A point's share of a measurement: a value, or why there is none.
struct PointOutcome {
  std::optional<double> value;
  penumbra_status status = PENUMBRA_OK;
  const char* reason = nullptr;  // static text; of a value: why it is uncertain
};

class Session {
 public:
  using Log = std::function<void(bool warning, const std::string& line)>;

  Session(const ChipType& type, const BusOptions& options, Log log);

  // False: there is no such thing or point. Fills `results`, one for each point. One measurement serves them all.
  bool Read(Bus& bus, std::uint32_t thing, std::span<const std::uint32_t> points, const Budget& budget,
            std::vector<PointOutcome>& results);

  std::vector<Sensor>& sensors() { return sensors_; }
  const std::vector<Sensor>& sensors() const { return sensors_; }

 private:
  PointOutcome Judge(const Outcome& outcome, const Values& values, Quantity quantity) const;

  const ChipType& type_;
  std::vector<Sensor> sensors_;
  std::vector<std::vector<Quantity>> points_;  // of each thing
};

}  // namespace penumbra::i2c
