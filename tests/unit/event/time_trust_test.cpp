// What time is it, when clocks lie: every rule of event/time_trust.hpp on virtual time.
#include "event/time_trust.hpp"

#include <gtest/gtest.h>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kYearMs = 365 * 24 * kHourMs;

class TimeTrustTest : public ::testing::Test {
 protected:
  TimeTrustTest() { clock.synchronised = false; }

  TimeTrust Make(std::int64_t newest_seen_ms = 0) { return {clock, false, newest_seen_ms}; }
  void Pass(TimeTrust& trust, Duration time) {
    for (Duration passed{}; passed < time; passed += 1s) {
      clock.now = clock.now + 1s;
      trust.Sample();
    }
  }
  // What the history says now of a moment that lies `ago` back.
  std::int64_t TrueMs(const TimeTrust& trust, Duration ago) const {
    const std::int64_t ns = clock.now.ns - ago.count();
    return ns / 1'000'000 + trust.history().At(ns)->true_offset_ms;
  }

  test::VirtualClock clock;
};

TEST_F(TimeTrustTest, DoesNotBelieveAClockThatNobodySet) {
  TimeTrust trust = Make();
  EXPECT_FALSE(trust.Trusted());
  clock.synchronised = true;
  clock.now = clock.now + 2s;
  EXPECT_TRUE(trust.Trusted());
  clock.synchronised = false;  // holdover
  clock.now = clock.now + 2s;
  EXPECT_TRUE(trust.Trusted());
}

TEST_F(TimeTrustTest, BelievesABatteryClockOnlyPastTheNewestStoredTime) {
  clock.battery = true;
  EXPECT_FALSE(Make(0).Trusted());
  EXPECT_TRUE(Make(clock.UnixMs() - 1000).Trusted());
  EXPECT_FALSE(Make(clock.UnixMs() + 1000).Trusted());
  EXPECT_TRUE(TimeTrust(clock, true, clock.UnixMs() + 1000).Trusted());
}

