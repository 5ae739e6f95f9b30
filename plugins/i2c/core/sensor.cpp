#include "i2c/core/sensor.hpp"

namespace penumbra::i2c {

Outcome Sensor::Measure(Bus& bus, const Budget& budget, Values& values) {
  Device device(bus, address_, budget);
  Outcome outcome;
  for (int attempt = 0; attempt <= retries_; ++attempt) {
    outcome = Try(device, values);
    if (!WorthRepeating(outcome.fault)) break;
  }
  if (outcome.fault != Fault::kCancelled) Tell(outcome);
  return outcome;
}

Outcome Sensor::Try(Device& device, Values& values) {
  ++counters_.measurements;
  Outcome outcome;
  if (failures_ > 0 && failures_ % kFailuresBeforeReset == 0) {
    ++counters_.resets;
    // Its outcome does not matter: a chip that does not hear the reset will not answer the next command either.
    chip_->Reset(device);
    ready_ = false;
  }
  if (!ready_) {
    ++counters_.inits;
    outcome = chip_->Init(device);
    ready_ = outcome.ok();
  }
  Values fresh;
  if (outcome.ok()) outcome = chip_->Measure(device, fresh);
  Count(outcome.fault);
  if (outcome.ok()) {
    values = fresh;
    return outcome;
  }
  // It may have lost its power, and with it its settings.
  if (outcome.fault != Fault::kCrc) ready_ = false;
  return outcome;
}

void Sensor::Count(Fault fault) {
  if (fault == Fault::kCancelled) return;
  failures_ = fault == Fault::kNone ? 0 : failures_ + 1;
  switch (fault) {
    case Fault::kNone:
      ++counters_.good;
      return;
    case Fault::kCrc:
      ++counters_.crc_errors;
      return;
    case Fault::kNoAnswer:
      ++counters_.no_answers;
      return;
    default:
      ++counters_.other_faults;
  }
}

void Sensor::Tell(const Outcome& outcome) {
  if (outcome.fault == told_) return;
  told_ = outcome.fault;
  const std::string who = "thing=" + name_ + " address=" + Hex(address_);
  if (outcome.ok()) {
    log_(false, who + " answers again");
  } else {
    log_(true, who + ": " + Reason(outcome.fault) + (outcome.note.empty() ? "" : " (" + outcome.note + ")"));
  }
}

}  // namespace penumbra::i2c
