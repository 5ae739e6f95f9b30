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
      world.registers["valve"] = 100 + i;  // somebody turns it by hand
      world.Poll();
    }
    world.Run(100ms);
    if (i % 50 == 40) {
      EXPECT_EQ(Reported(world)["valve"], 100 + i - 40) << "not reported within 4 s";
    }
  }
  EXPECT_EQ(world.service.counters().rejected_by_code.count(409), 0U);
  EXPECT_LE(world.updates_sent - before, 130U) << "at most about one report a second";
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["mode"], 699);
}

TEST(ShadowLife, MeasuredValuesDoNotCostAShadowUpdatePerPoll) {
  ShadowWorld world(13);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.Run(2min);
  const std::uint64_t before = world.updates_sent;
  world.registers["temperature"] = 1000;
  world.Poll();
  world.Run(1s);
  EXPECT_EQ(Reported(world)["temperature"], 1000) << "a change after a quiet time is told at once";
  for (int i = 1; i <= 600; ++i) {  // ten minutes, a new value every second
    world.registers["temperature"] = 1000 + i;
    world.Poll();
    world.Run(1s);
  }
  EXPECT_LE(world.updates_sent - before, 21U) << "ten in a row, and then one a minute";
  world.registers["setpoint"] = 77;  // a set point that moves at the device is told at once, and takes the rest along
  world.Poll();
  world.Run(2s);
  EXPECT_EQ(Reported(world)["setpoint"], 77);
  EXPECT_EQ(Reported(world)["temperature"], 1600);
}

TEST(ShadowLife, MeasuredValuesThatChangeNowAndThenAreShownWithinSeconds) {
  ShadowWorld world(15);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  for (int i = 1; i <= 5; ++i) {
    world.registers["temperature"] = 1000 + i;
    world.Poll();
    world.Run(4s);
    EXPECT_EQ(Reported(world)["temperature"], 1000 + i);
  }
}

TEST(ShadowLife, ARefusedIntervalDoesNotMakeUpdatesThatMakeUpdates) {
  ShadowWorld world(14);
  world.Connect();
  world.Cloud({{"desired", {{"sample_interval", "fast"}}}});
  ASSERT_TRUE(world.Settle(1h));
  const std::uint64_t before = world.updates_sent;
  for (int i = 0; i < 20; ++i) {
    world.Cloud({{"desired", {{"mode", i}}}});
    world.Run(10s);
  }
  EXPECT_EQ(Reported(world)["refused"]["sample_interval"]["reason"], "wrong type: seconds as a number are needed");
  EXPECT_LE(world.updates_sent - before, 42U);
  world.Run(1min);
  const std::uint64_t settled = world.updates_sent;
  world.Run(10min);
  EXPECT_EQ(world.updates_sent, settled);
}

TEST(ShadowLife, AValueThatIsOvertakenWhileItIsCommittedNeverReachesTheDevice) {
  int overtaken = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    ShadowWorld world(seed);
    world.Connect();
    world.Poll();
    ASSERT_TRUE(world.Settle(1h));
    world.Cloud({{"desired", {{"setpoint", 21}}}});
    world.Run(std::chrono::milliseconds(5 + world.Pick(20)));
    world.Cloud({{"desired", {{"setpoint", nullptr}}}});
    ASSERT_TRUE(world.Settle(1h));
    world.Poll();  // a write that was already at the device is seen by the next poll
    ASSERT_TRUE(world.Settle(1h));
    overtaken += static_cast<int>(world.tally.overtaken_writes);
    if (world.tally.overtaken_writes > 0) {
      EXPECT_TRUE(world.writes.empty());
    }
    EXPECT_EQ(Reported(world)["setpoint"], world.registers["setpoint"]);
  }
  EXPECT_GT(overtaken, 10) << "the race was hardly ever there";
}

TEST(ShadowLife, AfterARestartTheCloudsNewestWordComesBeforeAnOldUnfinishedCommand) {
  ShadowWorld world(15);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.kill_at = KillPoint::kAfterCommit;
  world.Cloud({{"desired", {{"setpoint", 21}}}});
  world.Run(60ms);
  ASSERT_EQ(world.kills, 1);
  world.Cloud({{"desired", {{"setpoint", 22}}}});
  ASSERT_TRUE(world.Settle(1h));
  ASSERT_EQ(world.writes.size(), 1U);
  EXPECT_EQ(world.writes[0].value, 22) << "21 was known to the gateway, and old";
}