TEST_F(TimeTrustTest, ABootIn1970IsDatedByItsFirstSynchronisation) {
  const std::int64_t truth = clock.UnixMs();
  clock.unix_epoch_ms = 0;
  TimeTrust trust = Make();
  Pass(trust, 60s);
  EXPECT_FALSE(trust.Trusted());
  EXPECT_LT(trust.UnixMs(), kHourMs);
  clock.unix_epoch_ms = 1'700'000'000'000;
  clock.synchronised = true;
  EXPECT_TRUE(trust.Trusted());
  EXPECT_EQ(trust.UnixMs(), truth + 60'000);
  EXPECT_EQ(TrueMs(trust, 60s), truth);
  EXPECT_TRUE(trust.history().At(0)->trusted);
}

TEST_F(TimeTrustTest, WhatAnOperatorSetsIsUsedButNotTrustedBeforeAnybodyVouches) {
  clock.unix_epoch_ms = 0;
  TimeTrust trust = Make();
  Pass(trust, 10s);
  clock.unix_epoch_ms = 1'700'000'000'000;  // date -s
  EXPECT_FALSE(trust.Trusted());
  EXPECT_EQ(trust.UnixMs(), clock.UnixMs());
  EXPECT_EQ(TrueMs(trust, 10s), clock.UnixMs() - 10'000);
  EXPECT_FALSE(trust.history().At(0)->trusted);
}

TEST_F(TimeTrustTest, AStepThatNobodyVouchesForIsNotFollowed) {
  clock.synchronised = true;
  TimeTrust trust = Make();
  EXPECT_TRUE(trust.Trusted());
  const std::int64_t truth = trust.UnixMs();
  clock.synchronised = false;  // clock_settime(2) says so itself
  for (const std::int64_t by : {-kHourMs, kYearMs}) {
    clock.unix_epoch_ms += by;
    EXPECT_EQ(trust.UnixMs(), truth);
    EXPECT_TRUE(trust.Trusted());
    EXPECT_EQ(trust.Status().last_step_ms, by);
    Pass(trust, 5s);
    clock.now = clock.now - 5s;
  }
  EXPECT_EQ(trust.Status().steps, 2u) << "one event for each, however often it is looked at";
}

TEST_F(TimeTrustTest, ASynchronisedStepThatStaysIsFollowedAfterPatienceAndDatesTheWholeBootAnew) {
  clock.synchronised = true;
  TimeTrust trust = Make();
  const std::int64_t wrong = trust.UnixMs();
  Pass(trust, 100s);
  clock.unix_epoch_ms -= kHourMs;
  EXPECT_FALSE(trust.Trusted());
  EXPECT_TRUE(trust.InDoubt());
  Pass(trust, 119s);
  EXPECT_TRUE(trust.InDoubt());
  Pass(trust, 1s);
  EXPECT_FALSE(trust.InDoubt());
  EXPECT_EQ(trust.UnixMs(), clock.UnixMs());
  EXPECT_EQ(TrueMs(trust, 220s), wrong - kHourMs);
}

TEST_F(TimeTrustTest, ASynchronisedJumpAheadThatGoesBackNeverHappened) {
  clock.synchronised = true;
  TimeTrust trust = Make();
  const std::int64_t truth = trust.UnixMs();
  clock.unix_epoch_ms += kYearMs;
  Pass(trust, 60s);
  EXPECT_TRUE(trust.InDoubt());
  EXPECT_EQ(trust.UnixMs(), truth + 60'000);
  clock.unix_epoch_ms -= kYearMs;
  EXPECT_TRUE(trust.Trusted());
  EXPECT_EQ(trust.UnixMs(), truth + 60'000);
  EXPECT_EQ(TrueMs(trust, 60s), truth);
}

TEST_F(TimeTrustTest, ARestlessClockCannotKeepTheReadingsWaitingForEver) {
  clock.synchronised = true;
  TimeTrust trust = Make();
  trust.Sample();
  for (int i = 0; i < 130; ++i) {
    clock.unix_epoch_ms += kHourMs;
    Pass(trust, 1s);
    if (!trust.InDoubt()) return;
  }
  FAIL() << "still in doubt after more than the patience";
}

TEST_F(TimeTrustTest, DriftAfterALongTimeAloneIsNoStep) {
  clock.synchronised = true;
  TimeTrust trust = Make();
  const std::int64_t then = trust.UnixMs();
  clock.synchronised = false;
  clock.now = clock.now + 240h;
  trust.Sample();
  clock.synchronised = true;
  clock.unix_epoch_ms += 40'000;  // 46 ppm in ten days
  trust.Sample();
  EXPECT_TRUE(trust.Trusted());
  EXPECT_EQ(trust.UnixMs(), clock.UnixMs());
  EXPECT_EQ(trust.Status().drift_ms, 40'000);
  EXPECT_EQ(TrueMs(trust, 240h), then) << "that was right when it was measured";
  EXPECT_EQ(trust.Status().steps, 0u);
}

TEST_F(TimeTrustTest, ARestartWithinTheBootKnowsWhatTheFirstRunKnew) {
  clock.unix_epoch_ms = 0;
  WallHistory kept;
  {
    TimeTrust first = Make();
    first.OnChange([&] { kept = first.history(); });
    Pass(first, 10s);
  }
  TimeTrust second(clock, TimeTrust::Options{.history = kept});
  Pass(second, 10s);
  EXPECT_FALSE(second.Trusted());
  clock.unix_epoch_ms = 1'700'000'000'000;
  clock.synchronised = true;
  EXPECT_TRUE(second.Trusted());
  EXPECT_EQ(TrueMs(second, 20s), clock.UnixMs() - 20'000);
  clock.synchronised = false;
  TimeTrust third(clock, TimeTrust::Options{.history = second.history()});
  EXPECT_TRUE(third.Trusted()) << "held from the second run";
  EXPECT_EQ(third.Status().source, "held");
}

TEST_F(TimeTrustTest, AnotherBootsHistoryIsNoUse) {
  TimeTrust first = Make();
  clock.boot_id = "boot-2";
  TimeTrust second(clock, TimeTrust::Options{.history = first.history()});
  EXPECT_EQ(second.history().boot_id, "boot-2");
  EXPECT_EQ(second.history().eras.size(), 1u);
}

TEST_F(TimeTrustTest, AJumpAheadDoesNotMakeABatteryClockUntrustedForEver) {
  const std::int64_t truth = clock.UnixMs();
  clock.synchronised = true;
  TimeTrust trust = Make();
  trust.Sample();
  clock.unix_epoch_ms += kYearMs;  // and stays long enough to be believed
  Pass(trust, 200s);
  ASSERT_EQ(trust.UnixMs(), truth + kYearMs + 200'000);
  const std::int64_t poison = trust.UnixMs();
  EXPECT_NEAR(static_cast<double>(trust.before_jump_ms()), static_cast<double>(truth), 200'000);
  // The next boot: no network, and the battery clock goes on from before the jump.
  clock.unix_epoch_ms -= kYearMs;
  clock.synchronised = false;
  clock.battery = true;
  clock.boot_id = "boot-2";
  EXPECT_FALSE(TimeTrust(clock, false, poison).Trusted());
  const TimeTrust::Options remembered{
      .newest_seen_ms = poison, .before_jump_ms = trust.before_jump_ms(), .history = {}};
  EXPECT_TRUE(TimeTrust(clock, remembered).Trusted());
}

TEST_F(TimeTrustTest, AConfiguredClockIsFollowedAtOnce) {
  TimeTrust trust(clock, true, 0);
  const std::int64_t before = trust.UnixMs();
  clock.unix_epoch_ms -= kHourMs;
  EXPECT_EQ(trust.UnixMs(), before - kHourMs);
  EXPECT_TRUE(trust.Trusted());
  EXPECT_EQ(TrueMs(trust, 0s), before - kHourMs);
  EXPECT_EQ(trust.Status().steps, 1u);
}

TEST_F(TimeTrustTest, TellsOfEveryChangeAndOfWhatItFound) {
  TimeTrust trust = Make();
  int changes = 0;
  trust.OnChange([&] { ++changes; });
  EXPECT_EQ(changes, 1);
  Pass(trust, 5s);
  EXPECT_EQ(changes, 1);
  clock.synchronised = true;
  Pass(trust, 5s);
  EXPECT_EQ(changes, 2);
}

TEST(WallHistoryTest, IsBoundedAndKeepsTheOldestAndTheNewest) {
  WallHistory history;
  EXPECT_EQ(history.At(5), nullptr);
  for (int i = 0; i < 1000; ++i) history.Begin(i * 1'000'000'000LL, i, true);
  EXPECT_EQ(history.eras.size(), WallHistory::kMaxEras);
  EXPECT_EQ(history.At(0)->offset_ms, 0);
  EXPECT_EQ(history.At(-5)->offset_ms, 0);
  EXPECT_EQ(history.At(999'500'000'000LL)->offset_ms, 999);
}

}  // namespace
}  // namespace penumbra
