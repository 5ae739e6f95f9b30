// Orders against the stand-in's Jobs and Commands services: refusals, repetition, age, and a kill at every step.
#include "orders/book.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/orders/world.hpp"

namespace penumbra::orders {
namespace {

using namespace std::chrono_literals;
using test::Killed;
using test::kStartMs;
using test::World;
using testing::ElementsAre;
using testing::HasSubstr;

// --- commands ---

TEST(OrderBook, AnswersWhatIsNoJsonWithNullsAndDoesNothing) {
  World world;
  world.CommandText("{\"action\":");
  ASSERT_EQ(world.acks.size(), 1U);
  EXPECT_EQ(world.acks[0]["status"], "rejected");
  EXPECT_TRUE(world.acks[0]["id"].is_null());
  EXPECT_TRUE(world.acks[0]["action"].is_null());
  EXPECT_THAT(world.acks[0]["reason"].get<std::string>(), HasSubstr("not JSON"));
  EXPECT_TRUE(world.disk.empty());
  EXPECT_TRUE(world.done.empty());
}

TEST(OrderBook, RejectsAnUnknownActionByNameAndAnIdThatIsNone) {
  World world;
  world.Command({{"action", "explode"}, {"id", "a"}});
  world.Command({{"action", "ping"}, {"id", 7}});
  world.Command({{"action", "ping"}, {"id", std::string(65, 'x')}});
  EXPECT_THAT(world.AckStatuses(), ElementsAre("rejected", "rejected", "rejected"));
  EXPECT_EQ(world.acks[0]["id"], "a");
  EXPECT_EQ(world.acks[0]["action"], "explode");
  EXPECT_THAT(world.acks[0]["reason"].get<std::string>(), HasSubstr("explode"));
  EXPECT_THAT(world.acks[1]["reason"].get<std::string>(), HasSubstr("id"));
  EXPECT_TRUE(world.done.empty());
}

TEST(OrderBook, DoesACommandOnceAndAnswersEveryRepetition) {
  World world;
  for (int i = 0; i < 3; ++i) world.Command({{"action", "read_now"}, {"id", "a"}});
  world.Restart();
  world.Command({{"action", "read_now"}, {"id", "a"}});
  EXPECT_EQ(world.done["read_now"], 1);
  EXPECT_THAT(world.AckStatuses(), ElementsAre("succeeded", "succeeded", "succeeded", "succeeded"));
  EXPECT_EQ(world.acks.back()["result"]["n"], 1);
}

TEST(OrderBook, SaysAcceptedBeforeWhatTakesTime) {
  World world;
  world.Command({{"action", "update_config"}, {"id", "c"}, {"config", {{"sample_interval", 5}}}});
  EXPECT_THAT(world.AckStatuses(), ElementsAre("accepted", "succeeded"));
}

TEST(OrderBook, TellsTheSenderWhyACheckRefusesIt) {
  World world;
  world.check = [](const OrderRow&) { return Fail(Action::kGiveUp, "rebooting is switched off"); };
  world.Command({{"action", "reboot"}, {"id", "r"}});
  EXPECT_EQ(world.acks.back()["status"], "rejected");
  EXPECT_EQ(world.acks.back()["reason"], "rebooting is switched off");
  EXPECT_EQ(world.done["reboot"], 0);
}

TEST(OrderBook, DoesNotDoWhatWaitedTooLong) {
  World world;
  bool ready = false;
  world.check = [&ready](const OrderRow&) -> Status {
    return ready ? Status{} : Fail(Action::kRetry, "the gateway is busy");
  };
  world.Command({{"action", "read_now"}, {"id", "a"}, {"ttl", "30s"}});
  world.Advance(31s);
  ready = true;
  world.Advance(5s);
  EXPECT_EQ(world.done["read_now"], 0);
  EXPECT_EQ(world.acks.back()["status"], "rejected");
  EXPECT_EQ(world.acks.back()["reason"], "expired");
}

TEST(OrderBook, CountsTheAgeFromWhenItWasSentAndAcrossAReboot) {
  World world;
  world.Command({{"action", "read_now"}, {"id", "late"}, {"timestamp", kStartMs - 601'000}});
  EXPECT_EQ(world.acks.back()["reason"], "expired");
  world.check = [](const OrderRow&) { return Fail(Action::kRetry, "not yet"); };
  world.Command({{"action", "read_now"}, {"id", "b"}});
  world.check = [](const OrderRow&) { return Status{}; };
  world.now.unix_ms += 3'600'000;
  world.Reboot();
  world.Advance(1s);
  EXPECT_EQ(world.acks.back()["id"], "b");
  EXPECT_EQ(world.acks.back()["reason"], "expired");
  EXPECT_TRUE(world.done.empty());
}

// The cloud keeps messages for a thing that is away, and says of none how long it has.
TEST(OrderBook, TakesWhatDoesNotSayItsTimeForAsOldAsItMayBe) {
  World world;
  const auto comes = [&world](const std::string& topic, Json order, Duration waited) {
    world.book().OnMessage(topic, Dump(order), world.now, waited);
    world.Advance(1s);
  };
  comes("commands/t1/do", {{"action", "ping"}, {"id", "a"}}, 11min);
  EXPECT_EQ(world.acks.at(0)["status"], "rejected");
  EXPECT_EQ(world.acks.at(0)["reason"],
            "expired: it may have waited 660 s for this gateway; with a timestamp its age would be known");
  comes("$aws/commands/things/t1/executions/f/request/json", {{"action", "ping"}}, 11min);
  EXPECT_EQ(world.done["ping"], 0);
  EXPECT_EQ(world.book().counters().expired, 2u);
  comes("commands/t1/do", {{"action", "ping"}, {"id", "b"}}, 9min);
  EXPECT_EQ(world.done["ping"], 1) << "it cannot be too old";
  comes("commands/t1/do", {{"action", "ping"}, {"id", "c"}, {"timestamp", world.now.unix_ms - 1000}}, 11min);
  EXPECT_EQ(world.done["ping"], 2) << "its sender knows better";
}

// A retained message is sent to every new session, however long ago it was published and whatever has been ordered
// since.
TEST(OrderBook, DoesNotDoWhatTheCloudRetainedUnlessItTellsItsTime) {
  World world;
  world.book().OnMessage("commands/t1/do", Dump({{"action", "ping"}, {"ttl", "1d"}}), world.now, kUnknownAge);
  world.Advance(1s);
  EXPECT_EQ(world.done["ping"], 0);
  EXPECT_EQ(world.acks.back()["status"], "rejected");
  EXPECT_NE(world.acks.back()["reason"].get<std::string>().find("retained"), std::string::npos);
  const Json fresh{{"action", "ping"}, {"id", "b"}, {"timestamp", world.now.unix_ms - 1000}};
  world.book().OnMessage("commands/t1/do", Dump(fresh), world.now, kUnknownAge);
  world.Advance(1s);
  EXPECT_EQ(world.done["ping"], 1);
}

TEST(OrderBook, WaitsForTheClockWhenNothingElseTellsTheAge) {
  World world;
  world.now.trusted = false;
  world.check = [](const OrderRow&) { return Fail(Action::kRetry, "not yet"); };
  world.Command({{"action", "read_now"}, {"id", "a"}});
  world.check = [](const OrderRow&) { return Status{}; };
  world.Reboot();
  world.Advance(5min);
  EXPECT_EQ(world.done["read_now"], 0) << "received in another boot by a clock that nobody trusts";
  world.Advance(6min);
  EXPECT_THAT(world.acks.back()["reason"].get<std::string>(), HasSubstr("its age is not known"));
}

TEST(OrderBook, NeverSetsAValveByAStaleCommand) {
  World world;
  const auto set = [&world](const char* id, std::int64_t at, double value) {
    world.Command({{"action", "set"}, {"id", id}, {"timestamp", at}, {"values", {{"valve", value}}}});
    return world.acks.back();
  };
  EXPECT_EQ(set("old", kStartMs - 601'000, 1)["reason"], "expired");
  EXPECT_EQ(set("ahead", kStartMs + 3'600'000, 1)["reason"], "its timestamp is in the future");
  EXPECT_EQ(set("new", kStartMs - 1'000, 2)["status"], "succeeded");
  EXPECT_THAT(set("overtaken", kStartMs - 2'000, 3)["reason"].get<std::string>(), HasSubstr("overtaken"));
  world.Restart();
  EXPECT_THAT(set("overtaken-2", kStartMs - 2'000, 3)["reason"].get<std::string>(), HasSubstr("overtaken"));
  EXPECT_EQ(world.done["set"], 1);
  world.Command({{"action", "set"}, {"timestamp", kStartMs}, {"values", {{"valve", 1}}}});
  EXPECT_THAT(world.acks.back()["reason"].get<std::string>(), HasSubstr("needs an id"));
  world.Command({{"action", "set"}, {"id", "x"}, {"values", {{"valve", 1}}}});
  EXPECT_THAT(world.acks.back()["reason"].get<std::string>(), HasSubstr("needs a timestamp"));
  world.now.trusted = false;
  EXPECT_EQ(world.done["set"], 1);
  set("no-clock", kStartMs, 4);
  EXPECT_EQ(world.done["set"], 1) << "without a clock nobody knows how old it is";
  world.now.trusted = true;
  world.Advance(2s);
  EXPECT_EQ(world.done["set"], 2) << "and with it, it is new enough";
}

TEST(OrderBook, AnswersAgainAfterALostAcknowledgement) {
  World world;
  world.acknowledges = false;
  world.Command({{"action", "ping"}, {"id", "p"}});
  EXPECT_EQ(world.acks.size(), 1U);
  world.acknowledges = true;
  world.Advance(1min);
  EXPECT_EQ(world.acks.size(), 2U);
  EXPECT_EQ(world.done["ping"], 1);
  world.Advance(1h);
  EXPECT_EQ(world.acks.size(), 2U) << "an answer that was acknowledged is not said again";
}

TEST(OrderBook, AnswersWhenTheLinkIsBack) {
  World world;
  world.check = [](const OrderRow&) { return Fail(Action::kRetry, "not yet"); };
  world.Command({{"action", "read_now"}, {"id", "a"}});
  world.GoOffline();
  world.check = [](const OrderRow&) { return Status{}; };
  world.Advance(2s);
  EXPECT_EQ(world.done["read_now"], 1);
  EXPECT_TRUE(world.acks.empty());
  world.GoOnline();
  EXPECT_THAT(world.AckStatuses(), ElementsAre("succeeded"));
}

TEST(OrderBook, DoesNothingThatIsNotDurable) {
  World world;
  world.saves = false;
  world.Command({{"action", "read_now"}, {"id", "a"}});
  EXPECT_TRUE(world.done.empty());
  EXPECT_TRUE(world.acks.empty());
  world.saves = true;
  world.Pump();
  EXPECT_EQ(world.done["read_now"], 1);
  EXPECT_THAT(world.AckStatuses(), ElementsAre("succeeded"));
}

TEST(OrderBook, RefusesMoreThanItCanKeepAndForgetsOldOnes) {
  World world;
  world.options.max_remembered = 4;
  world.Restart();
  for (int i = 0; i < 10; ++i) world.Command({{"action", "ping"}, {"id", "p" + std::to_string(i)}});
  EXPECT_EQ(world.disk.size(), 4U);
  world.check = [](const OrderRow&) { return Fail(Action::kRetry, "busy"); };
  for (int i = 0; i < 40; ++i) world.Command({{"action", "ping"}, {"id", "q" + std::to_string(i)}});
  EXPECT_EQ(world.acks.back()["reason"], "too many commands are under way");
  EXPECT_EQ(world.acks.back()["id"], "q39");
  EXPECT_LE(world.disk.size(), 4U + 32U);
}

// A session whose queue is full says so within Publish. Asking again at once was a recursion until the stack ended.
TEST(OrderBook, WhatTheSessionDoesNotTakeIsSaidAgainLaterNotAtOnce) {
  World world;
  world.acknowledges = false;
  world.CommandText("no order");
  ASSERT_EQ(world.acks.size(), 1U);
  world.book().OnPublished(world.ack_token, Fail(Action::kBackOff, "too many messages wait already"), world.now);
  EXPECT_TRUE(world.book().Advance(world.now).publish.empty());
  const auto due = world.book().Due();
  ASSERT_TRUE(due);
  EXPECT_GE(*due - world.now.boot, 500ms);
  world.Advance(1min);
  EXPECT_EQ(world.acks.size(), 2U);
}

TEST(OrderBook, AFloodOfGarbageQueuesNoMoreAnswersThanItKeeps) {
  World world;
  world.acknowledges = false;
  for (int i = 0; i < 500; ++i) world.CommandText("no order");
  EXPECT_LE(world.acks.size(), 32U);
  EXPECT_GE(world.book().counters().answers_lost, 400U);
}

TEST(OrderBook, ShowsWhatEndedWithoutAnIdAlthoughNothingOfItIsStored) {
  World world;
  world.CommandText("no order");
  world.Command({{"action", "set"}, {"values", {{"relay", true}}}, {"timestamp", kStartMs}});
  world.Command({{"action", "ping"}});
  EXPECT_TRUE(world.disk.empty());
  const auto& shown = world.book().shown();
  ASSERT_EQ(shown.size(), 3U);
  EXPECT_EQ(shown[0].verdict, Verdict::kRejected);
  EXPECT_FALSE(shown[0].reason.empty());
  EXPECT_EQ(shown[1].action, "set");
  EXPECT_THAT(shown[1].reason, HasSubstr("needs an id"));
  EXPECT_EQ(shown[2].action, "ping");
  EXPECT_EQ(shown[2].verdict, Verdict::kSucceeded);
  for (int i = 0; i < 500; ++i) world.CommandText("no order");
  EXPECT_EQ(shown.size(), world.options.max_shown);
}

TEST(OrderBook, GivesUpAnAnswerThatTheCloudNeverTakes) {
  World world;
  world.acknowledges = false;
  world.Command({{"action", "ping"}, {"id", "p"}});
  for (int i = 0; i < world.options.max_refusals; ++i) {
    ASSERT_EQ(world.book().rows().front().phase, Phase::kDone) << i;
    const std::size_t said = world.acks.size();
    world.book().OnPublished(world.ack_token, Fail(Action::kGiveUp, "refused (0x87)"), world.now);
    for (int second = 0; second < 700 && world.acks.size() == said; ++second) world.Advance(1s);
  }
  EXPECT_EQ(world.book().rows().front().phase, Phase::kAnswered);
  EXPECT_EQ(world.book().counters().answers_lost, 1U);
}

// --- jobs ---

TEST(JobOrders, RejectsADocumentThatItDoesNotKnow) {
  World world;
  world.CreateJob("j1", {{"operation", "format"}});
  EXPECT_EQ(world.JobStatus("j1"), "REJECTED");
  EXPECT_THAT(world.Job("j1")["statusDetails"]["reason"].get<std::string>(), HasSubstr("format"));
  world.CreateJob("j2", Json::parse(R"({"version":"1.0","steps":[{"action":{"name":"Install","type":"runHandler",
      "input":{"handler":"install-packages.sh","args":["evil"]},"runAsUser":""}}]})"));
  EXPECT_EQ(world.JobStatus("j2"), "REJECTED");
  EXPECT_THAT(world.Job("j2")["statusDetails"]["reason"].get<std::string>(), HasSubstr("install-packages.sh"));
  EXPECT_TRUE(world.done.empty());
}

TEST(JobOrders, WorksThroughTheQueueInItsOrder) {
  World world;
  world.GoOffline();
  for (const char* job : {"a", "b", "c"}) world.CreateJob(job, {{"action", "read_now"}});
  world.GoOnline();
  for (const char* job : {"a", "b", "c"}) EXPECT_EQ(world.JobStatus(job), "SUCCEEDED") << job;
  EXPECT_EQ(world.done["read_now"], 3);
  EXPECT_TRUE(world.book().Quiet());
}

TEST(JobOrders, TakesAwsManagedRebootAndSucceedsAfterTheBootIdChanged) {
  World world;
  EXPECT_THROW(world.CreateJob("r", Json::parse(R"({"version":"1.0","steps":[{"action":{"name":"Reboot",
      "type":"runHandler","input":{"handler":"reboot.sh","args":[""],"path":""},"runAsUser":""}}]})")),
               Killed);
  EXPECT_EQ(world.JobStatus("r"), "IN_PROGRESS");
  EXPECT_EQ(world.Job("r")["statusDetails"]["step"], "reboot");
  world.Restart();  // the daemon alone: the machine is still going down
  world.Advance(1min);
  EXPECT_EQ(world.JobStatus("r"), "IN_PROGRESS");
  world.Reboot();
  EXPECT_EQ(world.JobStatus("r"), "SUCCEEDED");
  EXPECT_EQ(world.done["reboot"], 1);
}

TEST(JobOrders, FailsARebootThatDoesNotHappenAndDoesNotTryAgain) {
  World world;
  world.reboots = false;
  world.CreateJob("r", {{"operation", "reboot"}});
  world.Advance(4min);
  EXPECT_EQ(world.JobStatus("r"), "IN_PROGRESS");
  world.Restart();
  world.Advance(2min);
  EXPECT_EQ(world.JobStatus("r"), "FAILED");
  EXPECT_THAT(world.Job("r")["statusDetails"]["reason"].get<std::string>(), HasSubstr("still up"));
}

TEST(JobOrders, DoesNotRebootAgainThoughItsJournalIsLost) {
  World world;
  EXPECT_THROW(world.CreateJob("r", {{"operation", "reboot"}}), Killed);
  world.disk.clear();  // another card, another database
  world.Reboot();
  world.Advance(1min);
  EXPECT_EQ(world.done["reboot"], 1);
  EXPECT_EQ(world.JobStatus("r"), "SUCCEEDED");
}

TEST(JobOrders, DoesNotRebootForAJobThatWasCancelledMeanwhile) {
  World world;
  world.check = [](const OrderRow&) { return Fail(Action::kRetry, "busy"); };
  world.CreateJob("r", {{"operation", "reboot"}});
  EXPECT_EQ(world.JobStatus("r"), "IN_PROGRESS");
  world.Control(world.jobs, {"cancel", "r", "force"});
  world.check = [](const OrderRow&) { return Status{}; };
  world.Advance(30min);
  EXPECT_EQ(world.done["reboot"], 0);
  EXPECT_EQ(world.JobStatus("r"), "CANCELED");
  world.CreateJob("next", {{"action", "ping"}});
  EXPECT_EQ(world.JobStatus("next"), "SUCCEEDED") << "and goes on with the next";
}

TEST(OrderBook, RejectsAnotherCommandUnderAnIdThatIsTakenAndKeepsTheFirstOnesAnswer) {
  World world;
  world.Command({{"action", "ping"}, {"id", "a"}});
  world.Command({{"action", "read_now"}, {"id", "a"}});
  world.Command({{"action", "ping"}, {"id", "a"}, {"timestamp", kStartMs}});
  EXPECT_EQ(world.AckStatuses(), (std::vector<std::string>{"succeeded", "rejected", "succeeded"}));
  EXPECT_EQ(world.acks[1]["action"], "read_now");
  EXPECT_NE(world.acks[1]["reason"].get<std::string>().find("used for another command"), std::string::npos);
  EXPECT_EQ(world.done["read_now"], 0);
  EXPECT_EQ(world.done["ping"], 1);
}

TEST(JobOrders, DoesATriedAgainExecutionAgain) {
  World world;
  int times = 0;
  world.perform = [&times](const OrderRow&, bool) {
    return ++times == 1 ? Outcome{Verdict::kFailed, "no answer", {}} : Outcome{};
  };
  world.CreateJob("j", {{"action", "read_now"}}, "retries=1");
  world.Advance(1min);
  EXPECT_EQ(world.JobStatus("j"), "SUCCEEDED");
  EXPECT_EQ(world.Job("j")["executionNumber"], 2);
  EXPECT_EQ(times, 2);
}

// What a resumed session still had, or what came in another order: an execution before the one that is known is no new
// job.
TEST(JobOrders, TakesNoLateAnswerOfAnEarlierExecutionForANewOne) {
  World world;
  const auto started = [&world](int number) {
    const Json answer = {{"execution",
                          {{"jobId", "j"},
                           {"executionNumber", number},
                           {"versionNumber", 2},
                           {"jobDocument", {{"operation", "ping"}}}}}};
    world.book().OnMessage("$aws/things/t1/jobs/start-next/accepted", Dump(answer), world.now);
    world.Advance(1s);
  };
  started(2);
  ASSERT_EQ(world.done["ping"], 1);
  world.Advance(20min);
  started(1);
  EXPECT_EQ(world.done["ping"], 1);
  started(3);
  EXPECT_EQ(world.done["ping"], 2);
}

TEST(JobOrders, TriesAgainWhenTheServiceIsThrottledOrSilent) {
  World world;
  world.Control(world.jobs, {"fault", "inject", "RequestThrottled", "3"});
  world.CreateJob("j", {{"action", "ping"}});
  EXPECT_NE(world.JobStatus("j"), "SUCCEEDED");
  world.Advance(5min);
  EXPECT_EQ(world.JobStatus("j"), "SUCCEEDED");
  EXPECT_EQ(world.done["ping"], 1);
}

// Asking again would get the same answer. The job is not done twice, though the cloud has it in progress and gives it
// again.
TEST(JobOrders, TakesARefusalOfItsWordsForFinal) {
  World world;
  world.perform = [&world](const OrderRow&, bool) {
    world.Control(world.jobs, {"fault", "inject", "InvalidRequest", "1"});
    return Outcome{};
  };
  world.CreateJob("j", {{"action", "read_now"}});
  EXPECT_EQ(world.book().counters().answers_lost, 1U);
  world.Advance(20min);
  EXPECT_EQ(world.done["read_now"], 1);
  EXPECT_EQ(world.JobStatus("j"), "SUCCEEDED") << "it is told when the cloud gives the job again";
}

TEST(JobOrders, ASetThatWasQueuedTooLongAgoIsNotDone) {
  World world;
  world.GoOffline();
  world.CreateJob("s", {{"action", "set"}, {"values", {{"valve", 1}}}});
  world.Advance(1h);
  world.GoOnline();
  EXPECT_EQ(world.done["set"], 0);
  EXPECT_EQ(world.JobStatus("s"), "REJECTED");
  EXPECT_EQ(world.Job("s")["statusDetails"]["reason"], "expired");
}

// --- executions ---

TEST(ExecutionOrders, AreAnsweredWithStatusReasonAndResult) {
  World world;
  world.StartExecution("e1", {{"action", "ping"}});
  EXPECT_EQ(world.Execution("e1")["status"], "SUCCEEDED");
  EXPECT_EQ(world.Execution("e1")["result"]["n"]["s"], "1");
  world.StartExecution("e2", {{"action", "nonsense"}});
  EXPECT_EQ(world.Execution("e2")["status"], "REJECTED");
  EXPECT_EQ(world.Execution("e2")["statusReason"]["reasonCode"], "REJECTED");
  world.StartExecution("e3", {{"action", "update_config"}, {"config", {{"sample_interval", 5}}}});
  EXPECT_EQ(world.Execution("e3")["responses"][0]["status"], "IN_PROGRESS");
  EXPECT_EQ(world.Execution("e3")["status"], "SUCCEEDED");
}

TEST(ExecutionOrders, ARequestInAnotherFormatIsRejectedAndNotLeftToTimeOut) {
  World world;
  for (const char* format : {"cbor", "text"}) {
    const std::string id = std::string("e-") + format;
    world.Control(world.executions, {"start", "t1", "id=" + id, std::string("format=") + format, "\xa1\x61\x61"});
    EXPECT_EQ(world.Execution(id)["status"], "REJECTED") << format;
    EXPECT_EQ(world.Execution(id)["statusReason"]["reasonCode"], "UNREADABLE");
    const std::string why = world.Execution(id)["statusReason"]["reasonDescription"];
    EXPECT_NE(why.find("JSON"), std::string::npos) << why;
  }
  world.book().OnMessage("$aws/commands/things/t1/executions/x/request/json/more", "{}", world.now);
  EXPECT_EQ(world.book().counters().received, 3U) << "whatever AWS may add is a format, too";
}

TEST(ExecutionOrders, ARepeatedRequestIsNotDoneTwice) {
  World world;
  world.StartExecution("e1", {{"action", "read_now"}});
  world.Restart();
  world.Control(world.executions, {"resend", "e1"});
  EXPECT_EQ(world.done["read_now"], 1);
  EXPECT_EQ(world.Execution("e1")["status"], "SUCCEEDED");
  world.Advance(1h);
  EXPECT_TRUE(world.book().Quiet());
}

// --- a kill at every step ---

struct Scenario {
  const char* name;
  const char* action;
  std::function<void(World&)> ask;
  std::function<bool(World&)> answered;  // with a final status
};

Json With(Json command, const char* id) {
  command["id"] = id;
  return command;
}

bool HasFinalAck(const World& world, const std::string& id) {
  return std::any_of(world.acks.begin(), world.acks.end(),
                     [&id](const Json& ack) { return ack["id"] == id && ack["status"] != "accepted"; });
}

bool JobEnded(World& world) {
  const Json job = world.Job("k");
  return !job.is_null() && (job["status"] == "SUCCEEDED" || job["status"] == "FAILED");
}

std::vector<Scenario> Scenarios() {
  const Json set = {{"action", "set"}, {"timestamp", kStartMs}, {"values", {{"valve", 1}}}};
  const Json update = {{"action", "update_config"}, {"config", {{"sample_interval", 5}}}};
  const auto command = [](Json payload) { return [payload](World& world) { world.Command(With(payload, "k")); }; };
  const auto job = [](Json document) {
    return [document](World& world) {
      if (world.Job("k").is_null()) world.CreateJob("k", document);
    };
  };
  const auto acked = [](World& world) { return HasFinalAck(world, "k"); };
  const auto executed = [](World& world) { return world.Execution("k")["final"] == true; };
  const auto execution = [](Json payload) {
    return [payload](World& world) {
      if (world.executions.OnCommand({"get", "k"}, 0)) {
        world.Control(world.executions, {"resend", "k"});
      } else {
        world.StartExecution("k", payload);
      }
    };
  };
  return {{"command reboot", "reboot", command({{"action", "reboot"}}), acked},
          {"command set", "set", command(set), acked},
          {"command update_config", "update_config", command(update), acked},
          {"job reboot", "reboot", job({{"operation", "reboot"}}), JobEnded},
          {"job update_config", "update_config", job(update), JobEnded},
          {"job read_now", "read_now", job({{"action", "read_now"}}), JobEnded},
          {"execution reboot", "reboot", execution({{"action", "reboot"}}), executed},
          {"execution set", "set", execution(set), executed}};
}

// What a machine does when the daemon dies: systemd starts it again; and one that was told to reboot comes up in
// another boot.
void Recover(World& world) {
  for (int i = 0; i < 5; ++i) {
    try {
      std::exchange(world.wants_reboot, false) ? world.Reboot() : world.Restart();
      return;
    } catch (const Killed&) {
    }
  }
  FAIL() << "it keeps dying";
}

TEST(OrderCrash, AKillAtEachStepCostsNoAnswerAndDoesNothingTwice) {
  int kills = 0;
  for (const Scenario& scenario : Scenarios()) {
    for (int at = 0;; ++at) {
      SCOPED_TRACE(fmt::format("{} killed at step {}", scenario.name, at));
      World world;
      // Like the desk's: what was begun before a restart is not handed over again.
      std::map<std::string, int> first;
      world.perform = [&first](const OrderRow& row, bool resumed) {
        first[row.action] += resumed ? 0 : 1;
        return Outcome{};
      };
      world.steps = 0;
      world.kill_at = at;
      bool killed = false;
      const auto guarded = [&](const std::function<void()>& what) {
        try {
          what();
        } catch (const Killed&) {
          killed = true;
          Recover(world);
        }
      };
      guarded([&] { scenario.ask(world); });
      guarded([&] { scenario.ask(world); });  // QoS 1: what was not acknowledged comes again, and what was, too
      guarded([&] { world.Advance(20min); });
      guarded([&] { world.Advance(20min); });
      EXPECT_TRUE(scenario.answered(world));
      EXPECT_LE(world.done["reboot"], 1);
      for (const auto& [action, times] : first) EXPECT_LE(times, 1) << action;
      EXPECT_TRUE(world.book().Quiet());
      ++kills;
      if (testing::Test::HasFailure()) return;
      if (world.steps <= at || !killed) break;  // it was never reached: all steps are through
    }
  }
  EXPECT_GT(kills, 100) << "the steps were not walked through";
}

TEST(OrderBookNameless, ARebootThatComesAgainWhileItIsUnderWayIsTheSame) {
  World world;
  world.reboots = false;
  world.Command({{"action", "reboot"}});
  world.Command({{"action", "reboot"}});
  EXPECT_EQ(world.disk.size(), 1u);
  EXPECT_EQ(world.book().counters().duplicates, 1u);
  world.Command({{"action", "ping"}});
  world.Command({{"action", "ping"}});
  EXPECT_EQ(world.book().counters().duplicates, 1u) << "what does no harm is done as often as it is asked";
}

}  // namespace
}  // namespace penumbra::orders
