// Gap records on their way to the cloud; and readings that salvage brings back.
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class GapReports : public test::UplinkFixture {
 protected:
  static Gap Lost(const std::string& thing, std::uint64_t lost) {
    return {.thing = thing,
            .reason = std::string(kGapNoSpace),
            .from_seq = 10,
            .to_seq = 9 + lost,
            .from_ms = 1000,
            .to_ms = 2000,
            .lost = lost};
  }
  std::vector<std::string> Records(const std::string& thing) const {
    std::vector<std::string> records;
    for (const auto& message : transport.published) {
      if (message.topic == "sensors/" + thing + "/gap") records.push_back(message.payload);
    }
    return records;
  }
};

TEST_F(GapReports, ARefusedRecordIsKeptAndNotRepeated) {
  transport.puback = [](const std::string&, const std::string& topic) { return topic == "sensors/a/gap" ? 0x87 : 0; };
  store.gaps = {Lost("a", 5)};
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(5min);
  EXPECT_EQ(Records("a").size(), 1u);
  EXPECT_EQ(store.gaps.size(), 1u);
  EXPECT_TRUE(Online("a"));
  const std::uint64_t seq = Read("a");
  loop.Advance(1s);
  EXPECT_EQ(store.acked["a"].count(seq), 1u) << "readings go on";
}

TEST_F(GapReports, ARecordGoesWithTheNextSessionWhenTheFirstEndsBeforeItsAck) {
  transport.acknowledges = false;
  store.gaps = {Lost("a", 5)};
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a") && Records("a").size() == 1; });
  transport.CloseAll();
  loop.Advance(1s);
  transport.acknowledges = true;
  AdvanceUntil([&] { return store.gaps.empty(); });
  EXPECT_EQ(Records("a").size(), 2u);
}

TEST_F(GapReports, TheCloudIsToldOnceForEachThing) {
  store.gaps = {Lost("a", 5), Lost("b", 7)};
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return store.gaps.empty(); });
  EXPECT_EQ(Records("a"), std::vector<std::string>{GapJson(Lost("a", 5))});
  EXPECT_EQ(Records("b"), std::vector<std::string>{GapJson(Lost("b", 7))});
  loop.Advance(5min);
  EXPECT_EQ(Records("a").size(), 1u);
}

TEST_F(GapReports, AGapThatAppearsOrGrowsWhileOnlineIsTold) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  store.gaps = {Lost("a", 5)};
  AdvanceUntil([&] { return store.gaps.empty(); });
  store.gaps = {Lost("a", 9)};
  AdvanceUntil([&] { return store.gaps.empty(); });
  EXPECT_EQ(Records("a"), (std::vector<std::string>{GapJson(Lost("a", 5)), GapJson(Lost("a", 9))}));
}

TEST_F(GapReports, ReadingsThatComeBackBehindTheCursorAreSent) {
  for (int i = 0; i < 3; ++i) Read("a");
  const std::uint64_t back = store.first_seq + 1;
  store.acked["a"].insert(back);  // nothing to send, for now
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a") && store.Outbox("a").unsent == 0; });
  loop.Advance(10s);
  ASSERT_EQ(SentCounts("a").count(back), 0u);
  store.acked["a"].erase(back);
  // The next reading is a reason to look.
  Read("a");
  AdvanceUntil([&] { return store.acked["a"].count(back) == 1; });
  EXPECT_EQ(SentCounts("a")[back], 1);
}

}  // namespace
}  // namespace penumbra
