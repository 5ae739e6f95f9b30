// The stand-in's Jobs service: what a device may do to an execution, what it is told, and what it is refused.
#include "iotcore/jobs_service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kNowMs = 1'700'000'100'000;
constexpr std::int64_t kMinuteMs = 60'000;

class JobsServiceTest : public ::testing::Test {
 protected:
  std::vector<Message> Ask(const std::string& stub, const Json& body = Json::object(), std::int64_t now_ms = kNowMs) {
    return service.OnMessage("$aws/things/t1/jobs/" + stub, Dump(body), now_ms);
  }
  // The answer alone: {"kind": "accepted", ...body}.
  Json Answer(const std::string& stub, const Json& body = Json::object(), std::int64_t now_ms = kNowMs) {
    const auto out = Ask(stub, body, now_ms);
    if (out.empty()) return nullptr;
    Json answer = *ParseJson(out.front().payload);
    answer["kind"] = out.front().topic.substr(out.front().topic.rfind('/') + 1);
    return answer;
  }
  std::string Code(const std::string& stub, const Json& body) { return Answer(stub, body).value("code", "accepted"); }
  std::vector<std::string> Topics(const std::vector<Message>& messages) {
    std::vector<std::string> topics;
    for (const Message& message : messages)
      topics.push_back(message.topic.substr(std::string("$aws/things/t1/jobs/").size()));
    return topics;
  }
  Service::Reply Do(const std::vector<std::string>& words, std::int64_t now_ms = kNowMs) {
    auto reply = service.OnCommand(words, now_ms);
    EXPECT_TRUE(reply) << reply.error().message;
    return reply.value_or(Service::Reply{});
  }
  Service::Reply Create(const std::string& id) { return Do({"create", id, "t1", R"({"operation":"reboot"})"}); }
  std::string Status(const std::string& id) { return Do({"get", id, "t1"}).json.value("status", ""); }

  JobsService service;
};

TEST_F(JobsServiceTest, RefusesWhatIsNoCommand) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"create", "j1", "t1"},
                                                {"create", "bad id!", "t1", "{}"},
                                                {"create", "j1", "bad thing", "{}"},
                                                {"create", "j1", "t1", "[]"},
                                                {"create", "j1", "t1", "timeout=x", "{}"},
                                                {"cancel", "nothere"},
                                                {"fault", "dance"},
                                                {"dance"}}) {
    EXPECT_FALSE(service.OnCommand(words, kNowMs));
  }
}

TEST_F(JobsServiceTest, UpdatesAreRefusedWithTheirCodes) {
  Create("j1");
  EXPECT_EQ(Code("nothere/update", {{"status", "IN_PROGRESS"}}), "ResourceNotFound");
  EXPECT_EQ(Code("j1/update", Json::object()), "InvalidRequest");
  EXPECT_EQ(Code("j1/update", {{"status", "QUEUED"}}), "InvalidRequest");
  EXPECT_EQ(Code("j1/update", {{"status", "CANCELED"}}), "InvalidRequest");
  EXPECT_EQ(Code("j1/update", {{"status", "SUCCEEDED"}}), "InvalidStateTransition");
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"executionNumber", 2}}), "ResourceNotFound");
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"stepTimeoutInMinutes", 0}}), "InvalidRequest");
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"statusDetails", {{"n", 1}}}}), "InvalidRequest");
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"clientToken", std::string(65, 'x')}}), "InvalidRequest");
  EXPECT_EQ(ParseJson(service.OnMessage("$aws/things/t1/jobs/get", "{", kNowMs).front().payload)->at("code"),
            "InvalidJson");
  const Json mismatch = Answer("j1/update", {{"status", "IN_PROGRESS"}, {"expectedVersion", 7}, {"clientToken", "t"}});
  EXPECT_EQ(mismatch["code"], "VersionMismatch");
  EXPECT_EQ(mismatch["executionState"]["versionNumber"], 1);
  EXPECT_EQ(mismatch["clientToken"], "t");
  EXPECT_EQ(Status("j1"), "QUEUED") << "a refused update changes nothing";
}

