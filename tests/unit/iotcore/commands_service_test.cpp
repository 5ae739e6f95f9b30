// The stand-in's Commands feature: one request, the device's answers to it, and the cloud's clock.
#include "iotcore/commands_service.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'100'000;

class CommandsServiceTest : public ::testing::Test {
 protected:
  Service::Reply Do(const std::vector<std::string>& words, std::int64_t now_ms = kNowMs) {
    auto reply = service.OnCommand(words, now_ms);
    EXPECT_TRUE(reply) << reply.error().message;
    return reply.value_or(Service::Reply{});
  }
  // "accepted" or the errorMessage.
  std::string Respond(const std::string& payload, const std::string& id = "e1", const std::string& thing = "t1") {
    const auto out =
        service.OnMessage("$aws/commands/things/" + thing + "/executions/" + id + "/response/json", payload, kNowMs);
    if (out.size() != 1) return "(no answer)";
    const std::string head = "$aws/commands/things/" + thing + "/executions/" + id + "/response/";
    if (out[0].topic == head + "accepted/json") return "accepted";
    EXPECT_EQ(out[0].topic, head + "rejected/json");
    return ParseJson(out[0].payload)->value("errorMessage", "");
  }
  std::string Status() { return Do({"get", "e1"}).json["status"]; }
  Service::Reply Start() { return Do({"start", "t1", "id=e1", R"({"action":"ping"})"}); }

  CommandsService service;
};

TEST_F(CommandsServiceTest, RefusesMalformedResponsesAndKeepsTheStatus) {
  Start();
  for (const char* payload : {"", "{", "[]", "{}", R"({"status":"DONE"})", R"({"status":"CREATED"})",
                              R"({"status":"FAILED","statusReason":{"reasonCode":"lower"}})",
                              R"({"status":"FAILED","statusReason":{"reasonDescription":"no code"}})",
                              R"({"status":"FAILED","statusReason":5})", R"({"status":"SUCCEEDED","result":{"k":"v"}})",
                              R"({"status":"SUCCEEDED","result":{"k":{"b":"true"}}})",
                              R"({"status":"SUCCEEDED","result":{"k":{"s":"v","b":true}}})"}) {
    EXPECT_NE(Respond(payload), "accepted") << payload;
  }
  const Json long_reason = {{"status", "FAILED"},
                            {"statusReason", {{"reasonCode", "X"}, {"reasonDescription", std::string(1025, 'x')}}}};
  EXPECT_NE(Respond(Dump(long_reason)), "accepted");
  EXPECT_EQ(Status(), "CREATED");
}

TEST_F(CommandsServiceTest, ADeviceAnswersInStepsAndOnlyForItself) {
  const auto started = Start();
  ASSERT_EQ(started.publish.size(), 1U);
  EXPECT_EQ(started.publish[0],
            (Message{"$aws/commands/things/t1/executions/e1/request/json", R"({"action":"ping"})"}));
  EXPECT_EQ(started.json["executionId"], "e1");
  EXPECT_NE(Respond(R"({"status":"SUCCEEDED"})", "e1", "t2"), "accepted") << "another device's execution";
  EXPECT_NE(Respond(R"({"status":"SUCCEEDED"})", "unknown"), "accepted");
  EXPECT_EQ(Respond(R"({"status":"IN_PROGRESS"})"), "accepted");
  EXPECT_EQ(Respond(R"({"status":"SUCCEEDED","result":{"ok":{"b":true},"text":{"s":"pong"}}})"), "accepted");
  EXPECT_NE(Respond(R"({"status":"FAILED"})"), "accepted") << "it is at its end";
  const Json known = Do({"get", "e1"}).json;
  EXPECT_EQ(known["status"], "SUCCEEDED");
  EXPECT_EQ(known["result"]["text"]["s"], "pong");
  EXPECT_EQ(known["responses"].size(), 2U);
}

TEST_F(CommandsServiceTest, TheCloudsTimeOutIsNotTheLastWord) {
  Start();
  EXPECT_EQ(service.NextDue(), kNowMs + 10'000) << "ten seconds unless asked otherwise";
  service.OnTick(kNowMs + 10'000);
  EXPECT_EQ(Status(), "TIMED_OUT");
  EXPECT_EQ(Respond(R"({"status":"SUCCEEDED"})"), "accepted");
  EXPECT_EQ(Status(), "SUCCEEDED");
}

TEST_F(CommandsServiceTest, ADeviceHasAtMostAHundredAtOnce) {
  for (int i = 0; i < 100; ++i) Do({"start", "t1", "{}"});
  EXPECT_FALSE(service.OnCommand({"start", "t1", "{}"}, kNowMs));
  EXPECT_TRUE(service.OnCommand({"start", "clients/c1", "{}"}, kNowMs)) << "another device";
  EXPECT_EQ(Do({"list", "t1"}).json.size(), 100U);
}

TEST_F(CommandsServiceTest, RefusesWhatIsNoCommand) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"start", "t1"},
                                                {"start", "bad thing", "{}"},
                                                {"start", "t1", "not json"},
                                                {"start", "t1", "timeout=43201", "{}"},
                                                {"get", "unknown"},
                                                {"dance", "t1"}}) {
    EXPECT_FALSE(service.OnCommand(words, kNowMs));
  }
}

TEST_F(CommandsServiceTest, ARequestComesTwiceAndAnAnswerIsLostOnCommand) {
  Start();
  EXPECT_EQ(Do({"resend", "e1"}).publish.size(), 1U);
  Do({"fault", "drop", "1"});
  EXPECT_EQ(Respond(R"({"status":"SUCCEEDED"})"), "(no answer)");
  EXPECT_EQ(Status(), "SUCCEEDED");
  Do({"fault", "inject", "InternalError"});
  EXPECT_EQ(Respond(R"({"status":"SUCCEEDED"})"), "injected");
}

}  // namespace
}  // namespace penumbra::iotcore
