// From what a host answered to a reading: conversion, time of measurement, and whether the unit is alive. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "driver/wire.hpp"
#include "event/clock.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra {

// When a request ran, and the clocks at the moment its answer came.
struct PollTimes {
  BootTime begun;
  BootTime received;
  std::int64_t received_unix_ms = 0;
  std::string boot_id;
  bool time_trusted = true;
};

// A reading of the thing's first answer.values.size() points, in their order. Its time is that of the first value the
// driver dated, as long as that lies between request and receipt, else the receipt.
Reading ReadingOf(const ThingSettings& thing, const wire::ReadAnswer& answer, const PollTimes& times);

// A reading in which every point is bad for one reason.
Reading BadReading(const ThingSettings& thing, const std::string& reason, const PollTimes& times);

// The unit gave no sign of life: nothing but time-outs and transport faults. An exception or a refusal is a sign.
bool IsSilence(const wire::ReadAnswer& answer);
// What such an answer gives as its reason: "timeout", "wrong unit in reply", ...
std::string SilenceOf(const wire::ReadAnswer& answer);

}  // namespace penumbra