TEST_F(JobsServiceTest, ElevenDetailsAreOneTooMany) {
  Create("j1");
  Json details;
  for (int i = 0; i < 10; ++i) details["k" + std::to_string(i)] = std::string(1024, 'v');
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"statusDetails", details}}), "accepted");
  details["k10"] = "v";
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}, {"statusDetails", details}}), "InvalidRequest");
}

TEST_F(JobsServiceTest, AJobIsTakenWorkedOnAndEnded) {
  const auto created = Create("j1");
  EXPECT_THAT(Topics(created.publish), ElementsAre("notify", "notify-next"));
  const Json next = *ParseJson(created.publish[1].payload);
  EXPECT_EQ(next["execution"]["jobDocument"]["operation"], "reboot");

  const Json started = Answer("start-next", {{"statusDetails", {{"step", "begun"}}}, {"clientToken", "a"}});
  EXPECT_EQ(started["execution"]["status"], "IN_PROGRESS");
  EXPECT_EQ(started["execution"]["versionNumber"], 2);
  EXPECT_EQ(started["execution"]["statusDetails"]["step"], "begun");
  EXPECT_EQ(started["clientToken"], "a");
  const Json again = Answer("start-next", {{"statusDetails", {{"step", "other"}}}});
  EXPECT_EQ(again["execution"]["versionNumber"], 2) << "one in progress is given again as it is";
  EXPECT_EQ(again["execution"]["statusDetails"]["step"], "begun");

  const auto done =
      Ask("j1/update", {{"status", "SUCCEEDED"}, {"expectedVersion", 2}, {"includeJobExecutionState", true}});
  EXPECT_THAT(Topics(done), ElementsAre("j1/update/accepted", "notify", "notify-next"));
  EXPECT_EQ(ParseJson(done[0].payload)->at("executionState")["versionNumber"], 3);
  EXPECT_EQ(ParseJson(done[1].payload)->at("jobs"), Json::object());
  EXPECT_FALSE(ParseJson(done[2].payload)->contains("execution"));
  EXPECT_EQ(Code("j1/update", {{"status", "IN_PROGRESS"}}), "InvalidStateTransition");
  EXPECT_EQ(Code("j1/get", Json::object()), "TerminalStateReached");
  EXPECT_FALSE(Answer("start-next").contains("execution"));
}

TEST_F(JobsServiceTest, GivesTheOldestFirstAndSaysWhenTheHeadChanges) {
  Create("b");
  const auto second = Create("a");
  EXPECT_THAT(Topics(second.publish), ElementsAre("notify")) << "the head did not change";
  EXPECT_EQ(Answer("$next/get")["execution"]["jobId"], "b");
  EXPECT_EQ(Answer("get")["queuedJobs"].size(), 2U);
  EXPECT_THAT(Topics(Ask("a/update", {{"status", "IN_PROGRESS"}})), ElementsAre("a/update/accepted", "notify-next"))
      << "what is in progress comes before what is queued";
  EXPECT_EQ(Answer("get")["inProgressJobs"][0]["jobId"], "a");
  EXPECT_THAT(Topics(Ask("b/update", {{"status", "REJECTED"}})), ElementsAre("b/update/accepted", "notify"));
}

TEST_F(JobsServiceTest, DescribesWithAndWithoutTheDocument) {
  Create("j1");
  EXPECT_TRUE(Answer("j1/get")["execution"].contains("jobDocument"));
  EXPECT_FALSE(Answer("j1/get", {{"includeJobDocument", false}})["execution"].contains("jobDocument"));
  EXPECT_EQ(Answer("j1/get")["execution"]["thingName"], "t1");
  EXPECT_EQ(Answer("nothere/get")["code"], "ResourceNotFound");
}

