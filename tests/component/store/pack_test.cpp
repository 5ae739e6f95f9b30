// Sent history is packed by thing in the background, and nobody can tell.
#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;

struct PackTest : test::StoreFixture {
  PackTest() { options.settings.max_size = 2 * 1024 * 1024; }  // small blocks

  void FillTen(int commits, bool acked) {
    for (int i = 0; i < commits; ++i) {
      for (int k = 0; k < 10; ++k) store->Append(MakeReading("t" + std::to_string(k), next_ms += 100, k + i * 0.1));
      MustFlush();
      if (!acked) continue;
      for (std::size_t k = committed.size() - 10; k < committed.size(); ++k) {
        store->Acked(committed[k].thing, committed[k].seq);
      }
    }
    MustFlush();
  }
  // Of one thing, all of it, as a query has it.
  std::vector<StoredReading> History(const std::string& thing, bool newest_first, std::size_t limit = 10'000) {
    return Query({.thing = thing, .limit = limit, .newest_first = newest_first});
  }
  bool WaitForBlocks(std::uint64_t packed) {
    return loop.RunUntil([this, packed] {
      EXPECT_TRUE(Flush());
      return store->Stats().packed_blocks >= packed;
    });
  }
};

TEST_F(PackTest, HistoryReadsTheSameBeforeAndAfter) {
  MustOpen();
  FillTen(1500, true);
  const auto before = History("t3", false);
  ASSERT_EQ(before.size(), 1500u);
  ASSERT_TRUE(WaitForBlocks(3));
  EXPECT_EQ(store->Stats().readings, 15'000u);
  for (const bool again : {false, true}) {
    if (again) MustOpen();
    for (const bool newest_first : {false, true}) {
      const auto after = History("t3", newest_first);
      ASSERT_EQ(after.size(), before.size());
      for (std::size_t i = 0; i < after.size(); ++i) {
        ASSERT_EQ(after[i].reading, before[i].reading);
        ASSERT_TRUE(after[i].sent);
      }
      const auto part = History("t3", newest_first, 700);
      ASSERT_EQ(part.size(), 700u);
      EXPECT_EQ(part.front().reading, before[newest_first ? 800 : 0].reading);
    }
    EXPECT_EQ(
        Query({.thing = "t3", .since_ms = before[40].reading.unix_ms, .until_ms = before[50].reading.unix_ms}).size(),
        10u);
  }
}

TEST_F(PackTest, WhatIsNotSentIsLeftAloneAndPackedWhenItIs) {
  MustOpen();
  FillTen(600, false);
  FillTen(600, true);
  ASSERT_TRUE(WaitForBlocks(1));
  EXPECT_EQ(AllUnsent("t0").size(), 600u);
  for (std::size_t i = 0; i < 6000; ++i) store->Acked(committed[i].thing, committed[i].seq);
  const std::uint64_t packed = store->Stats().packed_blocks;
  ASSERT_TRUE(WaitForBlocks(packed + 2));
  EXPECT_EQ(store->Outbox("t0").unsent, 0u);
  EXPECT_EQ(History("t0", false).size(), 1200u);
}

}  // namespace
}  // namespace penumbra
