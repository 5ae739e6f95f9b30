#include "store/ranges.hpp"

#include "base/bytes.hpp"
#include "store/seq_mark.hpp"

namespace penumbra {

std::string EncodeRanges(const IntervalSet& set) {
  ByteWriter out;
  std::uint64_t before = 0;
  for (const auto& [first, last] : set.map()) {
    out.Varint(first - before);
    out.Varint(last - first);
    before = last;
  }
  return out.Take();
}

bool DecodeRanges(std::string_view bytes, IntervalSet& set) {
  ByteReader in(bytes);
  std::uint64_t before = 0;
  while (!in.AtEnd()) {
    const std::uint64_t first = before + in.Varint();
    const std::uint64_t last = first + in.Varint();
    if (!in.Ok() || first < before || last < first || last > SeqMark::kMaxSeq) return false;
    set.Add(first, last);
    before = last;
  }
  return true;
}

}  // namespace penumbra
