// What is sent, in which order, how fast.
#include <random>

#include "unit/uplink/uplink_fixture.hpp"
#include "uplink/outbox_sender.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class Outbox : public test::UplinkFixture {
 protected:
  bool AllAcked(const std::string& thing) { return store.Outbox(thing).unsent == 0; }
};

TEST_F(Outbox, NothingIsAckedBeforeThePuback) {
  transport.acknowledges = false;
  Create({Thing("a")});
  Read("a");
  AdvanceUntil([&] { return !Sent("a").empty(); });
  EXPECT_TRUE(store.acked["a"].empty());
}

TEST_F(Outbox, TheBacklogGoesOldestFirstWithinRateAndWindow) {
  upstream.publish_rate = 50;
  upstream.in_flight = 7;
  transport.latency = 120ms;
  for (int i = 0; i < 500; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return AllAcked("a"); });
  const auto sent = Sent("a");
  EXPECT_EQ(sent.size(), 500u);
  EXPECT_TRUE(std::is_sorted(sent.begin(), sent.end()));
  EXPECT_LE(transport.max_in_flight, 7);
  EXPECT_LE(Busiest(PublishTimes("a"), 1s), 50);
}

TEST_F(Outbox, UsesTheWholeRateWhenTheNetworkAllows) {
  upstream.publish_rate = 50;
  for (int i = 0; i < 500; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(5s);
  EXPECT_GE(Sent("a").size(), 240u);
}

TEST_F(Outbox, TheServersReceiveMaximumNarrowsTheWindow) {
  transport.session.receive_maximum = 3;
  transport.latency = 200ms;
  for (int i = 0; i < 50; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return AllAcked("a"); });
  EXPECT_EQ(transport.max_in_flight, 3);
}

TEST_F(Outbox, FreshReadingsOvertakeTheBacklogAndTheNewestGoesFirst) {
  upstream.publish_rate = 20;
  for (int i = 0; i < 1500; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return Sent("a").size() > 10; });
  for (int i = 0; i < 30; ++i) {
    const std::uint64_t older = Read("a");
    const std::uint64_t newer = Read("a");
    loop.Advance(1s);
    const auto sent = Sent("a");
    const auto at_newer = std::find(sent.begin(), sent.end(), newer);
    ASSERT_NE(at_newer, sent.end()) << "fresh reading " << i << " was not sent within a second";
    EXPECT_LT(at_newer - sent.begin(), std::find(sent.begin(), sent.end(), older) - sent.begin());
  }
  ASSERT_FALSE(AllAcked("a")) << "the backlog must still drain for this to prove anything";
}

TEST_F(Outbox, NothingIsSentTwiceInASessionWhateverTheOrderOfAcksAndCommits) {
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) Read("a");
  Create({Thing("a")});
  transport.latency = 30ms;
  for (int step = 0; step < 600; ++step) {
    if (random() % 3 == 0) Read("a");
    store.latency = std::chrono::milliseconds(random() % 50);
    transport.latency = std::chrono::milliseconds(random() % 80);
    loop.Advance(20ms);
  }
  AdvanceUntil([&] { return AllAcked("a"); });
  for (const auto& [seq, count] : SentCounts("a")) EXPECT_EQ(count, 1) << seq;
  EXPECT_EQ(transport.connects.size(), 1u);
}

TEST_F(Outbox, AfterAReconnectEverythingUnackedIsSentAgainWithItsSeq) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  transport.acknowledges = false;
  std::vector<std::uint64_t> seqs;
  for (int i = 0; i < 5; ++i) seqs.push_back(Read("a"));
  loop.Advance(1s);
  transport.CloseAll();
  transport.acknowledges = true;
  AdvanceUntil([&] { return AllAcked("a"); });
  for (const std::uint64_t seq : seqs) EXPECT_EQ(SentCounts("a")[seq], 2);
}

