// TI HDC3020, HDC3021, HDC3022: humidity and temperature, one measurement when asked (trigger-on-demand), and the
// chip's heater. Source: TI, SNAS778D (HDC302x datasheet; sections and tables as read on ti.com): conversion 7.3.3,
// heater 7.3.7 with the table of configurations, check sum 7.3.9, command table 7-4 with measuring times, soft
// reset 7.5.7.1, trigger-on-demand 7.5.7.2; heater configured before it is enabled, and a minute to recover, after TI's
// answers on e2e.ti.com. Compared with the Linux kernel's drivers/iio/humidity/hdc3020.c, Adafruit_HDC302x.cpp and
// ESPHome's hdc302x.cpp.
#pragma once

#include "i2c/core/checked_pair.hpp"

namespace penumbra::i2c::hdc302x {

// Section 7.3.3; see checked_pair.hpp.
constexpr PairScale kScale{};

extern const ChipType kType;

}  // namespace penumbra::i2c::hdc302x
