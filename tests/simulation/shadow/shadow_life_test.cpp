// A command's life with a SIGKILL at each of its steps, and the long situations that are too slow for real time: a busy
// cloud writer, a day offline, somebody who writes our keys.
#include <gtest/gtest.h>

#include "model/shadow_document.hpp"
#include "simulation/shadow/world.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using KillPoint = ShadowWorld::KillPoint;
using shadow::CommandState;

Json Reported(ShadowWorld& world) {
  return world.Document()["state"].value("reported", Json::object());
}

class KillAtEachStep : public testing::TestWithParam<KillPoint> {};

TEST_P(KillAtEachStep, TheRegisterHoldsTheNewestDesiredValueAndReportedSaysSo) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    ShadowWorld world(seed);
    world.Connect();
    world.Poll();
    ASSERT_TRUE(world.Settle(1h));
    world.kill_at = GetParam();
    world.Cloud({{"desired", {{"setpoint", 21}}}});
    world.Run(std::chrono::milliseconds(world.Pick(60)));
    // A newer wish may come at any moment around the kill.
    if (seed % 2 == 0) world.Cloud({{"desired", {{"setpoint", 22}}}});
    ASSERT_TRUE(world.Settle(1h));
    EXPECT_EQ(world.kills, 1) << "the fault point was not reached";
    const double newest = seed % 2 == 0 ? 22 : 21;
    EXPECT_EQ(world.registers["setpoint"], newest);
    EXPECT_EQ(Reported(world)["setpoint"], newest);
    EXPECT_EQ(world.thing().commands().rows().at("setpoint").state, CommandState::kReported);
    double last = 0;
    for (const auto& write : world.writes) {
      EXPECT_GE(write.value, last);
      last = write.value;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, KillAtEachStep,
                         testing::Values(KillPoint::kBeforeCommit, KillPoint::kAfterCommit, KillPoint::kBeforeWrite,
                                         KillPoint::kAfterWrite, KillPoint::kAfterAck, KillPoint::kAfterReadBack,
                                         KillPoint::kBeforePublish, KillPoint::kAfterPublish));

TEST(ShadowLife, ABusyCloudWriterDoesNotKeepTheDeviceFromReporting) {
  ShadowWorld world(3);
  world.faults.max_delay_ms = 150;  // reorders the writer's own messages
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  const std::uint64_t before = world.updates_sent;
  for (int i = 0; i < 600; ++i) {  // a minute, ten times a second
    world.Cloud({{"desired", {{"mode", 100 + i}}}});
    if (i % 50 == 0) {
      world.registers["temperature"] = 100 + i;
      world.Poll();
    }
    world.Run(100ms);
    if (i % 50 == 40) {
      EXPECT_EQ(Reported(world)["temperature"], 100 + i - 40) << "not reported within 4 s";
    }
  }
  EXPECT_EQ(world.service.counters().rejected_by_code.count(409), 0U);
  EXPECT_LE(world.updates_sent - before, 130U) << "at most about one report a second";
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["mode"], 699);
}

TEST(ShadowLife, ADayOfflineCostsAHandfulOfMessages) {
  ShadowWorld world(4);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.Disconnect();
  for (int i = 0; i < 100'000; ++i) {
    world.registers["temperature"] = i % 40;
    world.Poll();
    if (i % 2000 == 0) world.Cloud({{"desired", {{"setpoint", 100 + i / 2000}}}});
    world.Run(864ms);
  }
  const std::uint64_t updates = world.updates_sent;
  const std::uint64_t gets = world.gets_sent;
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["setpoint"], 149);
  EXPECT_EQ(Reported(world)["setpoint"], 149);
  EXPECT_EQ(world.writes.size(), 1U) << "only the newest of fifty wishes reaches the device";
  EXPECT_LE(world.updates_sent - updates + world.gets_sent - gets, 6U);
}

TEST(ShadowLife, SomebodyWhoKeepsWritingOurKeysIsNotFoughtAtFullRate) {
  ShadowWorld world(5);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  const std::uint64_t before = world.updates_sent;
  for (int i = 0; i < 36'000; ++i) {  // an hour, ten times a second
    world.Cloud({{"reported", {{"temperature", -1}}}});
    world.Run(100ms);
  }
  EXPECT_LE(world.updates_sent - before, 200U);
  ASSERT_TRUE(world.Settle(2h));
  EXPECT_EQ(Reported(world)["temperature"], 20);
}

