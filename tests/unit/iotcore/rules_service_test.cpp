// The stand-in's rules engine: what each action receives, republishing, errors.
#include "iotcore/rules_service.hpp"

#include <gmock/gmock.h>

namespace penumbra::iotcore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kTopic = "sensors/sensor-001/temperature";

Json Ask(RulesService& service, const std::vector<std::string>& words) {
  auto reply = service.OnCommand(words, 0);
  return reply ? reply->json : Json("error: " + reply.error().message);
}

class RulesServiceTest : public testing::Test {
 protected:
  void Set(const std::string& rules) {
    const Json answer = Ask(service_, {"set", rules});
    ASSERT_TRUE(answer.is_number()) << answer;
  }
  std::vector<Message> Send(const std::string& payload, const std::string& topic = kTopic) {
    return service_.OnMessage(topic, payload, 1'763'841'700'000);
  }
  RulesService service_;
};

TEST_F(RulesServiceTest, RefusesRulesThatAreNoneAndKeepsThoseThereAre) {
  Set(R"([{"name":"A","sql":"SELECT * FROM 'a'","action":"lambda","target":"f"}])");
  const auto refused = [this](const std::string& json) { return Ask(service_, {"set", json}).dump(); };
  EXPECT_THAT(refused("{}"), HasSubstr("array"));
  EXPECT_THAT(refused(R"([{"sql":"SELECT *"}])"), HasSubstr("without name"));
  EXPECT_THAT(refused(R"([{"name":"B","sql":"SELEC","action":"lambda","target":"f"}])"), HasSubstr("rule B: column 1"));
  EXPECT_THAT(refused(R"([{"name":"B","sql":"SELECT *","action":"mail","target":"f"}])"), HasSubstr("no action"));
  EXPECT_THAT(Ask(service_, {"inputs", "B"}).dump(), HasSubstr("there is no rule 'B'"));
  EXPECT_THAT(Ask(service_, {"nonsense"}).dump(), HasSubstr("rules set JSON"));
  EXPECT_TRUE(Ask(service_, {"list"}).contains("A"));
}

TEST_F(RulesServiceTest, KeepsWhatEachActionReceives) {
  Set(R"([{"name":"Store","sql":"SELECT *, topic(2) AS device_id FROM 'sensors/+/temperature'","action":"dynamodb","target":"t"},
          {"name":"Hot","sql":"SELECT clientid() AS c, value FROM 'sensors/+/temperature' WHERE value > 40","action":"lambda","target":"f"}])");
  EXPECT_THAT(Send(R"({"device_id":"liar","timestamp":1,"value":22.5})"), IsEmpty());
  EXPECT_THAT(Send(R"({"device_id":"liar","timestamp":2,"value":41})"), IsEmpty());
  EXPECT_THAT(Send(R"({"value":99})", "sensors/sensor-001/other"), IsEmpty());
  const Json stored = Ask(service_, {"inputs", "Store"});
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[0]["input"], (Json{{"device_id", "sensor-001"}, {"timestamp", 1}, {"value", 22.5}}));
  EXPECT_EQ(stored[0]["destination"], "t");
  const Json hot = Ask(service_, {"inputs", "Hot"});
  ASSERT_EQ(hot.size(), 1u);
  EXPECT_EQ(hot[0]["input"], (Json{{"value", 41}, {"c", "sensor-001"}}));
  EXPECT_EQ(service_.Summary()["rules"]["Hot"]["not_matched"], 1);
  Ask(service_, {"clear"});
  EXPECT_THAT(Ask(service_, {"inputs", "Hot"}), IsEmpty());
}

TEST_F(RulesServiceTest, RepublishesAndLetsOtherRulesSeeIt) {
  Set(R"([{"name":"Alarm","sql":"SELECT * FROM 'sensors/+/temperature' WHERE value > 40","action":"republish","target":"alarm/${topic(2)}"},
          {"name":"Seen","sql":"SELECT * FROM 'alarm/+'","action":"lambda","target":"f"}])");
  const auto published = Send(R"({"value":41})");
  ASSERT_THAT(published, ElementsAre(Message{"alarm/sensor-001", R"({"value":41})"}));
  Send(published[0].payload, published[0].topic);
  EXPECT_THAT(Ask(service_, {"inputs", "Seen"}), SizeIs(1));
}

TEST_F(RulesServiceTest, ARuleThatRepublishesToItselfEnds) {
  Set(R"([{"name":"Loop","sql":"SELECT * FROM 'a'","action":"republish","target":"a"}])");
  std::vector<Message> round = Send("{}", "a");
  std::size_t rounds = 0;
  for (; !round.empty() && rounds < 100; ++rounds) round = Send(round[0].payload, round[0].topic);
  EXPECT_EQ(rounds, RulesService::kMaxHops);
  EXPECT_EQ(service_.Summary()["too_many_hops"], 1);
  EXPECT_THAT(Send("{}", "a"), SizeIs(1)) << "a device's message is a beginning again";
}

TEST_F(RulesServiceTest, AFailedRunGoesToTheErrorActionOnce) {
  Set(R"([{"name":"Store","sql":"SELECT * FROM 'sensors/+/temperature'","action":"dynamodb","target":"t","error_target":"rules/errors"}])");
  const auto failed = Send(R"([1])");
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].topic, "rules/errors");
  const auto error = ParseJson(failed[0].payload);
  EXPECT_EQ((*error)["ruleName"], "Store");
  EXPECT_EQ((*error)["base64OriginalPayload"], "WzFd");
  EXPECT_THAT((*error)["failures"][0]["errorMessage"].get<std::string>(), HasSubstr("takes an object"));
  EXPECT_THAT(Send(R"({"device_id":"a","timestamp":1})"), IsEmpty());
  Ask(service_, {"fail", "Store", "not", "authorized"});
  EXPECT_THAT(Send(R"({"device_id":"a","timestamp":2})"), SizeIs(1));
  Ask(service_, {"heal", "Store"});
  EXPECT_THAT(Send(R"({"device_id":"a","timestamp":3})"), IsEmpty());
  EXPECT_THAT(Ask(service_, {"errors", "Store"}), SizeIs(2));
  EXPECT_THAT(Ask(service_, {"inputs", "Store"}), SizeIs(2));
  EXPECT_THAT(Send("no json \xff"), SizeIs(1)) << "SELECT * of bytes is no item of a table";
}

TEST_F(RulesServiceTest, WhereThatIsUndefinedIsSilent) {
  Set(R"([{"name":"R","sql":"SELECT * FROM 'a' WHERE value > 40","action":"republish","target":"b","error_target":"e"}])");
  EXPECT_THAT(Send(R"({"temperature":99})", "a"), IsEmpty());
  EXPECT_EQ(service_.Summary()["rules"]["R"]["undefined"], 1);
}

}  // namespace
}  // namespace penumbra::iotcore
