// Readings that the cloud will never get: thinned, removed or damaged, and that somebody hears of it.
#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include "store/gap.hpp"
#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;

struct GapTest : test::StoreFixture {
  std::uint64_t LostOf(const std::string& thing, std::string_view reason) {
    std::uint64_t lost = 0;
    for (const Gap& gap : store->Outbox(thing).gaps) lost += gap.reason == reason ? gap.lost : 0;
    return lost;
  }
  std::vector<Reading> CommittedOf(const std::string& thing) const {
    std::vector<Reading> all;
    std::copy_if(committed.begin(), committed.end(), std::back_inserter(all),
                 [&thing](const Reading& reading) { return reading.thing == thing; });
    return all;
  }
  // Each of ten things in a commit, as a gateway does that polls once a second; a wave with one spike.
  void FillTen(int commits) {
    for (int i = 0; i < commits; ++i, ++step_) {
      const double value = step_ == 500 ? 99.5 : 20 + (step_ % 40) * 0.1 + (step_ % 7) * 1.234567890123;
      for (int k = 0; k < 10; ++k) store->Append(MakeReading("t" + std::to_string(k), next_ms += 100, value));
      MustFlush();
    }
  }
  // Until the store has all the room it wants: it makes it in steps of its own between commits.
  void WaitUntilNothingIsDropped() {
    std::uint64_t last = 0;
    for (int same = 0, turns = 0; same < 10 && turns < 300; ++turns) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      MustFlush();
      const std::uint64_t now = store->Stats().dropped_unsent;
      same = now == last ? same + 1 : 0;
      last = now;
    }
  }

 private:
  int step_ = 0;
};

bool IsSpike(const Reading& reading) {
  return std::get<double>(reading.values[0].value) == 99.5;
}

TEST_F(GapTest, ThinsTheOlderHalfOfWhatWasNeverSentBeforeItGivesAnythingUp) {
  options.settings.max_size = 512 * 1024;
  MustOpen();
  for (int i = 0; i < 200 && store->Stats().dropped_unsent == 0; ++i) FillTen(50);
  FillTen(200);
  WaitUntilNothingIsDropped();
  const auto all = CommittedOf("t3");
  auto left = AllUnsent("t3");
  ASSERT_LT(left.size(), all.size());
  EXPECT_EQ(left.size(), store->Outbox("t3").unsent);
  EXPECT_EQ(left.front(), all.front());  // thinned, not cut off
  EXPECT_NE(std::find_if(left.begin(), left.end(), IsSpike), left.end());
  // The newer half is whole.
  ASSERT_GE(left.size(), all.size() / 3);
  const auto newest = static_cast<std::ptrdiff_t>(all.size() / 3);
  EXPECT_TRUE(std::equal(left.end() - newest, left.end(), all.end() - newest, all.end()));
  // Who is told of it.
  const std::vector<Gap> gaps = store->Outbox("t3").gaps;
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].reason, kGapThinned);
  EXPECT_EQ(gaps[0].lost, all.size() - left.size());
  EXPECT_GE(gaps[0].from_seq, all.front().seq);
  EXPECT_LE(gaps[0].to_seq, all.back().seq);
  EXPECT_GE(gaps[0].from_ms, all.front().unix_ms);
  EXPECT_LE(gaps[0].to_ms, all.back().unix_ms);
  // And after a restart everything is as it was.
  MustOpen();
  EXPECT_EQ(AllUnsent("t3"), left);
  EXPECT_EQ(store->Outbox("t3").unsent, left.size());
  EXPECT_EQ(store->Outbox("t3").gaps, gaps);
}

TEST_F(GapTest, WhatWasThinnedDrainsInOrderUntilNothingIsLeft) {
  options.settings.max_size = 512 * 1024;
  MustOpen();
  for (int i = 0; i < 200 && store->Stats().dropped_unsent == 0; ++i) FillTen(50);
  WaitUntilNothingIsDropped();
  const std::uint64_t waiting = store->Outbox("t3").unsent;
  std::uint64_t sent = 0;
  std::uint64_t before = 0;
  // Ten readings on their way, acknowledged newest first.
  for (;;) {
    auto page = Unsent("t3", 0, 10);
    if (page.empty()) break;
    EXPECT_GT(page.front().seq, before);
    before = page.back().seq;
    std::reverse(page.begin(), page.end());
    for (const Reading& reading : page) store->Acked("t3", reading.seq);
    sent += page.size();
    MustFlush();
    EXPECT_EQ(store->Outbox("t3").unsent, waiting - sent);
  }
  EXPECT_EQ(sent, waiting);
  MustFlush();
  EXPECT_EQ(store->Outbox("t3").unsent, 0u);
  EXPECT_EQ(store->Outbox("t3").oldest_unsent_seq, 0u);
  EXPECT_EQ(LostOf("t3", kGapDamaged), 0u);
  EXPECT_GT(LostOf("t3", kGapThinned), 0u);
  MustOpen();
  EXPECT_EQ(store->Outbox("t3").unsent, 0u);
}

