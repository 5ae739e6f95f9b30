// Who is on an I2C bus, asked carefully: every address is probed without a byte that a chip could take as a command, an
// address of a kernel driver is not touched at all, and identity registers are read only where every kind of chip that
// is known at that address takes that for reading. Bounded: at most 112 addresses and five short transactions each;
// ends early with the budget. Thread: the host's one bus thread.
#pragma once

#include <functional>

#include "i2c/core/chip.hpp"

namespace penumbra::i2c {

// One object for each address that answers or belongs to a kernel driver:
//   {"address":"0x76","state":"answers","chip":"bme280","likely":["bme280"],"why":"register 0xd0 is 0x60"}
//   {"address":"0x44","state":"kernel driver","why":"..."}
// "chip" is there when identity registers said so; "likely" are this project's drivers for chips of that address.
// Answers kNone, or why it ended early; what was found until then has been given out.
Outcome Scan(Bus& bus, const Budget& budget, const std::function<void(const nlohmann::json&)>& found);

}  // namespace penumbra::i2c
