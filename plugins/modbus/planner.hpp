// Which blocks to read so that every value is covered in the least time on the line.
// The cheapest plan, not a greedy one: a shortest path over the values sorted by address. Deliberately knows nothing
// about devices: limits and costs come from the caller. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "modbus/frame.hpp"

namespace penumbra::modbus {

// One value: `count` registers or bits from `address`, never read in two requests (it would tear).
struct Item {
  Table table = Table::kHolding;
  std::uint16_t address = 0;
  std::uint16_t count = 1;
};

struct Range {
  Table table = Table::kHolding;
  std::uint32_t first = 0;
  std::uint32_t last = 0;  // inclusive
};

// Between the addresses before - 1 and before.
struct Seam {
  Table table = Table::kHolding;
  std::uint32_t before = 0;
};

struct Limits {
  std::uint16_t max_words = kMaxReadWords;
  std::uint16_t max_bits = kMaxReadBits;
  std::uint16_t max_gap = 50;  // registers read for nothing between two values; of bits sixteen times as many
  // Never read between two values: what the device refuses, and what changes when it is read. The second differs from
  // the first in that a value may lie there; it is then read, by itself or with its like.
  std::vector<Range> forbidden, read_clears;
  // Addresses that no request may reach across, though both sides can be read: the seams between a device's modules.
  std::vector<Seam> seams;
};

struct Costs {
  std::int64_t request_ns = 0;  // of one more request: framing, pauses, turnaround, round trip
  std::int64_t byte_ns = 0;     // of one more data byte in the reply
};

struct Block {
  Table table = Table::kHolding;
  std::uint16_t address = 0;
  std::uint16_t count = 0;
  std::vector<std::uint32_t> items;  // indices into the list that was planned
};

// Data bytes in the reply for `count` registers or bits.
std::int64_t DataBytes(Table table, std::uint32_t count);
// Time of one request for `count` registers or bits.
std::int64_t CostOf(Table table, std::uint32_t count, const Costs& costs);

// Blocks by table and address. A value wider than the limits gets a block as wide as itself, with the values inside it.
std::vector<Block> PlanReads(std::span<const Item> items, const Limits& limits, const Costs& costs);

}  // namespace penumbra::modbus
