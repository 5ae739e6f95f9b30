// What a device has taught about itself: how much it answers at once, where it has holes, which points it refuses.
// The text form is what the gateway's store keeps over a restart. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modbus/planner.hpp"

namespace penumbra::modbus {

struct RefusedItem {
  Item item;
  std::uint8_t exception = 0;
};

struct Learned {
  // Entries of each list; what comes after them is found out again after a restart.
  static constexpr std::size_t kMaxEntries = 128;
  static constexpr std::size_t kMaxText = 4000;  // the host keeps 4096 bytes

  std::optional<std::uint16_t> max_words, max_bits;
  std::vector<Range> holes;
  std::vector<Seam> seams;
  std::vector<RefusedItem> refused;
  std::int64_t checked_s = 0;  // Unix time of the last look

  bool empty() const { return !max_words && !max_bits && holes.empty() && seams.empty() && refused.empty(); }
};

// At most kMaxText bytes: what is too much is left out.
std::string ToJson(Learned learned);
// Nullopt for what is not exactly that: the file it comes from is not ours alone.
std::optional<Learned> LearnedFromJson(std::string_view text);

// The key under which a thing's facts are kept: its name, or a hash of one that is no key.
std::string LearnedKey(std::string_view thing);

}  // namespace penumbra::modbus
