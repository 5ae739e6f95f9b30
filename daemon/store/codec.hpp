// The packed form of one group commit: one blob in table `journal`. Pure functions over bytes; any damage or hostile
// input is an error, never a crash, and what is decoded stays proportional to the bytes.
// Exact: every value, quality, reason, boot id and time comes back as it went in, doubles bit for bit.
//
// Layout (varint = LEB128, zz = zigzag varint; see base/bytes.hpp):
//   u32 crc            little endian, CRC-32 of everything behind it
//   u8  version        3 (1 and 2, of earlier releases, are read: what differs is in brackets)
//   zz base_ms, zz base_boot_ns     what the times below are relative to (the first reading's)
//   [1, 2: the acks stand here: varint things, of these: varint thing, varint ranges, of these: varint gap after the
//       last one, varint length-1]
//   u8  flags          bit 0: every time is trusted; bit 1: newest_trusted follows; bit 2: the directory has holes, the
//                      seqs that thinning left out [1: never; 2: always]
//   zz oldest, zz newest [, zz newest_trusted]        - base_ms
//   varint sections    the directory, of these:
//       zz thing - thing before, zz first_seq - first_seq before, varint count, (with holes: varint holes,)
//       zz last_ms - base_ms, varint bytes
//   varint things      the acks, of these: varint thing - thing before, varint ranges (0: a single seq),
//       zz first - first_seq of the thing's section, or - first of the thing before when it has none, (ranges > 0:)
//       varint length-1, and of each further range: varint gap after the last one, varint length-1
//   the sections' bytes. A section is all readings of one thing in this commit, ascending in seq, without holes unless
//   bit 3 below says so, as runs of readings with the same points, boot and trust:
//       varint count, u8 flags (bit 0 trusted, bit 1 boot inline, bit 2 points inline, bit 3 holes, bit 4 series),
//       boot, points with bit 3, per reading: varint seqs left out before it per reading: zz ms - ms before, zz
//       (boot_ns - boot_ns before) - 1e6 * (ms - ms before)
//           with bit 4 (of at least 8 readings) two series (series.hpp) instead: ms - ms before the run, and
//           (boot_ns - boot_ns before the run) - 1e6 * (ms - ms before the run)
//       per point a column: u8 kind (Column below) + 0x80 when all are Good without a reason;
//           values; unless 0x80, per reading: u8 quality + 4 * (0 no reason, 1 word follows, 2 text follows)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "model/reading.hpp"
#include "store/dictionary.hpp"

namespace penumbra {

// Acknowledged: seqs first..last of a thing (dictionary number).
struct AckRange {
  std::uint64_t thing = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  friend bool operator==(const AckRange&, const AckRange&) = default;
};

struct RowSection {
  std::uint64_t thing = 0;
  std::uint64_t first_seq = 0;
  std::uint64_t count = 0;
  std::uint64_t holes = 0;  // seqs between the first and the last that are not there
  std::int64_t last_ms = 0;
  std::size_t offset = 0;  // of its bytes in the blob
  std::size_t length = 0;
  std::uint64_t last_seq() const { return first_seq + count + holes - 1; }
};

struct RowHeader {
  std::int64_t base_ms = 0;
  std::int64_t base_boot_ns = 0;
  std::int64_t oldest_ms = 0;
  std::int64_t newest_ms = 0;
  std::optional<std::int64_t> newest_trusted_ms;
  bool all_trusted = true;
  std::vector<AckRange> acks;        // ascending by thing and seq
  std::vector<RowSection> sections;  // at most one per thing

  const RowSection* Find(std::uint64_t thing) const;
  std::uint64_t readings() const;
};

// `readings` have their seqs; those of one thing ascend in the given order. `acks` are sorted
// by thing and seq and do not overlap. New words go into `dictionary`.
std::string EncodeRow(std::span<const Reading> readings, std::span<const AckRange> acks, Dictionary& dictionary);

// Error kGiveUp: damaged.
Result<RowHeader> DecodeHeader(std::string_view blob);
// Appends the section's readings, ascending in seq, to `out`. Error kGiveUp: damaged.
Status DecodeSection(std::string_view blob, const RowHeader& header, const RowSection& section,
                     const Dictionary& dictionary, std::vector<Reading>& out);

}  // namespace penumbra