TEST_F(Outbox, AHugeBacklogCostsAPageOrTwoOfMemory) {
  for (int i = 0; i < 5000; ++i) Read("a");
  Create({Thing("a")});
  transport.acknowledges = false;
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(3s);
  EXPECT_LE(store.pages_read, 3u);
  EXPECT_LE(store.largest_page, OutboxSender::kPage);
}

TEST_F(Outbox, MoreFreshReadingsThanFitGoWithTheBacklogAndNoneIsLost) {
  upstream.publish_rate = 100;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  for (int i = 0; i < 1000; ++i) Read("a");
  AdvanceUntil([&] { return AllAcked("a"); });
  for (const auto& [seq, count] : SentCounts("a")) EXPECT_EQ(count, 1) << seq;
  EXPECT_EQ(SentCounts("a").size(), 1000u);
}

TEST_F(Outbox, AStoreThatCannotAnswerIsAskedAgain) {
  store.read_error = Error{Action::kRetry, "busy"};
  Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(3s);
  EXPECT_TRUE(Sent("a").empty());
  store.read_error.reset();
  loop.Advance(3s);
  EXPECT_EQ(Sent("a").size(), 1u);
}

TEST_F(Outbox, AShortPageIsNotTheEndOfTheBacklog) {
  store.short_page = 3;
  for (int i = 0; i < 50; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return AllAcked("a"); });
}

TEST_F(Outbox, BatchesCarryTheBacklogAndOneAckCountsForAll) {
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 1000;
  for (int i = 0; i < 60; ++i) Read("a");
  Create({thing});
  AdvanceUntil([&] { return AllAcked("a"); });
  EXPECT_EQ(Sent("a").size(), 60u);
  int batches = 0;
  for (const auto& message : transport.published) {
    if (message.topic != "sensors/a/batch") continue;
    ++batches;
    EXPECT_LE(message.payload.size(), 1000u);
  }
  EXPECT_GT(batches, 2);
  EXPECT_LT(batches, 15);
  const std::uint64_t fresh = Read("a");
  loop.Advance(1s);
  EXPECT_EQ(transport.published.back().topic, "sensors/a/temperature");
  EXPECT_EQ(Sent("a").back(), fresh);
}

TEST_F(Outbox, CollectsFreshReadingsForTheBatchIntervalOrUntilAnArrayIsFull) {
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 1000;
  thing.batch_interval = 10s;
  Create({thing});
  loop.Advance(1s);
  const auto batches = [&] {
    std::vector<std::string> payloads;
    for (const auto& message : transport.published) {
      EXPECT_NE(message.topic, "sensors/a/temperature");
      if (message.topic == "sensors/a/batch") payloads.push_back(message.payload);
    }
    return payloads;
  };
  for (int i = 0; i < 3; ++i) {
    Read("a");
    loop.Advance(3s);
  }
  EXPECT_TRUE(batches().empty()) << "nine seconds are not ten";
  loop.Advance(2s);
  ASSERT_EQ(batches().size(), 1u);
  EXPECT_EQ(ParseJson(batches()[0])->size(), 3u);
  AdvanceUntil([&] { return AllAcked("a"); });
  for (int i = 0; i < 40; ++i) Read("a");
  loop.Advance(1s);
  EXPECT_GT(batches().size(), 2u) << "full arrays do not wait";
  for (const std::string& payload : batches()) EXPECT_LE(payload.size(), 1000u);
  loop.Advance(11s);
  AdvanceUntil([&] { return AllAcked("a"); });
  EXPECT_EQ(Sent("a").size(), 43u) << "each once";
}

TEST_F(Outbox, WhatIsCollectedWhenTheSessionEndsGoesWithTheNextOne) {
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 1000;
  thing.batch_interval = 1h;
  Create({thing});
  loop.Advance(1s);
  const std::uint64_t kept = Read("a");
  loop.Advance(5s);
  EXPECT_TRUE(Sent("a").empty());
  transport.Close("a");
  AdvanceUntil([&] { return AllAcked("a"); });
  EXPECT_EQ(Sent("a"), std::vector<std::uint64_t>{kept});
}

