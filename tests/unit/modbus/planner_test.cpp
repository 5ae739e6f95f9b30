// The read planner against brute force, and against the plans that other products make.
#include "modbus/planner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace penumbra::modbus {
namespace {

constexpr Costs kRtu9600{.request_ns = 30'000'000, .byte_ns = 1'041'666};
constexpr Costs kTcp{.request_ns = 2'000'000, .byte_ns = 80};

std::int64_t Total(const std::vector<Block>& plan, const Costs& costs) {
  return std::accumulate(plan.begin(), plan.end(), std::int64_t{0}, [&](std::int64_t sum, const Block& block) {
    return sum + CostOf(block.table, block.count, costs);
  });
}

// Is this block one that the limits allow? One that is no wider than its widest value always is.
bool Allowed(std::vector<Item> items, const Limits& limits) {
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.address < b.address; });
  const bool bits = IsBits(items[0].table);
  std::uint32_t end = items[0].address;
  std::uint32_t widest = 0;
  for (const Item& item : items) {
    if (item.table != items[0].table) return false;
    if (item.address > end) {
      if (item.address - end > limits.max_gap * (bits ? 16u : 1u)) return false;
      for (const auto* ranges : {&limits.forbidden, &limits.read_clears}) {
        for (const Range& range : *ranges) {
          if (range.table == item.table && range.first < item.address && range.last >= end) return false;
        }
      }
    }
    end = std::max<std::uint32_t>(end, item.address + item.count);
    widest = std::max<std::uint32_t>(widest, item.count);
  }
  if (end - items[0].address <= widest) return true;
  for (const Seam& seam : limits.seams) {
    if (seam.table == items[0].table && seam.before > items[0].address && seam.before < end) return false;
  }
  return end - items[0].address <= std::max<std::uint32_t>(widest, bits ? limits.max_bits : limits.max_words);
}

Block Over(const std::vector<Item>& items, const std::vector<std::uint32_t>& members) {
  std::uint32_t first = UINT32_MAX, end = 0;
  for (const auto m : members) {
    first = std::min<std::uint32_t>(first, items[m].address);
    end = std::max<std::uint32_t>(end, items[m].address + items[m].count);
  }
  return {items[members[0]].table, static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(end - first), members};
}

// The cheapest of all ways to put the values into blocks, whatever their order.
std::int64_t BruteForce(const std::vector<Item>& items, const Limits& limits, const Costs& costs,
                        std::vector<std::vector<std::uint32_t>> groups = {}, std::uint32_t next = 0) {
  if (next == items.size()) {
    std::int64_t total = 0;
    for (const auto& group : groups) {
      std::vector<Item> members;
      for (const auto m : group) members.push_back(items[m]);
      if (!Allowed(members, limits)) return INT64_MAX;
      const Block block = Over(items, group);
      total += CostOf(block.table, block.count, costs);
    }
    return total;
  }
  std::int64_t best = INT64_MAX;
  for (std::size_t g = 0; g <= groups.size(); ++g) {
    auto more = groups;
    if (g == groups.size()) more.emplace_back();
    more[g].push_back(next);
    best = std::min(best, BruteForce(items, limits, costs, std::move(more), next + 1));
  }
  return best;
}

// Joins while the hole is at most `gap`: what others do.
std::int64_t Greedy(const std::vector<Item>& items, Limits limits, const Costs& costs, std::uint16_t gap) {
  limits.max_gap = std::min(gap, limits.max_gap);
  std::vector<std::uint32_t> sorted(items.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::sort(sorted.begin(), sorted.end(), [&](auto a, auto b) {
    return std::tuple(items[a].table, items[a].address) < std::tuple(items[b].table, items[b].address);
  });
  std::vector<Block> plan;
  std::vector<std::uint32_t> members;
  for (const auto index : sorted) {
    auto more = members;
    more.push_back(index);
    std::vector<Item> block;
    for (const auto m : more) block.push_back(items[m]);
    if (!Allowed(block, limits)) {
      plan.push_back(Over(items, members));
      more = {index};
    }
    members = more;
  }
  if (!members.empty()) plan.push_back(Over(items, members));
  return Total(plan, costs);
}

struct RandomMap {
  std::vector<Item> items;
  Limits limits;
  Costs costs;
};

RandomMap MakeMap(std::mt19937& random, std::size_t most) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  RandomMap map;
  const int spread = pick(4, 300);
  const std::size_t count = static_cast<std::size_t>(pick(1, static_cast<int>(most)));
  for (std::size_t i = 0; i < count; ++i) {
    const auto table = static_cast<Table>(pick(0, 9) < 8 ? 3 : pick(0, 3));
    const int width = IsBits(table) ? 1 : (pick(0, 9) == 0 ? pick(5, 40) : 1 << pick(0, 2));
    map.items.push_back({table, static_cast<std::uint16_t>(pick(0, spread)), static_cast<std::uint16_t>(width)});
  }
  map.limits.max_words = static_cast<std::uint16_t>(pick(0, 1) != 0 ? 125 : pick(4, 60));
  map.limits.max_bits = static_cast<std::uint16_t>(pick(16, 2000));
  map.limits.max_gap = static_cast<std::uint16_t>(pick(0, 60));
  for (int i = pick(0, 3); i > 0; --i) {
    const auto first = static_cast<std::uint32_t>(pick(0, spread));
    map.limits.forbidden.push_back({Table::kHolding, first, first + static_cast<std::uint32_t>(pick(0, 5))});
  }
  for (int i = pick(0, 2); i > 0; --i) {
    const auto first = static_cast<std::uint32_t>(pick(0, spread));
    map.limits.read_clears.push_back({Table::kHolding, first, first + static_cast<std::uint32_t>(pick(0, 5))});
  }
  if (pick(0, 3) == 0) map.limits.seams.push_back({Table::kHolding, static_cast<std::uint32_t>(pick(1, spread))});
  map.costs = {pick(0, 40) * 1'000'000LL, pick(1, 1'200'000)};
  return map;
}

