// What AWS policy documents allow, and by which of their grants.
#include "iotcore/policy.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace penumbra::iotcore {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kArn = "arn:aws:iot:us-east-1:123456789012:";

std::string StatementJson(const std::string& effect, const std::string& actions, const std::string& resource,
                          const std::string& more = "") {
  return fmt::format(R"({{"Effect":"{}","Action":{},"Resource":"{}{}"{}}})", effect, actions, kArn, resource, more);
}

std::string Document(const std::string& statements) {
  return fmt::format(R"({{"Version":"2012-10-17","Statement":[{}]}})", statements);
}

Policy Parsed(const std::string& statements) {
  auto policy = Policy::Parse(Document(statements));
  EXPECT_TRUE(policy) << policy.error().message;
  return policy ? *policy : Policy();
}

std::string Refusal(const std::string& statements) {
  const auto policy = Policy::Parse(Document(statements));
  return policy ? "" : policy.error().message;
}

Policy Shipped() {
  std::ifstream file(PENUMBRA_SOURCE_DIR "/tests/iotcore/policy.json");
  const auto policy = Policy::Parse(std::string(std::istreambuf_iterator<char>(file), {}));
  EXPECT_TRUE(policy) << policy.error().message;
  return policy ? *policy : Policy();
}

const Principal kSensor{.thing = "sensor-001", .client_id = "sensor-001"};

TEST(AwsMatch, AnEscapedWildcardIsThatCharacter) {
  EXPECT_TRUE(AwsMatch("a/${*}/${?}/${$}x", "a/*/?/$x"));
  EXPECT_FALSE(AwsMatch("a/${*}", "a/b"));
  EXPECT_FALSE(AwsMatch("a/${?}", "a/b"));
  EXPECT_TRUE(AwsMatch("*/${*}/*", "a/b/*/c"));
  EXPECT_TRUE(AwsMatch("a/${x}", "a/${x}")) << "no escape";
}

TEST(AwsMatch, StarCrossesSlashesAndMqttWildcardsAreLiteral) {
  EXPECT_TRUE(AwsMatch("sensors/a/*", "sensors/a/"));
  EXPECT_TRUE(AwsMatch("sensors/a/*", "sensors/a/b/c"));
  EXPECT_FALSE(AwsMatch("sensors/a/*", "sensors/a"));
  EXPECT_TRUE(AwsMatch("a/*/c", "a/b/b/c"));
  EXPECT_FALSE(AwsMatch("a/*/c", "a/c"));
  EXPECT_TRUE(AwsMatch("a/?", "a/b"));
  EXPECT_FALSE(AwsMatch("a/?", "a/bc"));
  EXPECT_FALSE(AwsMatch("a/+", "a/b"));
  EXPECT_TRUE(AwsMatch("a/+", "a/+"));
  EXPECT_TRUE(AwsMatch("*", ""));
  EXPECT_TRUE(AwsMatch("a*b*c", "a1b2b3c"));
  EXPECT_FALSE(AwsMatch("a*b*c", "a1b2b3"));
}

TEST(PolicyParse, RefusesWhatItCannotEvaluateInsteadOfGuessing) {
  EXPECT_THAT(Refusal(R"({"Effect":"Allow","NotAction":"iot:Publish","Resource":"*"})"), HasSubstr("NotAction"));
  EXPECT_THAT(Refusal(R"({"Effect":"Maybe","Action":"iot:Publish","Resource":"*"})"), HasSubstr("Effect"));
  EXPECT_THAT(Refusal(R"({"Effect":"Allow","Action":"iot:Publish"})"), HasSubstr("Resource"));
  EXPECT_THAT(Refusal(R"({"Effect":"Allow","Action":"iot:Publish","Resource":"topic/a"})"), HasSubstr("ARN"));
  EXPECT_THAT(Refusal(R"({"Effect":"Allow","Action":[],"Resource":"*"})"), HasSubstr("empty"));
  EXPECT_THAT(Refusal(StatementJson("Allow", R"("iot:Connect")", "client/x",
                                    R"(,"Condition":{"StringEquals":{"aws:SourceIp":"1"}})")),
              HasSubstr("Condition"));
  EXPECT_FALSE(Policy::Parse(R"({"Version":"2008-10-17","Statement":[]})"));
  EXPECT_FALSE(Policy::Parse("no json"));
  EXPECT_THAT(Refusal(StatementJson("Allow", R"("iot:Publish")", "topic/a") + "," + "7"), HasSubstr("statement 2"));
}

TEST(PolicyAllows, DeniesByDefaultAndAnExplicitDenyWins) {
  EXPECT_FALSE(Parsed("").Allows("iot:Publish", "topic/a", kSensor));
  const Policy policy = Parsed(StatementJson("Allow", R"("iot:*")", "topic/a/*") + "," +
                               StatementJson("Deny", R"(["iot:Publish","iot:Receive"])", "topic/a/secret"));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/a/b", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/a/secret", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/b", kSensor));
}

TEST(PolicyAllows, TheShippedPolicyLetsAThingReachItsOwnTopicsOnly) {
  const Policy policy = Shipped();
  EXPECT_TRUE(policy.Allows("iot:Connect", "client/sensor-001", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/sensors/sensor-001/temperature", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/status/sensor-001", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/$aws/things/sensor-001/shadow/update", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Subscribe", "topicfilter/commands/sensor-001/#", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Receive", "topic/$aws/things/sensor-001/shadow/update/delta", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/sensors/sensor-002/temperature", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/sensors/sensor-001", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Subscribe", "topicfilter/#", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Subscribe", "topicfilter/commands/+/x", kSensor));
}

TEST(PolicyAllows, AClientIdOtherThanTheThingLeavesTheThingVariablesUnresolved) {
  const Principal stranger{.thing = "sensor-001", .client_id = "sensor-002", .attached = false};
  EXPECT_FALSE(Shipped().Allows("iot:Connect", "client/sensor-002", stranger));
  EXPECT_FALSE(Shipped().Allows("iot:Connect", "client/sensor-001", stranger));
}

TEST(PolicyGrants, NameTheResourceThatAllows) {
  const Principal thing{.thing = "sensor-001", .client_id = "sensor-001"};
  EXPECT_EQ(Shipped().Grant("iot:Publish", "topic/status/sensor-001", thing),
            "topic/status/${iot:Connection.Thing.ThingName}");
  EXPECT_EQ(Shipped().Grant("iot:Publish", "topic/status/sensor-002", thing), std::nullopt);
  EXPECT_THAT(Shipped().Grants(), Contains("iot:Publish topic/status/${iot:Connection.Thing.ThingName}"));
  EXPECT_THAT(Shipped().Grants(), Each(Not(HasSubstr("iot:Publish client/"))));
}

}  // namespace
}  // namespace penumbra::iotcore