TEST_F(Outbox, OnReportReadingsThatAreNotDueStayHistory) {
  ThingSettings thing = Thing("a");
  thing.telemetry = Telemetry::kOnReport;
  thing.points[0].report.deadband = 1.0;
  Create({thing});
  AdvanceUntil([&] { return Online("a"); });
  const std::uint64_t first = Read("a", 20.0);
  const std::uint64_t same = Read("a", 20.5);
  const std::uint64_t moved = Read("a", 21.5);
  loop.Advance(1s);
  const auto counts = SentCounts("a");
  EXPECT_EQ(counts.count(first), 1u);
  EXPECT_EQ(counts.count(same), 0u);
  EXPECT_EQ(counts.count(moved), 1u);
  EXPECT_TRUE(AllAcked("a"));
}

TEST_F(Outbox, UntrustedReadingsWaitAndAreRedatedWhenTheClockArrives) {
  loop.virtual_clock.synchronised = false;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  Read("a", 20, false);
  loop.Advance(30s);
  EXPECT_TRUE(Sent("a").empty());
  EXPECT_EQ(uplink->Explain("a", store.Outbox("a").newest_seq), "waits for a trusted clock");
  loop.virtual_clock.unix_epoch_ms += 1'000'000;  // NTP steps the clock
  loop.virtual_clock.synchronised = true;
  loop.Advance(2s);
  ASSERT_EQ(Sent("a").size(), 1u);
  const Json json = *ParseJson(transport.published.back().payload);
  EXPECT_FALSE(json.contains("time"));
  const std::int64_t age_ms = loop.virtual_clock.UnixMs() - json["timestamp"].get<std::int64_t>();
  EXPECT_GE(age_ms, 30'000);
  EXPECT_LT(age_ms, 33'000);
}

TEST_F(Outbox, WhenPatienceRunsOutAnUntrustedReadingGoesAsUncertain) {
  loop.virtual_clock.synchronised = false;
  clock_settings.patience = 2min;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  Read("a", 20, false);
  const std::int64_t believed = loop.virtual_clock.UnixMs();
  loop.Advance(119s);
  EXPECT_TRUE(Sent("a").empty());
  loop.Advance(2s);
  ASSERT_EQ(Sent("a").size(), 1u);
  const Json json = *ParseJson(transport.published.back().payload);
  EXPECT_EQ(json["time"], "uncertain");
  EXPECT_EQ(json["timestamp"], believed);
}

TEST_F(Outbox, ReadingsOfAnOlderBootThatWereNeverTrustedGoAsUncertainAtOnce) {
  loop.virtual_clock.boot_id = "boot-0";
  Read("a", 20, false);
  loop.virtual_clock.boot_id = "boot-1";
  Create({Thing("a")});
  AdvanceUntil([&] { return AllAcked("a"); }, 10s);
  EXPECT_EQ((*ParseJson(transport.published.back().payload))["time"], "uncertain");
}

TEST_F(Outbox, ExplainsWhatBecameOfAReading) {
  transport.reachable = false;
  Create({Thing("a")});
  const std::uint64_t seq = Read("a");
  loop.Advance(5s);
  EXPECT_NE(uplink->Explain("a", seq).find("connection refused"), std::string::npos);
  transport.reachable = true;
  transport.acknowledges = false;
  AdvanceUntil([&] { return !Sent("a").empty(); });
  EXPECT_EQ(uplink->Explain("a", seq), "sent, waiting for the acknowledgement");
  transport.acknowledges = true;
  AdvanceUntil([&] { return AllAcked("a"); });
  EXPECT_NE(uplink->Explain("a", seq).find("acknowledged"), std::string::npos);
  EXPECT_EQ(uplink->Explain("a", seq + 1000), "not known");
  EXPECT_EQ(uplink->Explain("nobody", 1), "not known");
}

}  // namespace
}  // namespace penumbra
