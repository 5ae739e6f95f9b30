// Jobs that the cloud ends while the gateway is at them: cancelled, removed, timed out. What is not begun is not, what
// is on trial is taken back, what is done stays, and the journal says which.
#include <gtest/gtest.h>

#include "unit/orders/world.hpp"

namespace penumbra::orders::test {
namespace {

using namespace std::chrono_literals;

const Json kUpdate = {{"operation", "update_config"}, {"config", {{"sample_interval", 2}}}};

OrderRow RowOf(World& world, const std::string& job) {
  return world.disk.at({Channel::kJob, job});
}

TEST(EndedJobs, WhatWaitsForItsTurnIsNotBegunAndTheQueueGoesOn) {
  World world;
  world.check = [](const OrderRow& row) { return row.action == kPing ? Status{} : Fail(Action::kRetry, "busy"); };
  world.CreateJob("s", {{"action", "set"}, {"values", {{"valve", 1}}}});
  ASSERT_EQ(world.JobStatus("s"), "IN_PROGRESS");
  world.Advance(2s);
  world.Control(world.jobs, {"cancel", "s", "force"});
  world.CreateJob("next", {{"action", "ping"}});
  EXPECT_EQ(world.JobStatus("next"), "SUCCEEDED") << "it does not wait until the other could have begun";
  world.check = [](const OrderRow&) { return Status{}; };
  world.Advance(1min);
  EXPECT_EQ(world.done["set"], 0);
  EXPECT_EQ(RowOf(world, "s").verdict, Verdict::kCancelled);
  EXPECT_EQ(RowOf(world, "s").reason, "ended by the cloud: CANCELED");
}

class EndedOnTrial : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(EndedOnTrial, IsTakenBackOnceAndTheJournalSaysSo) {
  World world;
  world.holds = true;
  world.CreateJob("u", kUpdate, GetParam()[0] == "time" ? "timeout=1" : "");
  ASSERT_EQ(world.held.size(), 1U);
  if (GetParam()[0] != "time") world.Control(world.jobs, GetParam());
  world.Advance(2min);
  EXPECT_EQ(world.withdrawn["update_config"], 1);
  EXPECT_EQ(RowOf(world, "u").phase, Phase::kAnswered);
  EXPECT_EQ(RowOf(world, "u").verdict, Verdict::kCancelled);
  EXPECT_EQ(RowOf(world, "u").reason.rfind("ended by the cloud: ", 0), 0U);
  EXPECT_NE(RowOf(world, "u").reason.find("; taken back"), std::string::npos);
  EXPECT_FALSE(world.book().OnActed(world.held[0].ticket, {})) << "what was begun is not waited for";
  world.holds = false;
  world.CreateJob("next", {{"action", "ping"}});
  EXPECT_EQ(world.JobStatus("next"), "SUCCEEDED");
}

INSTANTIATE_TEST_SUITE_P(CancelledRemovedTimedOut, EndedOnTrial,
                         ::testing::Values(std::vector<std::string>{"cancel", "u", "force"},
                                           std::vector<std::string>{"remove", "u"}, std::vector<std::string>{"time"}));

TEST(EndedJobs, WhatWasDoneByThenStaysAndSaysWhy) {
  World world;
  world.withdraw = [](const OrderRow&) { return Outcome{Verdict::kSucceeded, "it was kept by then", Json::object()}; };
  world.holds = true;
  world.CreateJob("u", kUpdate);
  world.Control(world.jobs, {"cancel", "u", "force"});
  world.Advance(1s);
  EXPECT_EQ(RowOf(world, "u").verdict, Verdict::kSucceeded);
  EXPECT_EQ(RowOf(world, "u").reason, "ended by the cloud: CANCELED; it was kept by then");

  // Done, and cancelled before the cloud has heard of it.
  world.holds = false;
  world.perform = [&world](const OrderRow&, bool) {
    world.Control(world.jobs, {"cancel", "v", "force"});
    return Outcome{};
  };
  world.CreateJob("v", kUpdate);
  world.Advance(1s);
  EXPECT_EQ(world.withdrawn["update_config"], 1) << "only the first";
  EXPECT_EQ(RowOf(world, "v").verdict, Verdict::kSucceeded);
  EXPECT_EQ(RowOf(world, "v").reason, "ended by the cloud: CANCELED; it was done by then, and stays");
}

TEST(EndedJobs, WhatWasBegunBeforeARestartWaitsForTheCloudsWordAndWithoutALinkNotForEver) {
  for (const bool cancelled : {true, false}) {
    World world;
    world.holds = true;
    world.CreateJob("u", kUpdate);
    ASSERT_EQ(world.done["update_config"], 1);
    world.GoOffline();
    if (cancelled) world.Control(world.jobs, {"cancel", "u", "force"});
    world.Restart();
    EXPECT_EQ(world.done["update_config"], 1) << "not gone on with before the cloud has been asked";
    world.GoOnline();
    EXPECT_EQ(world.withdrawn["update_config"], cancelled ? 1 : 0);
    EXPECT_EQ(world.done["update_config"], cancelled ? 1 : 2);

    World alone;
    alone.holds = true;
    alone.CreateJob("u", kUpdate);
    alone.GoOffline();
    alone.Restart();
    alone.Advance(29s);
    EXPECT_EQ(alone.done["update_config"], 1);
    alone.Advance(2s);
    EXPECT_EQ(alone.done["update_config"], 2) << "the gateway works offline";
  }
}

TEST(EndedJobs, AConnectionThatWasAwayAsksAgain) {
  World world;
  world.holds = true;
  world.CreateJob("u", kUpdate);
  world.GoOffline();
  world.Control(world.jobs, {"cancel", "u", "force"});
  world.Advance(1min);
  EXPECT_EQ(world.withdrawn["update_config"], 0);
  world.GoOnline();
  EXPECT_EQ(world.withdrawn["update_config"], 1);
}

TEST(EndedJobs, AnAnswerThatSaysNothingOfTheEndTakesNothingBack) {
  for (const char* code : {"InvalidRequest", "RequestThrottled", "Unheard"}) {
    World world;
    world.holds = true;
    world.CreateJob("u", kUpdate);
    world.Control(world.jobs, {"fault", "inject", code, "1"});
    world.CreateJob("other", kUpdate);
    world.Control(world.jobs, {"notify", "t1"});
    world.book().OnMessage("$aws/things/t1/jobs/notify-next", "{}", world.now);
    world.Pump();
    world.Advance(1min);
    EXPECT_EQ(world.withdrawn["update_config"], 0) << code;
    EXPECT_EQ(world.JobStatus("u"), "IN_PROGRESS") << code;
  }
}

TEST(EndedJobs, AKillAtEachStepOfTakingBackTakesItBack) {
  for (int kill_at = 0;; ++kill_at) {
    World world;
    world.holds = true;
    world.CreateJob("u", kUpdate);
    world.steps = 0;
    world.kill_at = kill_at;
    bool killed = false;
    const auto run = [&](const std::function<void()>& what) {
      try {
        what();
      } catch (const Killed&) {
        killed = true;
        world.kill_at = -1;
        world.Restart();
      }
    };
    run([&world] { world.Control(world.jobs, {"cancel", "u", "force"}); });
    run([&world] { world.Advance(2min); });
    EXPECT_EQ(RowOf(world, "u").verdict, Verdict::kCancelled) << kill_at;
    EXPECT_EQ(RowOf(world, "u").phase, Phase::kAnswered) << kill_at;
    EXPECT_EQ(world.done["update_config"], 1) << "never gone on with, " << kill_at;
    EXPECT_GE(world.withdrawn["update_config"], 1) << kill_at;
    EXPECT_EQ(world.JobStatus("u"), "CANCELED");
    if (!killed) {
      EXPECT_GT(kill_at, 5);
      return;
    }
  }
}

TEST(EndedJobs, AJobThatWasDeletedAndMadeAgainUnderItsNameIsDone) {
  World world;
  const auto started = [&world](const std::string& action, std::int64_t queued_s) {
    const Json answer = {{"execution",
                          {{"jobId", "j"},
                           {"executionNumber", 1},
                           {"versionNumber", 2},
                           {"queuedAt", queued_s},
                           {"jobDocument", {{"operation", action}}}}}};
    world.book().OnMessage("$aws/things/t1/jobs/start-next/accepted", Dump(answer), world.now);
    world.Advance(1s);
  };
  started("ping", kStartMs / 1000);
  world.Advance(20min);
  started("ping", kStartMs / 1000);
  EXPECT_EQ(world.done["ping"], 1) << "the same one again: the cloud has missed its outcome";
  world.Advance(20min);
  started("read_now", kStartMs / 1000 + 60);
  EXPECT_EQ(world.done["read_now"], 1);
  started("ping", kStartMs / 1000 - 60);
  EXPECT_EQ(world.done["ping"], 1) << "an old message";
}

}  // namespace
}  // namespace penumbra::orders::test
