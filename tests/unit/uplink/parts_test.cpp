// The pure parts.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "store/time_book.hpp"
#include "uplink/link_state.hpp"
#include "uplink/rate_window.hpp"
#include "uplink/seq_set.hpp"
#include "uplink/time_wait.hpp"
#include "uplink/topic_suspension.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

TEST(LinkStateTable, IgnoresEventsThatCameTooLate) {
  EXPECT_EQ(NextState(LinkState::kBackoff, LinkEvent::kConnected), std::nullopt);
  EXPECT_EQ(NextState(LinkState::kClosed, LinkEvent::kGateOpened), std::nullopt);
  EXPECT_EQ(NextState(LinkState::kOnline, LinkEvent::kStart), std::nullopt);
  EXPECT_EQ(NextState(LinkState::kOnline, LinkEvent::kDown), LinkState::kBackoff);
}

TEST(SeqSet, AgreesWithAnOrdinarySet) {
  std::mt19937 random(1);
  SeqSet ours;
  std::set<std::uint64_t> theirs;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t seq = 1 + random() % 60;
    random() % 2 ? (ours.Insert(seq), theirs.insert(seq), void()) : (ours.Erase(seq), theirs.erase(seq), void());
    const std::uint64_t probe = random() % 62;
    ASSERT_EQ(ours.Contains(probe), theirs.count(probe) == 1);
  }
}

TEST(SeqSet, KeepsAMillionContiguousNumbersInOneRange) {
  SeqSet set;
  for (std::uint64_t seq = 1; seq <= 1'000'000; ++seq) set.Insert(seq);
  EXPECT_EQ(set.ranges(), 1u);
}

TEST(RateWindow, NeverExceedsTheRateInAnySecondAndReachesIt) {
  for (const double rate : {1.0, 2.5, 7.0, 50.0, 99.0}) {
    RateWindow window(rate);
    BootTime now{1};
    std::vector<BootTime> taken;
    const BootTime end = now + 100s;
    while (now < end) {
      if (window.Wait(now) <= Duration::zero()) {
        window.Take(now);
        taken.push_back(now);
      }
      now = now + 1ms;
    }
    EXPECT_GE(static_cast<double>(taken.size()), rate * 100 * 0.95);
    for (std::size_t first = 0, last = 0; last < taken.size(); ++last) {
      while (taken[last] - taken[first] >= 1s) ++first;
      ASSERT_LE(static_cast<double>(last - first + 1), std::max(1.0, std::ceil(rate))) << rate;
    }
  }
}

TEST(TimeWait, IsForUntrustedReadingsOfThisBootAndNoLongerThanPatience) {
  Reading reading;
  reading.boot_ns = 10'000'000'000;
  reading.boot_id = "now";
  reading.time_trusted = false;
  const TimeNow now{BootTime{12'000'000'000}, "now", false, BootTime{0}};
  EXPECT_EQ(TimeWait(reading, now, 5s), 3s);
  EXPECT_EQ(TimeWait(reading, now, 1s), 0s);
  const TimeNow next_boot{BootTime{12'000'000'000}, "next", false, BootTime{0}};
  EXPECT_EQ(TimeWait(reading, next_boot, 5s), 0s);
  reading.time_trusted = true;
  EXPECT_EQ(TimeWait(reading, now, 5s), 0s);
}

TEST(TimeWait, CountsFromWhenTheCloudCouldBeReached) {
  Reading reading;
  reading.boot_ns = 10'000'000'000;
  reading.boot_id = "now";
  reading.time_trusted = false;
  const TimeNow after_an_hour{BootTime{3'612'000'000'000}, "now", false, BootTime{3'610'000'000'000}};
  EXPECT_EQ(TimeWait(reading, after_an_hour, 5s), 3s);
}

TEST(TimeWait, HoldsTrustedReadingsTooWhileTheClockIsInDoubt) {
  Reading reading;
  reading.boot_id = "now";
  const TimeNow doubt{BootTime{12'000'000'000}, "now", true, BootTime{0}};
  EXPECT_GT(TimeWait(reading, doubt, 5s), 0s);
  reading.boot_id = "an older boot";
  EXPECT_EQ(TimeWait(reading, doubt, 5s), 0s);
}

TEST(TopicSuspension, MessagesInFlightBesideTheRefusedOneAreNoFailedProbe) {
  TopicSuspension topics;
  BootTime now{1};
  topics.Sent("t", now);
  topics.Sent("t", now);
  EXPECT_TRUE(topics.Refused("t", now));
  EXPECT_FALSE(topics.Refused("t", now));
  EXPECT_EQ(topics.UntilProbe("t", now), TopicSuspension::kFirstProbe);
  now = now + TopicSuspension::kFirstProbe;
  EXPECT_TRUE(topics.Allows("t", now));
  topics.Sent("t", now);
  EXPECT_FALSE(topics.Allows("t", now)) << "one probe at a time";
  EXPECT_TRUE(topics.Acked("t"));
  EXPECT_TRUE(topics.Allows("t", now));
}

TEST(TopicSuspension, AProbeLostWithItsConnectionIsDueAgain) {
  TopicSuspension topics;
  BootTime now{1};
  topics.Sent("t", now);
  topics.Refused("t", now);
  now = now + TopicSuspension::kFirstProbe;
  topics.Sent("t", now);
  topics.SessionEnded(false, {"t"}, now);
  EXPECT_TRUE(topics.Allows("t", now));
}

TEST(TopicSuspension, ThreeClosesInARowSuspendATopicThatWasNeverAcknowledged) {
  TopicSuspension topics;
  BootTime now{1};
  for (int i = 0; i < 2; ++i) {
    topics.Sent("t", now);
    EXPECT_TRUE(topics.SessionEnded(true, {"t"}, now + 1s).empty());
  }
  topics.Sent("t", now);
  EXPECT_TRUE(topics.SessionEnded(true, {"t"}, now + 6s).empty()) << "too late to be an answer to the message";
  topics.Sent("t", now);
  EXPECT_EQ(topics.SessionEnded(true, {"t"}, now + 1s), std::vector<std::string>{"t"});
}

}  // namespace
}  // namespace penumbra
