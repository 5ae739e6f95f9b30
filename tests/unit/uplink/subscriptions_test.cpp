// What a session subscribes: refusals, overdue answers, what the cloud has kept.
#include "uplink/subscriptions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct SubscriptionsTest : testing::Test {
  BootTime now{1'000'000'000'000};
  std::uint64_t next_token = 1;
  Subscriptions subscriptions;

  // Everything that may go now, in its order.
  std::vector<std::string> Sent() {
    std::vector<std::string> all;
    while (const auto filter = subscriptions.Next(next_token, now)) {
      all.push_back(*filter);
      ++next_token;
    }
    return all;
  }
};

TEST_F(SubscriptionsTest, ARefusedFilterIsToldOnceAndTriedAgainLater) {
  subscriptions.Begin({"a", "b"});
  EXPECT_THAT(Sent(), ElementsAre("a", "b"));
  EXPECT_TRUE(subscriptions.Answered(1, false, now)->newly_refused);
  EXPECT_FALSE(subscriptions.Done());
  subscriptions.Answered(2, true, now);
  EXPECT_TRUE(subscriptions.Done());
  EXPECT_FALSE(subscriptions.Answered(2, true, now)) << "nobody waits for it any more";

  subscriptions.Probe({"a", "b"}, now);
  EXPECT_THAT(Sent(), IsEmpty()) << "too early";
  const auto wait = subscriptions.UntilProbe(now);
  ASSERT_TRUE(wait);
  now = now + *wait;
  subscriptions.Probe({"b"}, now);
  EXPECT_THAT(Sent(), IsEmpty()) << "nobody wants it any more";
  subscriptions.Probe({"a", "b"}, now);
  EXPECT_THAT(Sent(), ElementsAre("a"));
  const auto answer = subscriptions.Answered(3, true, now);
  EXPECT_TRUE(answer->granted_at_last);
  EXPECT_THAT(subscriptions.Refused(), IsEmpty());
  EXPECT_FALSE(subscriptions.UntilProbe(now));
}

TEST_F(SubscriptionsTest, WhatIsNotAnsweredCountsAsRefused) {
  subscriptions.Begin({"a", "b"});
  Sent();
  subscriptions.Answered(2, true, now);
  EXPECT_EQ(subscriptions.NoAnswer(now), "a");
  EXPECT_THAT(subscriptions.Refused(), ElementsAre("a"));
  subscriptions.SessionEnded(false, now);
  subscriptions.Begin({"a", "b"});
  EXPECT_THAT(Sent(), ElementsAre("b"));
}

TEST_F(SubscriptionsTest, AFilterThatClosesTheConnectionTwiceTheSecondTimeAloneIsSetAside) {
  subscriptions.Begin({"a", "b", "c"});
  EXPECT_THAT(Sent(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(subscriptions.SessionEnded(true, now).closers, IsEmpty()) << "it may be any of them";
  subscriptions.Begin({"a", "b", "c"});
  EXPECT_THAT(Sent(), ElementsAre("a")) << "one at a time shows which it is";
  subscriptions.Answered(next_token - 1, true, now);
  EXPECT_THAT(Sent(), ElementsAre("b"));
  const auto ended = subscriptions.SessionEnded(true, now);
  EXPECT_THAT(ended.closers, ElementsAre("b"));
  EXPECT_THAT(ended.unanswered, ElementsAre("b"));
  EXPECT_THAT(ended.put_off, IsEmpty());
  subscriptions.Begin({"a", "b", "c"});
  EXPECT_EQ(subscriptions.Next(next_token++, now), "a");
}

TEST_F(SubscriptionsTest, AfterThreeClosesEverythingWithoutAnAnswerIsPutOffAndTriedOneByOne) {
  const std::vector<std::string> wanted = {"a", "b", "c", "d", "e"};
  Subscriptions::Ended ended;
  for (int i = 0; i < Subscriptions::kCloses; ++i) {
    subscriptions.Begin(wanted);
    EXPECT_FALSE(Sent().empty());
    ended = subscriptions.SessionEnded(true, now);
  }
  EXPECT_THAT(ended.put_off, ElementsAre("c", "d", "e"));
  subscriptions.Begin(wanted);
  EXPECT_TRUE(subscriptions.Done()) << "the session comes up without";
  EXPECT_EQ(subscriptions.UntilProbe(now), Subscriptions::kFirstPause);
  EXPECT_EQ(subscriptions.Trouble(),
            "the cloud closes the connection over the subscription of a and 1 more; not tried yet, because others have "
            "cost the connection: c and 2 more; is the policy right?");

  subscriptions.Stable();
  now = now + Subscriptions::kFirstPause;
  subscriptions.Probe(wanted, now);
  EXPECT_THAT(Sent(), ElementsAre("c"));
  subscriptions.SessionEnded(true, now);
  subscriptions.Begin(wanted);
  const auto pause = subscriptions.UntilProbe(now);
  EXPECT_GE(pause.value_or(Duration{}), Subscriptions::kFirstPause) << "all trials share one pause";
  now = now + *pause;
  subscriptions.Probe(wanted, now);
  EXPECT_THAT(Sent(), ElementsAre("d"));
  EXPECT_TRUE(subscriptions.Answered(next_token - 1, true, now)->granted_at_last);
  EXPECT_EQ(subscriptions.UntilProbe(now), Duration::zero()) << "a grant says that it is worth trying the others";
}

TEST_F(SubscriptionsTest, AConnectionThatEndedForAnotherReasonProvesNothing) {
  for (int i = 0; i < 5; ++i) {
    subscriptions.Begin({"a", "b"});
    EXPECT_THAT(Sent(), ElementsAre("a", "b"));
    EXPECT_THAT(subscriptions.SessionEnded(false, now).unanswered, IsEmpty());
    subscriptions.Begin({"a", "b"});
    Sent();
    EXPECT_THAT(subscriptions.SessionEnded(true, now + 6s).unanswered, IsEmpty()) << "too late for that";
  }
  EXPECT_THAT(subscriptions.Refused(), IsEmpty());
}

TEST_F(SubscriptionsTest, AServerThatAnswersNoneIsLeftWithoutThemAfterThreeConnectionsToo) {
  const std::vector<std::string> wanted = {"a", "b", "c", "d", "e"};
  subscriptions.Begin(wanted);
  Sent();
  subscriptions.SessionEnded(true, now);  // now one at a time
  for (int i = 0; i < 2; ++i) {
    subscriptions.Begin(wanted);
    EXPECT_EQ(Sent().size(), 1u);
    subscriptions.NoAnswer(now);
    subscriptions.SessionEnded(false, now);
  }
  subscriptions.Begin(wanted);
  EXPECT_TRUE(subscriptions.Done());
  EXPECT_EQ(subscriptions.Refused().size(), 5u);
}

TEST_F(SubscriptionsTest, WhatNobodyWantsAnyMoreIsForgotten) {
  subscriptions.Begin({"a"});
  Sent();
  subscriptions.Answered(1, false, now);
  subscriptions.Begin({"b"});
  EXPECT_THAT(subscriptions.Refused(), IsEmpty());
}

}  // namespace
}  // namespace penumbra