TEST(ShadowLife, AnUnfinishedCommandGoesOnWithoutTheCloud) {
  ShadowWorld world(16);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  world.kill_at = KillPoint::kAfterCommit;
  world.Cloud({{"desired", {{"setpoint", 21}}}});
  world.Run(60ms);
  ASSERT_EQ(world.kills, 1);
  world.Disconnect();
  world.Run(150ms);
  world.Disconnect();
  world.Run(20s);
  EXPECT_EQ(world.registers["setpoint"], 21);
}

TEST(ShadowLife, AValueThatTheServiceCallsOldIsNotWrittenByAGatewayWithoutAClock) {
  ShadowWorld world(17);
  world.trusted = false;
  world.Cloud({{"desired", {{"valve", 44}}}});
  world.Run(45s);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_TRUE(world.writes.empty());
  EXPECT_EQ(Reported(world)["refused"]["valve"]["reason"], "expired");
}

TEST(ShadowLife, NumbersThatNoRegisterHoldsAreRefusedAndStopNothing) {
  ShadowWorld world(18);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  for (const char* huge : {"123456789012345678901234567890", "1e308", "-9223372036854775809"}) {
    SCOPED_TRACE(huge);
    world.CloudText(std::string(R"({"state":{"desired":{"setpoint":)") + huge + "}}}");
    ASSERT_TRUE(world.Settle(1h));
    EXPECT_TRUE(Reported(world).contains("refused") && Reported(world)["refused"].contains("setpoint"))
        << world.Document();
  }
  EXPECT_TRUE(world.writes.empty());
  world.Cloud({{"desired", {{"setpoint", 5.0}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["setpoint"], 5);
}

TEST(ShadowLife, ANumberThatNoDoubleHoldsDoesNotMakeTheDocumentUnreadable) {
  ShadowWorld world(20);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  const std::int64_t version = world.thing().Find("")->row().mirror.version;
  world.Deliver(
      "update/documents",
      R"({"previous":null,"current":{"version":)" + std::to_string(version + 1) +
          R"(,"state":{"desired":{"setpoint":1e400,"text":"\"-1e999","mode":7},"reported":{}},"metadata":{}},)"
          R"("timestamp":1700000100})");
  world.Run(1s);
  const auto& rows = world.thing().commands().rows();
  ASSERT_EQ(rows.count("setpoint"), 1U);
  EXPECT_EQ(rows.at("setpoint").state, CommandState::kRefused);
  EXPECT_EQ(rows.at("setpoint").value, "1e400");
  EXPECT_EQ(rows.at("text").value, "\"-1e999");
  EXPECT_EQ(world.registers["mode"], 7);
}

TEST(ShadowLife, KeysWithOddNamesAreOrdinaryKeys) {
  ShadowWorld world(19);
  world.Connect();
  world.Poll();
  ASSERT_TRUE(world.Settle(1h));
  const Json odd = {
      {"refused", {{"setpoint", 1}}}, {"timestamp", 1}, {"status", "broken"}, {"", 1}, {"desired", 1}, {"version", 1},
      {"state", {{"reported", 1}}}};
  world.Cloud({{"desired", odd}});
  ASSERT_TRUE(world.Settle(1h));
  const Json refused = Reported(world)["refused"];
  for (const auto& [key, value] : odd.items()) EXPECT_EQ(refused[key]["reason"], "unknown key") << key;
  EXPECT_FALSE(Reported(world).contains("desired")) << Reported(world);
  EXPECT_TRUE(world.writes.empty());
  // The empty key must not be taken for "the command that was just overtaken".
  world.Cloud({{"desired", {{"setpoint", 21}}}});
  world.Run(15ms);
  world.Cloud({{"desired", {{"setpoint", 22}}}});
  ASSERT_TRUE(world.Settle(1h));
  EXPECT_EQ(world.registers["setpoint"], 22);
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
  for (int i = 0; i < 6000; ++i) {  // ten minutes, ten times a second
    world.Cloud({{"reported", {{"temperature", -1}}}});
    world.Run(100ms);
  }
  EXPECT_LE(world.updates_sent - before, 60U);
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
  EXPECT_EQ(refused["setpoint"]["reason"], "above max 1e+06");
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
