#include "modbus/planner.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

namespace penumbra::modbus {
namespace {

constexpr std::uint32_t kBitsPerRegister = 16;

// May the registers [from, to) between two values be read along?
bool MayFill(Table table, std::uint32_t from, std::uint32_t to, const Limits& limits) {
  const std::uint32_t max_gap = limits.max_gap * (IsBits(table) ? kBitsPerRegister : 1);
  if (to - from > max_gap) return false;
  const auto touches = [&](const Range& range) {
    return range.table == table && range.first < to && range.last >= from;
  };
  return std::ranges::none_of(limits.forbidden, touches) && std::ranges::none_of(limits.read_clears, touches);
}

bool CrossesSeam(Table table, std::uint32_t from, std::uint32_t to, const Limits& limits) {
  return std::ranges::any_of(
      limits.seams, [&](const Seam& seam) { return seam.table == table && seam.before > from && seam.before < to; });
}

// Values of one table, sorted by address. In that order an optimal plan never interleaves: a value that begins inside
// another block either lies within it for nothing, or covers the rest of that block.
class TablePlan {
 public:
  TablePlan(std::span<const Item> items, std::span<const std::uint32_t> sorted, const Limits& limits,
            const Costs& costs)
      : items_(items), sorted_(sorted), limits_(limits), costs_(costs), best_(sorted.size() + 1) {}

  void AppendTo(std::vector<Block>& blocks) {
    best_[0].cost = 0;
    for (std::size_t first = 0; first < sorted_.size(); ++first) ExtendFrom(first);
    std::vector<Block> reversed;
    for (std::size_t end = sorted_.size(); end > 0; end = best_[end].first) reversed.push_back(BlockOf(end));
    blocks.insert(blocks.end(), reversed.rbegin(), reversed.rend());
  }

 private:
  struct Step {
    std::int64_t cost = std::numeric_limits<std::int64_t>::max();
    std::size_t first = 0;   // the last block covers the values [first, this)
    std::uint32_t span = 0;  // registers or bits of that block
  };

  const Item& At(std::size_t index) const { return items_[sorted_[index]]; }

  // Relaxes every block that begins with the value `first`; its cost up to there is final.
  void ExtendFrom(std::size_t first) {
    const Item& head = At(first);
    const std::uint32_t max_span = IsBits(head.table) ? limits_.max_bits : limits_.max_words;
    std::uint32_t end = head.address;
    std::uint32_t widest = 0;
    for (std::size_t last = first; last < sorted_.size(); ++last) {
      const Item& item = At(last);
      if (item.address > end && !MayFill(item.table, end, item.address, limits_)) return;
      end = std::max<std::uint32_t>(end, item.address + item.count);
      const std::uint32_t span = end - head.address;
      widest = std::max<std::uint32_t>(widest, item.count);
      if (span > widest && (span > max_span || CrossesSeam(head.table, head.address, end, limits_))) return;
      const std::int64_t cost = best_[first].cost + CostOf(head.table, span, costs_);
      if (cost < best_[last + 1].cost) best_[last + 1] = {.cost = cost, .first = first, .span = span};
    }
  }

  Block BlockOf(std::size_t end) const {
    const Step& step = best_[end];
    const Item& head = At(step.first);
    return {.table = head.table,
            .address = head.address,
            .count = static_cast<std::uint16_t>(step.span),
            .items = {sorted_.begin() + static_cast<std::ptrdiff_t>(step.first),
                      sorted_.begin() + static_cast<std::ptrdiff_t>(end)}};
  }

  std::span<const Item> items_;
  std::span<const std::uint32_t> sorted_;
  const Limits& limits_;
  const Costs& costs_;
  std::vector<Step> best_;
};

}  // namespace

std::int64_t DataBytes(Table table, std::uint32_t count) {
  return IsBits(table) ? (count + 7) / 8 : count * 2;
}

std::int64_t CostOf(Table table, std::uint32_t count, const Costs& costs) {
  return costs.request_ns + DataBytes(table, count) * costs.byte_ns;
}

std::vector<Block> PlanReads(std::span<const Item> items, const Limits& limits, const Costs& costs) {
  std::vector<std::uint32_t> sorted(items.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tuple(items[a].table, items[a].address, items[a].count, a) <
           std::tuple(items[b].table, items[b].address, items[b].count, b);
  });
  std::vector<Block> blocks;
  for (std::size_t begin = 0; begin < sorted.size();) {
    std::size_t end = begin;
    while (end < sorted.size() && items[sorted[end]].table == items[sorted[begin]].table) ++end;
    TablePlan(items, std::span(sorted).subspan(begin, end - begin), limits, costs).AppendTo(blocks);
    begin = end;
  }
  return blocks;
}

}  // namespace penumbra::modbus