void ExpectSound(const RandomMap& map, const std::vector<Block>& plan) {
  std::vector<int> seen(map.items.size());
  for (const Block& block : plan) {
    std::vector<Item> members;
    for (const auto index : block.items) {
      ++seen[index];
      const Item& item = map.items[index];
      members.push_back(item);
      ASSERT_EQ(item.table, block.table);
      ASSERT_GE(item.address, block.address);
      ASSERT_LE(item.address + item.count, block.address + block.count) << "a value is never split";
    }
    ASSERT_TRUE(Allowed(members, map.limits));
  }
  for (const int times : seen) ASSERT_EQ(times, 1);
}

TEST(ModbusPlanner, IsAsCheapAsTheBestOfAllPlansOnSmallMaps) {
  std::mt19937 random(4);
  for (int i = 0; i < 600; ++i) {
    const RandomMap map = MakeMap(random, 7);
    const auto plan = PlanReads(map.items, map.limits, map.costs);
    ExpectSound(map, plan);
    ASSERT_EQ(Total(plan, map.costs), BruteForce(map.items, map.limits, map.costs)) << "map " << i;
  }
}

TEST(ModbusPlanner, IsNeverDearerThanAdjacentMergeAFixedGapOrOneRequestAPoint) {
  std::mt19937 random(5);
  int strictly = 0;
  for (int i = 0; i < 10000; ++i) {
    const RandomMap map = MakeMap(random, 60);
    const auto plan = PlanReads(map.items, map.limits, map.costs);
    ExpectSound(map, plan);
    const std::int64_t ours = Total(plan, map.costs);
    std::int64_t single = 0;
    for (const Item& item : map.items) single += CostOf(item.table, item.count, map.costs);
    for (const std::int64_t other :
         {Greedy(map.items, map.limits, map.costs, 0), Greedy(map.items, map.limits, map.costs, 50), single}) {
      ASSERT_LE(ours, other) << "map " << i;
      strictly += ours < other ? 1 : 0;
    }
  }
  EXPECT_GT(strictly, 10000);
}

TEST(ModbusPlanner, TheLineDecidesWhichHolesAreWorthReading) {
  const std::vector<Item> items{{Table::kHolding, 0, 1}, {Table::kHolding, 41, 1}};
  EXPECT_EQ(PlanReads(items, {}, kTcp).size(), 1u) << "on TCP forty registers cost less than a round trip";
  EXPECT_EQ(PlanReads(items, {}, kRtu9600).size(), 2u) << "at 9600 baud they cost 83 ms";
}

TEST(ModbusPlanner, KeepsForbiddenRegistersOutOfEveryHole) {
  const std::vector<Item> items{{Table::kHolding, 0, 1}, {Table::kHolding, 4, 1}};
  EXPECT_EQ(PlanReads(items, {.forbidden = {{Table::kHolding, 3, 3}}}, kTcp).size(), 2u);
  EXPECT_EQ(PlanReads(items, {.forbidden = {{Table::kInput, 3, 3}}}, kTcp).size(), 1u);
  EXPECT_EQ(PlanReads(items, {.forbidden = {{Table::kHolding, 5, 9}}}, kTcp).size(), 1u);
}

TEST(ModbusPlanner, ReadsWhatClearsOnlyForAPointThatLiesThere) {
  const std::vector<Item> items{{Table::kHolding, 0, 1}, {Table::kHolding, 2, 1}, {Table::kHolding, 3, 1}};
  EXPECT_EQ(PlanReads(items, {.read_clears = {{Table::kHolding, 1, 1}}}, kTcp).size(), 2u) << "not along with others";
  EXPECT_EQ(PlanReads(items, {.read_clears = {{Table::kHolding, 2, 3}}}, kTcp).size(), 1u) << "both are wanted";
}

TEST(ModbusPlanner, ReachesAcrossNoSeamButForAValueThatLiesOnIt) {
  const std::vector<Item> items{{Table::kHolding, 0, 4}, {Table::kHolding, 4, 4}, {Table::kHolding, 8, 4}};
  const auto plan = PlanReads(items, {.seams = {{Table::kHolding, 8}, {Table::kHolding, 2}}}, kTcp);
  ASSERT_EQ(plan.size(), 3u) << "0-3 lies on a seam and is read by itself";
  EXPECT_EQ(plan[0].count, 4);
  EXPECT_EQ(PlanReads(items, {.seams = {{Table::kHolding, 8}}}, kTcp).size(), 2u);
}

TEST(ModbusPlanner, PlansTheLastRegisterAndTheEmptyList) {
  EXPECT_TRUE(PlanReads({}, {}, kTcp).empty());
  const std::vector<Item> items{{Table::kInput, 65535, 1}, {Table::kInput, 65411, 4}};
  const auto plan = PlanReads(items, {.max_gap = 125}, kTcp);
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].address, 65411);
  EXPECT_EQ(plan[0].count, 125);
}

}  // namespace
}  // namespace penumbra::modbus
