#include <gtest/gtest.h>

#include "event/backoff.hpp"
#include "event/time_trust.hpp"
#include "event/token_bucket.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

TEST(BackoffTest, StaysBetweenFloorAndADoublingCeiling) {
  Random random(1);
  Backoff backoff(1s, 32s, 1s);
  for (const Duration ceiling : {1s, 2s, 4s, 8s, 16s, 32s, 32s, 32s}) {
    const Duration wait = backoff.Next(random);
    EXPECT_GE(wait, 1s);
    EXPECT_LE(wait, ceiling);
  }
}

TEST(BackoffTest, SpreadsAHerd) {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    Backoff backoff(32s, 32s);
    sum += std::chrono::duration<double>(backoff.Next(random)).count();
  }
  EXPECT_NEAR(sum / 1000, 16, 1);
}

TEST(TokenBucketTest, KeepsTheRateInTheLongRunAndTheBurstAtOnce) {
  TokenBucket bucket(50, 5);
  BootTime now{0};
  int taken = 0;
  while (bucket.TryTake(now)) ++taken;
  EXPECT_EQ(taken, 5);
  for (; now < BootTime{0} + 10s; now = now + bucket.UntilNext(now)) taken += bucket.TryTake(now) ? 1 : 0;
  EXPECT_NEAR(taken, 505, 1);
}

TEST(TokenBucketTest, IsNotFooledByTimeThatStandsStill) {
  TokenBucket bucket(1, 1);
  EXPECT_TRUE(bucket.TryTake(BootTime{100}));
  EXPECT_FALSE(bucket.TryTake(BootTime{100}));
  EXPECT_FALSE(bucket.TryTake(BootTime{50}));
}

TEST(VirtualLoopTest, RunsTimersInOrderOfTheirTimes) {
  test::VirtualLoop loop;
  std::string order;
  const auto b = loop.After(2s, [&] { order += 'b'; });
  const auto a = loop.After(1s, [&] { order += 'a'; });
  auto gone = loop.After(1500ms, [&] { order += '!'; });
  gone.reset();
  loop.Advance(3s);
  EXPECT_EQ(order, "ab");
}

}  // namespace
}  // namespace penumbra
