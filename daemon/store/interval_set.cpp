#include "store/interval_set.hpp"

#include <algorithm>
#include <iterator>

namespace penumbra {

void IntervalSet::Add(std::uint64_t first, std::uint64_t last) {
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) {
    const auto before = std::prev(it);
    // Touching ranges are joined, so that a steady stream stays one range.
    if (before->second >= first || before->second + 1 == first) it = before;
  }
  while (it != ranges_.end() && (it->first <= last || it->first == last + 1)) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    count_ -= it->second - it->first + 1;
    it = ranges_.erase(it);
  }
  ranges_.emplace(first, last);
  count_ += last - first + 1;
}

std::uint64_t IntervalSet::Remove(std::uint64_t first, std::uint64_t last) {
  std::uint64_t removed = 0;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin() && std::prev(it)->second >= first) --it;
  while (it != ranges_.end() && it->first <= last) {
    const auto [begin, end] = *it;
    it = ranges_.erase(it);
    if (begin < first) ranges_.emplace(begin, first - 1);
    if (end > last) it = ranges_.emplace(last + 1, end).first;
    removed += std::min(end, last) - std::max(begin, first) + 1;
  }
  count_ -= removed;
  return removed;
}

bool IntervalSet::Contains(std::uint64_t value) const {
  const auto it = ranges_.upper_bound(value);
  return it != ranges_.begin() && std::prev(it)->second >= value;
}

std::uint64_t IntervalSet::CountIn(std::uint64_t first, std::uint64_t last) const {
  std::uint64_t found = 0;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) --it;
  for (; it != ranges_.end() && it->first <= last; ++it) {
    if (it->second < first) continue;
    found += std::min(it->second, last) - std::max(it->first, first) + 1;
  }
  return found;
}

IntervalSet IntervalSet::Within(std::uint64_t first, std::uint64_t last) const {
  IntervalSet part;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin()) --it;
  for (; it != ranges_.end() && it->first <= last; ++it) {
    if (it->second >= first) part.Add(std::max(it->first, first), std::min(it->second, last));
  }
  return part;
}

std::optional<std::uint64_t> IntervalSet::FirstFrom(std::uint64_t value) const {
  auto it = ranges_.upper_bound(value);
  if (it != ranges_.begin() && std::prev(it)->second >= value) return value;
  if (it == ranges_.end()) return std::nullopt;
  return it->first;
}

}  // namespace penumbra
