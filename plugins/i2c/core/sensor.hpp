// One configured sensor: sets its chip up before the first measurement and after trouble, repeats a failed measurement,
// resets a chip that keeps failing, and does not believe values outside the chip's range. Says on the log when a sensor
// falls silent or comes back, not at each poll. Thread: the host's one bus thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "i2c/core/chip.hpp"

namespace penumbra::i2c {

// How often what happened since the bus was opened.
struct SensorCounters {
  std::uint64_t measurements = 0, good = 0, crc_errors = 0, no_answers = 0, other_faults = 0, resets = 0, inits = 0;
};

class Sensor {
 public:
  // A chip that failed so often in a row is reset: long enough to sit out a disturbance, short enough to matter.
  static constexpr int kFailuresBeforeReset = 3;

  // `log(warning, line)`.
  Sensor(std::string name, std::uint8_t address, int retries, std::unique_ptr<Chip> chip,
         std::function<void(bool, const std::string&)> log)
      : name_(std::move(name)), address_(address), retries_(retries), chip_(std::move(chip)), log_(std::move(log)) {}

  // One measurement, tried up to 1 + retries times within the budget. `values` is set when the outcome is ok.
  Outcome Measure(Bus& bus, const Budget& budget, Values& values);

  // The chip has to be set up again before its next measurement, e.g. because its bus was away.
  void Forget() { ready_ = false; }

  std::uint8_t address() const { return address_; }
  const std::string& name() const { return name_; }
  const SensorCounters& counters() const { return counters_; }

 private:
  Outcome Try(Device& device, Values& values);
  void Count(Fault fault);
  void Tell(const Outcome& outcome);

  std::string name_;
  std::uint8_t address_;
  int retries_;
  std::unique_ptr<Chip> chip_;
  std::function<void(bool, const std::string&)> log_;
  SensorCounters counters_;
  bool ready_ = false;
  int failures_ = 0;           // in a row
  Fault told_ = Fault::kNone;  // what the log last said
};

// Whether trying again at once can help.
constexpr bool WorthRepeating(Fault fault) {
  switch (fault) {
    case Fault::kNoAnswer:
    case Fault::kArbitration:
    case Fault::kBusy:
    case Fault::kIo:
    case Fault::kCrc:
    case Fault::kNotReady:
    case Fault::kTimeout:
      return true;
    default:
      return false;
  }
}

}  // namespace penumbra::i2c
