// The generated policy, judged as AWS judges it and put to work in the stand-in.
#include "cloud/policy.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "cloud/topics.hpp"
#include "iotcore/policy.hpp"
#include "unit/cloud/cloud_fixture.hpp"
#include "uplink/presence.hpp"

namespace penumbra::cloud {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string kArn = "arn:aws:iot:us-east-1:123456789012:";
const iotcore::Principal kSensor{.thing = "sensor-001", .client_id = "sensor-001"};

iotcore::Policy Judged(const Settings& settings) {
  const auto policy = MakePolicy(settings, kArn);
  EXPECT_TRUE(policy) << policy.error().message;
  const auto parsed = iotcore::Policy::Parse(policy.value().Document(kArn).dump());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed.value();
}

TEST(GatewayPolicy, GrantsEveryTopicThatTheGatewayUsesAndNoOtherThings) {
  const Settings settings = test::TwoSensors();
  const auto policy = Judged(settings);
  for (CloudTopic& topic : TopicsOf(settings, "sensor-001")) {
    for (char& c : topic.topic) {
      if (topic.use == Use::kPublish && c == '+') c = 'x';
    }
    const std::string action = topic.use == Use::kPublish ? "iot:Publish" : "iot:Subscribe";
    const std::string type = topic.use == Use::kPublish ? "topic/" : "topicfilter/";
    EXPECT_TRUE(policy.Allows(action, type + topic.topic, kSensor)) << action << " " << topic.topic;
  }
  for (const CloudTopic& topic : TopicsOf(settings, "sensor-002")) {
    const std::string action = topic.use == Use::kPublish ? "iot:Publish" : "iot:Subscribe";
    const std::string type = topic.use == Use::kPublish ? "topic/" : "topicfilter/";
    EXPECT_FALSE(policy.Allows(action, type + topic.topic, kSensor)) << action << " " << topic.topic;
  }
}

TEST(GatewayPolicy, LetsAThingSpeakForTheDeviceAndNotForTheCloud) {
  const auto policy = Judged(test::TwoSensors());
  EXPECT_TRUE(policy.Allows("iot:Connect", "client/sensor-001", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/" + PresenceTopic("sensor-001"), kSensor));
  EXPECT_TRUE(policy.Allows("iot:Receive", "topic/$aws/things/sensor-001/shadow/update/delta", kSensor));
  for (const char* topic :
       {"$aws/things/sensor-001/shadow/update/accepted", "$aws/things/sensor-001/shadow/delete",
        "commands/sensor-001/reboot", "sensors/sensor-001/other", "$aws/things/sensor-001/jobs/x"}) {
    EXPECT_FALSE(policy.Allows("iot:Publish", std::string("topic/") + topic, kSensor)) << topic;
  }
  for (const char* filter : {"#", "commands/+/#", "$aws/things/+/shadow/update/delta", "commands/#"}) {
    EXPECT_FALSE(policy.Allows("iot:Subscribe", std::string("topicfilter/") + filter, kSensor)) << filter;
  }
}

TEST(GatewayPolicy, ConnectsOnlyWhenTheCertificateIsAttachedToTheThingOfThatName) {
  const auto policy = Judged(test::TwoSensors());
  EXPECT_FALSE(policy.Allows("iot:Connect", "client/sensor-001",
                             {.thing = "sensor-001", .client_id = "sensor-001", .attached = false}));
  EXPECT_FALSE(policy.Allows("iot:Connect", "client/sensor-002", kSensor));
}

TEST(GatewayPolicy, StaysWithinTheCharactersThatAwsCounts) {
  Settings settings = test::TwoSensors();
  settings.things[0].batch_bytes = 4096;
  settings.upstream.status_retained = true;
  settings.credentials.template_name = "fleet";
  for (const char* head : {"arn:aws:iot:ap-southeast-1:123456789012:", "arn:aws-cn:iot:cn-northwest-1:123456789012:",
                           "arn:aws-us-gov:iot:us-gov-west-1:123456789012:"}) {
    const auto policy = MakePolicy(settings, head, {.health = {.defender = true}});
    ASSERT_TRUE(policy) << policy.error().message;
    EXPECT_LE(policy->Characters(head), kMaxPolicyCharacters);
  }
}

// Everything that makes it longer, at the longest region: each line is as wide as it gets.
TEST(GatewayPolicy, NeverLetsAThingDeleteShadowsHoweverWideItGets) {
  const std::string longest = "arn:aws:iot:ap-southeast-1:123456789012:";
  Settings settings = test::TwoSensors();
  settings.things[0].batch_bytes = 4096;
  settings.upstream.status_retained = true;
  settings.credentials.template_name = std::string(36, 'f');
  std::size_t widest = 0;
  for (int shared = 0;; ++shared) {  // more and more topics that are not the thing's own, until it does not fit
    const auto policy = MakePolicy(settings, longest, {.health = {.defender = true}});
    if (!policy) break;
    widest = std::max(widest, policy->Characters(longest));
    EXPECT_LE(policy->Characters(longest), kMaxPolicyCharacters) << shared;
    const auto judged = iotcore::Policy::Parse(policy->Document(longest).dump());
    ASSERT_TRUE(judged);
    const auto may = [&](const std::string& topic) {
      return judged->Allows("iot:Publish", "topic/$aws/things/sensor-001/shadow/" + topic, kSensor);
    };
    for (const char* verb : {"get", "update", "name/health/get", "name/health/update"}) EXPECT_TRUE(may(verb)) << verb;
    for (const char* verb : {"delete", "name/health/delete", "update/accepted", "update/delta", "get/accepted"}) {
      EXPECT_FALSE(may(verb)) << verb << " with " << shared << " shared topics";
    }
    settings.things.push_back(test::Sensor("s" + std::to_string(shared)));
    settings.things.back().topic = fmt::format("plant/{:02}", shared);
  }
  EXPECT_GE(settings.things.size(), 3U) << "rotation, batches, metrics and retained presence must fit together";
  EXPECT_GT(widest, kMaxPolicyCharacters - 100) << "the widest was judged, too";
}

TEST(GatewayPolicy, ServesAHundredThingsWithTheLinesOfOne) {
  Settings settings = test::TwoSensors();
  for (int i = 0; i < 98; ++i) settings.things.push_back(test::Sensor("sensor-" + std::to_string(100 + i)));
  EXPECT_EQ(MakePolicy(settings, kArn)->Characters(kArn), MakePolicy(test::TwoSensors(), kArn)->Characters(kArn));
}

TEST(GatewayPolicy, SaysWhyItCannotBeOneDocument) {
  Settings settings = test::TwoSensors();
  for (int i = 0; i < 30; ++i) {
    settings.things.push_back(test::Sensor("s" + std::to_string(i)));
    settings.things.back().topic = "building/hall/line/cell/" + std::to_string(i);
  }
  const auto policy = MakePolicy(settings, kArn);
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().action, Action::kFixConfig);
  EXPECT_THAT(policy.error().message, HasSubstr("30 telemetry topics do not contain the thing's name"));
  EXPECT_THAT(policy.error().message, HasSubstr("sensors/{thing}/"));
  EXPECT_THAT(policy.error().message, Not(HasSubstr("template")));
}

TEST(GatewayPolicy, SaysWhatToLeaveOffWhereTheTopicsAreNotToBlame) {
  Settings settings = test::TwoSensors();
  for (ThingSettings& thing : settings.things) thing.topic = "$aws/rules/StoreSensorData/sensors/" + thing.name + "/t";
  settings.credentials.template_name = std::string(36, 'T');
  settings.upstream.status_retained = true;
  DutySettings duties;
  duties.health.defender = true;
  const auto policy = MakePolicy(settings, "arn:aws:iot:ap-southeast-1:123456789012:", duties);
  ASSERT_FALSE(policy);
  EXPECT_THAT(policy.error().message, Not(HasSubstr("do not contain")));
  for (const char* advice : {"template a shorter name", "defender off", "status_retained off"}) {
    EXPECT_THAT(policy.error().message, HasSubstr(advice));
  }
}

TEST(GatewayPolicy, NamesTopicsThatThingsShare) {
  Settings settings = test::TwoSensors();
  settings.things[1].topic = "all/readings";
  const auto policy = MakePolicy(settings, kArn);
  ASSERT_TRUE(policy);
  EXPECT_THAT(policy->shared_topics, testing::ElementsAre("all/readings"));
}

TEST(GatewayPolicy, ServesTopicsThatNameTheThingInsideALevelWithOneLine) {
  Settings settings = test::TwoSensors();
  for (int i = 0; i < 60; ++i) settings.things.push_back(test::Sensor("s" + std::to_string(i)));
  for (ThingSettings& thing : settings.things) thing.topic = "hall-" + thing.name + "/data";
  const auto policy = MakePolicy(settings, kArn);
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_THAT(policy->shared_topics, testing::IsEmpty());
  EXPECT_TRUE(Judged(settings).Allows("iot:Publish", "topic/hall-sensor-001/data", kSensor));
  EXPECT_FALSE(Judged(settings).Allows("iot:Publish", "topic/hall-sensor-002/data", kSensor));
  EXPECT_EQ(WithPlaceholder("sensors1/s1/a-s1:b/s12", "s1", "X"), "sensors1/X/a-X:b/s12");
  EXPECT_EQ(WithPlaceholder("hall-s1/t", "s1", "+"), "+/t");
}

// Both are allowed in a topic, and wildcards in a policy.
TEST(GatewayPolicy, TakesAnAsteriskInATopicForThatAndNoWildcard) {
  Settings settings = test::TwoSensors();
  settings.things.resize(1);
  settings.things[0].topic = "hall/*/sensor-001/?";
  const auto policy = Judged(settings);
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/hall/*/sensor-001/?", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/hall/north/sensor-001/?", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/hall/*/sensor-001/x", kSensor));
}

TEST(GatewayPolicy, LetsAThingAskForACertificateOnlyWhereATemplateIsConfigured) {
  Settings settings = test::TwoSensors();
  const std::string provision = "topic/$aws/provisioning-templates/fleet/provision/json";
  EXPECT_FALSE(Judged(settings).Allows("iot:Publish", provision, kSensor));
  settings.credentials.template_name = "fleet";
  const auto policy = Judged(settings);
  EXPECT_TRUE(policy.Allows("iot:Publish", provision, kSensor));
  EXPECT_TRUE(policy.Allows("iot:Publish", "topic/$aws/certificates/create-from-csr/json", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Subscribe", "topicfilter/$aws/certificates/create-from-csr/json/accepted", kSensor));
  EXPECT_TRUE(policy.Allows("iot:Receive", provision + "/rejected", kSensor));
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/$aws/certificates/create/json", kSensor)) << "no key of the cloud's";
  EXPECT_FALSE(policy.Allows("iot:Publish", "topic/$aws/provisioning-templates/other/provision/json", kSensor));
}

// The guide's policy, resource by resource: its shadow client speaks MQTT, and these two actions are of the HTTPS API.
constexpr const char* kGuidePolicy = R"({"Version":"2012-10-17","Statement":[
  {"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:us-east-1:123456789012:client/${iot:Connection.Thing.ThingName}"},
  {"Effect":"Allow","Action":"iot:Publish","Resource":["arn:aws:iot:us-east-1:123456789012:topic/sensors/${iot:Connection.Thing.ThingName}/*"]},
  {"Effect":"Allow","Action":"iot:Subscribe","Resource":["arn:aws:iot:us-east-1:123456789012:topicfilter/commands/${iot:Connection.Thing.ThingName}/*"]},
  {"Effect":"Allow","Action":"iot:Receive","Resource":["arn:aws:iot:us-east-1:123456789012:topic/commands/${iot:Connection.Thing.ThingName}/*"]},
  {"Effect":"Allow","Action":["iot:GetThingShadow","iot:UpdateThingShadow"],
   "Resource":"arn:aws:iot:us-east-1:123456789012:thing/${iot:Connection.Thing.ThingName}"}]})";

TEST(SeedFault, ThePolicyDeniesTheShadowOverMqttAndOursGrantsIt) {
  const auto guide = iotcore::Policy::Parse(kGuidePolicy);
  ASSERT_TRUE(guide) << guide.error().message;
  ASSERT_TRUE(guide->Allows("iot:Publish", "topic/sensors/sensor-001/temperature", kSensor)) << "it is read as meant";
  const auto ours = Judged(test::TwoSensors());
  const std::string shadow = "$aws/things/sensor-001/shadow/";
  for (const char* topic : {"update/delta", "get/accepted", "get/rejected", "update/accepted", "update/rejected"}) {
    for (const auto& [action, kind] :
         {std::pair("iot:Subscribe", "topicfilter/"), std::pair("iot:Receive", "topic/")}) {
      EXPECT_FALSE(guide->Allows(action, kind + shadow + topic, kSensor)) << topic;
      EXPECT_TRUE(ours.Allows(action, kind + shadow + topic, kSensor)) << topic;
    }
  }
  for (const char* topic : {"get", "update"}) {
    EXPECT_FALSE(guide->Allows("iot:Publish", "topic/" + shadow + topic, kSensor)) << topic;
    EXPECT_TRUE(ours.Allows("iot:Publish", "topic/" + shadow + topic, kSensor)) << topic;
  }
}

TEST(GatewayPolicy, BecomesAccessRulesOfTheStandIn) {
  const auto policy = Judged(test::TwoSensors());
  EXPECT_THAT(policy.Grants(), Contains(HasSubstr("iot:Publish topic/sensors/")));
  const auto delta = policy.Grant("iot:Receive", "topic/$aws/things/sensor-001/shadow/update/delta", kSensor);
  ASSERT_TRUE(delta) << "the grant that allows it is named, so that unused ones can be told";
  EXPECT_THAT(policy.Grants(), Contains("iot:Receive " + *delta));
}

}  // namespace
}  // namespace penumbra::cloud
