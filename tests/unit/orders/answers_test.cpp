// What the cloud is told, against the bounds and formats of AWS (aws-iot-core.md sections 3 and 5).
#include "orders/answers.hpp"

#include <gmock/gmock.h>

#include <regex>

#include "unit/orders/world.hpp"

namespace penumbra::orders {
namespace {

using test::kStartMs;
using test::World;

OrderRow Ended(Channel channel, Verdict verdict, std::string reason, Json result = Json::object()) {
  OrderRow row;
  row.channel = channel;
  row.id = "j";
  row.number = 3;
  row.version = 7;
  row.action = "read_now";
  row.verdict = verdict;
  row.reason = std::move(reason);
  row.result = std::move(result);
  return row;
}

std::string Umlauts(std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += "\u00e4";
  return text;
}

TEST(JobAnswer, SaysExpectedVersionExecutionAndToken) {
  const OrderRow row = Ended(Channel::kJob, Verdict::kNone, "");
  EXPECT_EQ(JobUpdateTopic("t1", "j"), "$aws/things/t1/jobs/j/update");
  EXPECT_EQ(*ParseJson(JobUpdate(row, false, "s-1", "boot-a")),
            Json::parse(R"({"status":"IN_PROGRESS","expectedVersion":7,"executionNumber":3,
              "includeJobExecutionState":true,"clientToken":"s-1","statusDetails":{"step":"read_now","boot":"boot-a"}})"));
}

TEST(JobAnswer, HasAtMostTenShortDetailsOfText) {
  Json result = {{"a", 1.5}, {"b", true}, {"c", {{"d", nullptr}}}, {std::string(200, 'k'), "long key"}};
  for (int i = 0; i < 20; ++i) result["r" + std::to_string(i)] = "x";
  const std::string reason = "x" + Umlauts(2000);
  const auto update = ParseJson(JobUpdate(Ended(Channel::kJob, Verdict::kFailed, reason, result), true, "s-2", "b"));
  ASSERT_TRUE(update);
  EXPECT_EQ((*update)["status"], "FAILED");
  const Json& details = (*update)["statusDetails"];
  EXPECT_EQ(details.size(), kMaxDetails);
  for (const auto& [key, value] : details.items()) {
    ASSERT_TRUE(value.is_string()) << key;
    EXPECT_LE(key.size(), kMaxDetailKeyBytes);
    EXPECT_LE(value.get<std::string>().size(), kMaxDetailBytes);
  }
  EXPECT_EQ(details["reason"].get<std::string>(), "x" + Umlauts(1022)) << "cut between characters";
  EXPECT_EQ(details["a"], "1.5");
  EXPECT_EQ(details["c"], R"({"d":null})");
}

TEST(ExecutionAnswer, KeepsToTheFormatsOfTheCommandsFeature) {
  EXPECT_EQ(ExecutionAnswerTopic("t1", "e"), "$aws/commands/things/t1/executions/e/response/json");
  for (const Verdict verdict : {Verdict::kSucceeded, Verdict::kFailed, Verdict::kRejected}) {
    const OrderRow row = Ended(Channel::kExecution, verdict, Umlauts(2001), {{"on", true}, {"n", 2}, {"s", "text"}});
    const auto answer = ParseJson(ExecutionAnswer(row, true));
    ASSERT_TRUE(answer);
    const Json& reason = (*answer)["statusReason"];
    EXPECT_TRUE(std::regex_match(reason["reasonCode"].get<std::string>(), std::regex("[A-Z0-9_-]{1,64}")));
    EXPECT_EQ(reason["reasonDescription"].get<std::string>(), Umlauts(1024));
    EXPECT_EQ((*answer)["result"], Json::parse(R"({"on":{"b":true},"n":{"s":"2"},"s":{"s":"text"}})"));
  }
  EXPECT_EQ(*ParseJson(ExecutionAnswer(Ended(Channel::kExecution, Verdict::kNone, ""), false)),
            Json::parse(R"({"status":"IN_PROGRESS"})"));
  EXPECT_FALSE(
      ParseJson(ExecutionAnswer(Ended(Channel::kExecution, Verdict::kSucceeded, ""), true))->contains("result"));
}

// Seconds on one page of AWS's, milliseconds on another.
TEST(JobTimes, AreTakenInSecondsAndInMilliseconds) {
  for (const std::int64_t queued : {kStartMs / 1000 - 3600, kStartMs - 3'600'000}) {
    World world;
    const Json execution = {{"jobId", "j"},
                            {"executionNumber", 1},
                            {"versionNumber", 2},
                            {"queuedAt", queued},
                            {"jobDocument", {{"action", "set"}, {"values", {{"valve", 1}}}}}};
    world.book().OnMessage("$aws/things/t1/jobs/start-next/accepted", Dump(Json{{"execution", execution}}), world.now);
    world.Advance(std::chrono::seconds(1));
    EXPECT_EQ(world.done["set"], 0) << queued << " is an hour ago";
    ASSERT_EQ(world.disk.size(), 1U);
    EXPECT_EQ(world.disk.begin()->second.reason, "expired");
  }
}

// One character that AWS does not take, and the end of the job would be rejected as a whole.
TEST(OrderAnswers, ReachTheCloudWhateverADeviceOrAnErrorMessageSays) {
  for (const bool fails : {false, true}) {
    World world;
    world.perform = [fails](const OrderRow&, bool) {
      const Json result = {{"room.temp \xc2\xb0", "21\n\x7f"}, {"", ""}, {"c1", "\xc2\x85x"}, {"flag", true}};
      return Outcome{fails ? Verdict::kFailed : Verdict::kSucceeded, fails ? "line 1\r\nline 2" : "", result};
    };
    world.CreateJob("j", {{"operation", "read_now"}});
    EXPECT_EQ(world.JobStatus("j"), fails ? "FAILED" : "SUCCEEDED");
    const Json details = world.Job("j")["statusDetails"];
    EXPECT_EQ(details["room_temp___"], "21  ");
    EXPECT_EQ(details["c1"], " x");
    EXPECT_EQ(details["_"], "-");
    if (fails) {
      EXPECT_EQ(details["reason"], "line 1  line 2");
    }
    world.StartExecution("e", {{"action", "read_now"}});
    EXPECT_EQ(world.Execution("e")["status"], fails ? "FAILED" : "SUCCEEDED");
  }
}

TEST(OrderReason, IsCutBetweenCharacters) {
  World world;
  world.perform = [](const OrderRow&, bool) { return Outcome{Verdict::kFailed, "x" + Umlauts(1000), Json::object()}; };
  world.Command({{"action", "read_now"}, {"id", "r"}});
  ASSERT_EQ(world.acks.size(), 1U);
  EXPECT_EQ(world.acks[0]["reason"], "x" + Umlauts(510));
}

}  // namespace
}  // namespace penumbra::orders