TEST(ShadowLife, WrongWishesLeaveTheRegistersAloneAndSayWhyInTheCloud) {
  ShadowWorld world(6);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  const auto registers = world.registers;
  world.Cloud({{"desired", {{"setpoint", 1'000'001}, {"mode", "fast"}, {"temperature", 1}, {"nonsense", 1}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers, registers);
  EXPECT_TRUE(world.writes.empty());
  const Json refused = Reported(world)["refused"];
  EXPECT_EQ(refused["setpoint"]["reason"], "above max 1000000");
  EXPECT_EQ(refused["mode"]["reason"], "wrong type: a number is needed");
  EXPECT_EQ(refused["temperature"]["reason"], "read-only");
  EXPECT_EQ(refused["nonsense"]["reason"], "unknown key");
  world.Cloud({{"desired", {{"setpoint", 9}, {"mode", nullptr}, {"temperature", nullptr}, {"nonsense", nullptr}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_FALSE(Reported(world).contains("refused")) << Reported(world);
  EXPECT_EQ(world.registers["setpoint"], 9);
}

TEST(ShadowLife, ADeviceThatChangesByItselfIsReportedAndNotOverwritten) {
  ShadowWorld world(7);
  world.Connect();
  world.Cloud({{"desired", {{"setpoint", 30}}}});
  ASSERT_TRUE(world.Settle(1h));
  world.registers["setpoint"] = 12;
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.Disconnect();
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  world.Kill();
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["setpoint"], 12);
  EXPECT_EQ(Reported(world)["setpoint"], 12);
  EXPECT_EQ(world.writes.size(), 1U);
}

TEST(ShadowLife, AWishOlderThanItsTtlIsRefusedAsExpired) {
  ShadowWorld world(8);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.Disconnect();
  world.Cloud({{"desired", {{"setpoint", 44}}}});
  world.Run(25h);
  world.Connect();
  ASSERT_TRUE(world.Settle(2h));
  EXPECT_TRUE(world.writes.empty());
  EXPECT_EQ(Reported(world)["refused"]["setpoint"]["reason"], "expired");
}

TEST(ShadowLife, TheSampleIntervalFollowsDesiredAndSurvivesAKill) {
  ShadowWorld world(9);
  world.Connect();
  world.Cloud({{"desired", {{"sample_interval", 2.5}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.thing().interval(), Duration(2500ms));
  EXPECT_EQ(Reported(world)["sample_interval"], 2.5);
  world.Disconnect();
  world.Kill();
  EXPECT_EQ(world.thing().interval(), Duration(2500ms)) << "known before the cloud is back";
  world.Connect();
  world.Cloud({{"desired", {{"sample_interval", 0.001}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.thing().interval(), Duration(30s)) << "an invalid wish counts as none";
  EXPECT_EQ(Reported(world)["refused"]["sample_interval"]["reason"], "below min 0.05");
  world.Cloud({{"desired", nullptr}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_FALSE(Reported(world).contains("refused"));
}

TEST(ShadowLife, OneMissingAnswerIsHealedByAGetAndNotByRepeating) {
  ShadowWorld world(10);
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  world.service.faults.drop = 1;
  world.Report({{"k", 1}});
  world.Run(2s);
  world.service.faults = {};
  const std::uint64_t updates = world.updates_sent;
  world.Run(60s);
  EXPECT_EQ(Reported(world)["k"], 1);
  EXPECT_EQ(world.updates_sent, updates) << "the report had arrived: looking was enough";
  EXPECT_TRUE(world.thing().Quiet());
}

TEST(ShadowLife, TheServicesRefusalsAreWaitedOutAndNothingIsLost) {
  for (const int code : {409, 429, 500}) {
    for (const bool lies : {false, true}) {
      SCOPED_TRACE(testing::Message() << code << (lies ? " but applied" : ""));
      ShadowWorld world(11);
      world.Connect();
      ASSERT_TRUE(world.Settle(1h));
      world.service.faults.inject.assign(5, code);
      world.service.faults.inject_applies = lies;
      const std::uint64_t updates = world.updates_sent;
      world.Report({{"k", 1}});
      ASSERT_TRUE(world.Settle(1h));
      EXPECT_EQ(Reported(world)["k"], 1);
      EXPECT_LE(world.updates_sent - updates, lies ? 2U : 7U);
    }
  }
}

TEST(ShadowLife, ALocalEditOfDesiredReachesDeviceAndCloudAndYieldsToTheCloud) {
  ShadowWorld world(12);
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  world.Disconnect();
  world.EditDesired({{"setpoint", 5}, {"mode", 7}});
  world.Run(1s);
  EXPECT_EQ(world.registers["setpoint"], 5) << "works offline";
  world.Cloud({{"desired", {{"setpoint", 6}}}});
  world.Connect();
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["setpoint"], 6) << "the cloud wins where both changed";
  EXPECT_EQ(world.registers["mode"], 7);
  EXPECT_EQ(world.Document()["state"]["desired"], Json({{"setpoint", 6}, {"mode", 7}}));
  EXPECT_EQ(world.writes.size(), 3U) << "the cloud's echo of our edit is not a new wish";
}

}  // namespace
}  // namespace penumbra::test
