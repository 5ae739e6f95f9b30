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
  subscriptions.Begin(false, {"a", "b"}, now);
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
  subscriptions.Begin(false, {"a", "b"}, now);
  Sent();
  subscriptions.Answered(2, true, now);
  EXPECT_EQ(subscriptions.NoAnswer(now), "a");
  EXPECT_THAT(subscriptions.Refused(), ElementsAre("a"));
  subscriptions.SessionEnded(false, now);
  subscriptions.Begin(false, {"a", "b"}, now);
  EXPECT_THAT(Sent(), ElementsAre("b"));
}

TEST_F(SubscriptionsTest, AFilterThatClosesTheConnectionThreeTimesIsSetAside) {
  for (int i = 0; i < 2; ++i) {
    subscriptions.Begin(false, {"a"}, now);
    EXPECT_THAT(Sent(), ElementsAre("a"));
    EXPECT_THAT(subscriptions.SessionEnded(true, now), IsEmpty());
  }
  // One at a time shows which it is.
  subscriptions.Begin(false, {"a", "b"}, now);
  EXPECT_THAT(Sent(), ElementsAre("a"));
  EXPECT_THAT(subscriptions.SessionEnded(true, now), ElementsAre("a"));
}

TEST_F(SubscriptionsTest, OfAKeptSessionOnlyWhatItDoesNotHaveIsSent) {
  subscriptions.Begin(false, {"a", "b"}, now);
  Sent();
  subscriptions.Answered(1, true, now);  // the answer for b never comes
  subscriptions.SessionEnded(false, now);
  subscriptions.Begin(true, {"a", "b", "c"}, now);
  EXPECT_THAT(Sent(), ElementsAre("b", "c"));
  subscriptions.SessionEnded(false, now);
  subscriptions.Begin(false, {"a"}, now);
  EXPECT_THAT(Sent(), ElementsAre("a")) << "the cloud has forgotten it";
}

}  // namespace
}  // namespace penumbra
