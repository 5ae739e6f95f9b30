// A block: a run of journal rows with what is in them, so that a thing or a time is found without opening every row,
// and the unit in which retention removes. Stored in table `block` when it is full; the newest is in memory only and
// is rebuilt from its rows at the start. Pure values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "store/codec.hpp"

namespace penumbra {

struct BlockThing {
  std::uint64_t thing = 0;
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  std::uint64_t count = 0;
};

// What the journal rows of a block are. kThinned: by thing too, and seqs between first and last may be missing.
enum class BlockLayout { kByCommit = 0, kByThing = 1, kThinned = 2 };

struct Block {
  // A block is closed at this many rows or bytes of blobs, whichever comes first.
  static constexpr std::int64_t kMaxRows = 1024;
  static constexpr std::uint64_t kMaxBytes = 256 * 1024;

  std::int64_t first_row = 0;
  std::int64_t last_row = 0;  // first_row - 1: empty
  std::int64_t oldest_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t newest_ms = std::numeric_limits<std::int64_t>::min();
  bool trusted = true;
  std::uint64_t readings = 0;
  std::uint64_t bytes = 0;
  BlockLayout layout = BlockLayout::kByCommit;
  std::vector<BlockThing> things;

  static Block StartingAt(std::int64_t row);
  bool empty() const { return last_row < first_row; }
  void Add(const RowHeader& row, std::size_t blob_bytes);
  const BlockThing* Find(std::uint64_t thing) const;
  // By thing: the row that has the readings of things[index]. Neighbours may share one. (Blocks packed by earlier
  // releases had a row for each thing: there it may be another one.)
  std::int64_t RowOf(std::size_t index) const;
};

// The checksum of its row in table block; `things` are encoded.
std::int64_t BlockSum(const Block& block, std::string_view things);
std::string EncodeBlockThings(const std::vector<BlockThing>& things);
// Error kGiveUp: damaged.
Result<std::vector<BlockThing>> DecodeBlockThings(std::string_view bytes);

}  // namespace penumbra
