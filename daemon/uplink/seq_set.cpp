#include "uplink/seq_set.hpp"

#include <iterator>

namespace penumbra {

bool SeqSet::Contains(std::uint64_t seq) const {
  const auto after = ranges_.upper_bound(seq);
  return after != ranges_.begin() && std::prev(after)->second >= seq;
}

void SeqSet::Insert(std::uint64_t seq) {
  if (Contains(seq)) return;
  std::uint64_t first = seq, last = seq;
  auto after = ranges_.upper_bound(seq);
  if (after != ranges_.begin() && std::prev(after)->second + 1 == seq) first = std::prev(after)->first;
  if (after != ranges_.end() && after->first == seq + 1) {
    last = after->second;
    ranges_.erase(after);
  }
  ranges_[first] = last;
}

void SeqSet::Erase(std::uint64_t seq) {
  if (!Contains(seq)) return;
  const auto range = std::prev(ranges_.upper_bound(seq));
  const std::uint64_t first = range->first, last = range->second;
  ranges_.erase(range);
  if (first < seq) ranges_[first] = seq - 1;
  if (seq < last) ranges_[seq + 1] = last;
}

}  // namespace penumbra