TEST_F(GapTest, EveryReadingIsSentOrToldOfWhenTheStoreOverflowsForLong) {
  options.settings.max_size = 256 * 1024;
  MustOpen();
  for (int i = 0; i < 80 && LostOf("t3", kGapNoSpace) == 0; ++i) FillTen(100);
  WaitUntilNothingIsDropped();
  const auto all = CommittedOf("t3");
  const auto left = AllUnsent("t3");
  EXPECT_EQ(left.back(), all.back());
  EXPECT_GT(LostOf("t3", kGapThinned), 0u);
  EXPECT_GT(LostOf("t3", kGapNoSpace), 0u);
  EXPECT_EQ(left.size() + LostOf("t3", kGapThinned) + LostOf("t3", kGapNoSpace), all.size());
  EXPECT_EQ(store->Stats().gaps, 20u);
}

TEST_F(GapTest, AThingWithManyReadingsInACommitIsThinnedToo) {
  options.settings.max_size = 128 * 1024;
  MustOpen();
  while (store->Stats().dropped_unsent == 0 && committed.size() < 100'000) Fill("a", 1000, 500);
  WaitUntilNothingIsDropped();
  const auto all = CommittedOf("a");
  // Thinning goes on in steps: both of one moment.
  std::uint64_t lost = 0;
  std::vector<Reading> left;
  do {
    lost = LostOf("a", kGapThinned);
    left = AllUnsent("a");
  } while (LostOf("a", kGapThinned) != lost);
  EXPECT_EQ(left.size() + lost, all.size());
  EXPECT_GT(lost, 500u);
}

TEST_F(GapTest, WhatADamagedRowTookIsTold) {
  options.settings.commit_interval = std::chrono::hours(1);  // a row a flush, however slow the test
  MustOpen();
  Fill("a", 30);
  store.reset();
  {
    auto database = Database::Open({.file = options.file}, nullptr);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->Execute("UPDATE journal SET data = zeroblob(30) WHERE id = 2"));
  }
  MustOpen();
  ASSERT_EQ(AllUnsent("a").size(), 20u);
  MustFlush();
  EXPECT_EQ(store->Outbox("a").unsent, 20u);
  EXPECT_EQ(LostOf("a", kGapDamaged), 10u);
  const Gap gap = store->Outbox("a").gaps[0];
  EXPECT_EQ(gap.from_seq, committed[10].seq);
  EXPECT_EQ(gap.to_seq, committed[19].seq);
  for (int i = 0; i < 2; ++i) MustOpen();
  MustFlush();
  EXPECT_EQ(LostOf("a", kGapDamaged), 10u);
}

TEST_F(GapTest, AGapGrowsUntilTheCloudKnowsOfIt) {
  MustOpen();
  Fill("a", 1);
  store.reset();
  Gap gap{.thing = "a", .reason = std::string(kGapNoSpace)};
  gap.Add(7, 700);
  gap.Add(9, 900);
  const Gap more{
      .thing = "a", .reason = gap.reason, .from_seq = 12, .to_seq = 14, .from_ms = 1200, .to_ms = 1400, .lost = 3};
  {
    auto database = Database::Open({.file = options.file}, nullptr).value();
    ASSERT_TRUE(NoteGap(*database, gap));
    ASSERT_TRUE(NoteGap(*database, more));
  }
  MustOpen();
  store->GapTold(gap);  // the cloud acknowledged what was true before
  MustFlush();
  const auto left = store->Outbox("a").gaps;
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].from_seq, 7u);
  EXPECT_EQ(left[0].to_seq, 14u);
  EXPECT_EQ(left[0].lost, 5u);
  EXPECT_EQ(GapJson(left[0]),
            R"({"device_id":"a","timestamp":1400,"gap":{"from_seq":7,"to_seq":14,"from":700,"to":1400,)"
            R"("lost":5,"reason":"no space"}})");
  store->GapTold(left[0]);
  MustFlush();
  EXPECT_TRUE(store->Outbox("a").gaps.empty());
  MustOpen();
  EXPECT_TRUE(store->Outbox("a").gaps.empty());
}

TEST_F(GapTest, AcksInNoOrderAtAllAreKeptUpToABoundAndCounted) {
  options.settings.commit_interval = std::chrono::hours(1);
  MustOpen();
  Fill("a", 10'000, 5'000);
  for (std::size_t i = 1; i < committed.size(); i += 2) store->Acked("a", committed[i].seq);
  MustFlush();
  EXPECT_EQ(store->Stats().acks_not_kept, 10'000u / 2 - 4096);
  // The other half closes the holes again.
  for (std::size_t i = 0; i < 8000; i += 2) store->Acked("a", committed[i].seq);
  MustFlush();
  MustOpen();
  EXPECT_EQ(store->Outbox("a").unsent, 10'000u - 4096 - 4000);
  EXPECT_EQ(store->Outbox("a").oldest_unsent_seq, committed[8000].seq);
}

}  // namespace
}  // namespace penumbra
