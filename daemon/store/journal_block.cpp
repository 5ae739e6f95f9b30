#include "store/journal_block.hpp"

#include "base/bytes.hpp"
#include "store/row_sum.hpp"
#include "store/seq_mark.hpp"

namespace penumbra {
namespace {

// A packed row fills several pages, or half of each would stay empty: about this many readings (a thing has one for
// each commit, more or less), of at most this many things, because a query for one of them loads them all.
constexpr std::int64_t kPackedReadings = 512;
constexpr std::int64_t kMaxThingsOfRow = 8;

}  // namespace

Block Block::StartingAt(std::int64_t row) {
  Block block;
  block.first_row = row;
  block.last_row = row - 1;
  return block;
}

void Block::Add(const RowHeader& row, std::size_t blob_bytes) {
  ++last_row;
  bytes += blob_bytes;
  if (row.sections.empty()) return;  // acks only: no times
  oldest_ms = std::min(oldest_ms, row.oldest_ms);
  newest_ms = std::max(newest_ms, row.newest_ms);
  trusted &= row.all_trusted;
  for (const RowSection& section : row.sections) {
    readings += section.count;
    const auto known = std::find_if(things.begin(), things.end(),
                                    [&section](const BlockThing& t) { return t.thing == section.thing; });
    if (known == things.end()) {
      things.push_back({section.thing, section.first_seq, section.last_seq(), section.count});
    } else {
      known->last_seq = section.last_seq();
      known->count += section.count;
    }
  }
}

const BlockThing* Block::Find(std::uint64_t thing) const {
  const auto it = std::find_if(things.begin(), things.end(), [thing](const BlockThing& t) { return t.thing == thing; });
  return it == things.end() ? nullptr : &*it;
}

std::int64_t Block::RowOf(std::size_t index) const {
  const std::int64_t commits = last_row - first_row + 1;
  const auto count = static_cast<std::int64_t>(things.size());
  const std::int64_t together = std::clamp<std::int64_t>(kPackedReadings / commits, 1, kMaxThingsOfRow);
  const std::int64_t rows = std::clamp<std::int64_t>((count + together - 1) / together, 1, commits);
  return first_row + static_cast<std::int64_t>(index) * rows / count;
}

std::int64_t BlockSum(const Block& block, std::string_view things) {
  RowSum sum;
  sum.Add(block.first_row).Add(block.last_row).Add(block.oldest_ms).Add(block.newest_ms);
  sum.Add(std::int64_t{block.trusted}).Add(block.readings).Add(block.bytes).Add(things);
  return sum.Add(static_cast<std::int64_t>(block.layout)).value();
}

std::string EncodeBlockThings(const std::vector<BlockThing>& things) {
  ByteWriter out;
  std::uint64_t thing = 0;
  std::uint64_t seq = 0;
  out.Varint(things.size());
  for (const BlockThing& entry : things) {
    out.Zigzag(static_cast<std::int64_t>(entry.thing - thing));
    out.Zigzag(static_cast<std::int64_t>(entry.first_seq - seq));
    out.Varint(entry.last_seq - entry.first_seq);
    out.Varint(entry.count);
    thing = entry.thing;
    seq = entry.first_seq;
  }
  return out.Take();
}

Result<std::vector<BlockThing>> DecodeBlockThings(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<BlockThing> things;
  std::uint64_t thing = 0;
  std::uint64_t seq = 0;
  const std::size_t count = in.Count();
  for (std::size_t i = 0; i < count && in.Ok(); ++i) {
    BlockThing entry;
    entry.thing = thing += static_cast<std::uint64_t>(in.Zigzag());
    entry.first_seq = seq += static_cast<std::uint64_t>(in.Zigzag());
    const std::uint64_t span = in.Varint();
    entry.last_seq = entry.first_seq + span;
    entry.count = in.Varint();
    if (entry.first_seq > SeqMark::kMaxSeq || span > SeqMark::kMaxSeq || entry.last_seq > SeqMark::kMaxSeq) {
      return Fail(Action::kGiveUp, "damaged block directory");
    }
    things.push_back(entry);
  }
  if (!in.Ok() || !in.AtEnd()) return Fail(Action::kGiveUp, "damaged block directory");
  return things;
}

}  // namespace penumbra