TEST_F(JobsServiceTest, AStepTimerEndsTheExecutionUnlessAnUpdateRestartsOrCancelsIt) {
  Create("j1");
  Answer("start-next", {{"stepTimeoutInMinutes", 1}});
  EXPECT_EQ(service.NextDue(), kNowMs + kMinuteMs);
  Answer("j1/update", {{"status", "IN_PROGRESS"}}, kNowMs + 30'000);
  EXPECT_EQ(service.NextDue(), kNowMs + 30'000 + kMinuteMs) << "every update restarts it";
  const auto told = service.OnTick(kNowMs + 30'000 + kMinuteMs);
  EXPECT_EQ(Status("j1"), "TIMED_OUT");
  EXPECT_THAT(Topics(told), ElementsAre("notify", "notify-next"));
  EXPECT_EQ(Code("j1/update", {{"status", "SUCCEEDED"}}), "InvalidStateTransition");

  Create("j2");
  Answer("start-next", {{"stepTimeoutInMinutes", 1}});
  Answer("j2/update", {{"status", "IN_PROGRESS"}, {"stepTimeoutInMinutes", -1}});
  EXPECT_EQ(service.NextDue(), std::nullopt);
}

TEST_F(JobsServiceTest, AFailedExecutionIsQueuedAgainWithTheNextNumber) {
  Do({"create", "j1", "t1", "timeout=2", "retries=1", "{}"});
  Answer("start-next");
  EXPECT_EQ(service.NextDue(), kNowMs + 2 * kMinuteMs);
  EXPECT_THAT(Topics(Ask("j1/update", {{"status", "FAILED"}})),
              ElementsAre("j1/update/accepted", "notify", "notify-next"));
  const Json second = Answer("start-next")["execution"];
  EXPECT_EQ(second["executionNumber"], 2);
  EXPECT_EQ(Code("j1/update", {{"status", "FAILED"}, {"executionNumber", 2}}), "accepted");
  EXPECT_EQ(Status("j1"), "FAILED") << "tried as often as the job says";
}

TEST_F(JobsServiceTest, CancelTakesWhatIsQueuedAndForceTakesTheRest) {
  Create("j1");
  Answer("start-next");
  EXPECT_EQ(Do({"cancel", "j1"}).json["ended"], 0);
  const auto forced = Do({"cancel", "j1", "force"});
  EXPECT_EQ(forced.json["ended"], 1);
  EXPECT_THAT(Topics(forced.publish), ElementsAre("notify", "notify-next"));
  EXPECT_EQ(Code("j1/update", {{"status", "SUCCEEDED"}}), "InvalidStateTransition");
  EXPECT_EQ(Status("j1"), "CANCELED");
  Create("j2");
  Do({"remove", "j2"});
  EXPECT_EQ(Status("j2"), "REMOVED");
}

TEST_F(JobsServiceTest, AnswersAreLostDoubledLateOrRefusedOnCommand) {
  Create("j1");
  Do({"fault", "drop", "1"});
  EXPECT_THAT(Ask("start-next"), ElementsAre()) << "the answer is lost, the execution is in progress all the same";
  EXPECT_EQ(Status("j1"), "IN_PROGRESS");
  Do({"fault", "duplicate", "1"});
  EXPECT_EQ(Ask("j1/get").size(), 2U);
  Do({"fault", "inject", "RequestThrottled"});
  EXPECT_EQ(Code("j1/update", {{"status", "SUCCEEDED"}}), "RequestThrottled");
  EXPECT_EQ(Status("j1"), "IN_PROGRESS");
  Do({"fault", "delay", "500"});
  EXPECT_TRUE(Ask("j1/get").empty());
  EXPECT_EQ(service.NextDue(), kNowMs + 500);
  EXPECT_EQ(service.OnTick(kNowMs + 500).size(), 1U);
}

TEST_F(JobsServiceTest, NeverAnswersAnswersNotificationsOrBadNames) {
  for (const char* stub : {"get/accepted", "notify", "notify-next", "j1/get/accepted", "j1/update/rejected"}) {
    EXPECT_TRUE(Ask(stub).empty()) << stub;
  }
  EXPECT_TRUE(service.OnMessage("$aws/things/bad name/jobs/get", "{}", kNowMs).empty());
  EXPECT_EQ(service.Summary()["requests"], 0);
}

}  // namespace
}  // namespace penumbra::iotcore
