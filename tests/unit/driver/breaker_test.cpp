#include "driver/breaker.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public ::testing::Test {
 protected:
  void OpenIt() {
    while (breaker.state() == Breaker::State::kClosed) breaker.OnSilence(now, random);
  }
  Random random{1};
  BootTime now{1000};
  Breaker breaker{BreakerSettings{.failures = 3, .open = 5s, .max_open = 60s}};
};

TEST_F(BreakerTest, OpensAfterSoManySilentPollsInARow) {
  EXPECT_FALSE(breaker.OnSilence(now, random));
  EXPECT_FALSE(breaker.OnSilence(now, random));
  EXPECT_FALSE(breaker.OnAnswer());  // the row begins again
  EXPECT_FALSE(breaker.OnSilence(now, random));
  EXPECT_FALSE(breaker.OnSilence(now, random));
  EXPECT_TRUE(breaker.OnSilence(now, random));
  EXPECT_EQ(breaker.state(), Breaker::State::kOpen);
}

TEST_F(BreakerTest, WaitsTwiceAsLongAfterEachProbeUpToItsMaximum) {
  OpenIt();
  for (const Duration wait : {5s, 10s, 20s, 40s, 60s, 60s}) {
    EXPECT_GE(breaker.retry_at() - now, wait * 8 / 10);
    EXPECT_LE(breaker.retry_at() - now, wait * 12 / 10);
    breaker.BeginProbe();
    EXPECT_FALSE(breaker.OnSilence(now, random));
  }
}

TEST_F(BreakerTest, ClosesAtTheFirstAnswerAndStartsOver) {
  OpenIt();
  breaker.BeginProbe();
  breaker.OnSilence(now, random);
  breaker.BeginProbe();
  EXPECT_TRUE(breaker.OnAnswer());
  EXPECT_EQ(breaker.state(), Breaker::State::kClosed);
  OpenIt();
  EXPECT_LE(breaker.retry_at() - now, 6s);
}

TEST(SilenceBudget, KeepsProbesToATenthOfTheTime) {
  SilenceBudget budget;
  BootTime now{0};
  Duration spent{};
  while (now < BootTime{0} + 1000s) {
    if (const Duration wait = budget.Wait(now); wait > Duration::zero()) {
      now = now + wait;
      continue;
    }
    budget.Spend(500ms, now);
    spent += 500ms;
  }
  EXPECT_NEAR(std::chrono::duration<double>(spent).count(), 100, 3);
}

}  // namespace
}  // namespace penumbra
