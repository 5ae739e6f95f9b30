// The provisioning template and the claim's policy: filled in and judged by the stand-in's own services.
#include "cloud/provisioning.hpp"

#include <gmock/gmock.h>

#include "cloud/infrastructure.hpp"
#include "cloud/script.hpp"
#include "cloud/terraform.hpp"
#include "identity/claim.hpp"
#include "iotcore/policy.hpp"
#include "iotcore/provisioning_service.hpp"
#include "unit/cloud/cloud_fixture.hpp"

namespace penumbra::cloud {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kArn = "arn:aws:iot:us-east-1:123456789012:";

Settings Fleet() {
  Settings settings = test::TwoSensors();
  settings.credentials.template_name = "fleet";
  return settings;
}

Provisioning Made(const Settings& settings) {
  auto made = MakeProvisioning(settings, "PenumbraDevicePolicy");
  EXPECT_TRUE(made) << made.error().message;
  return std::move(made).value();
}

Result<iotcore::ProvisioningTemplate::Outcome> Register(const Settings& settings, const Json& parameters) {
  auto parsed = iotcore::ProvisioningTemplate::Parse(Made(settings).body.dump());
  if (!parsed) return Fail(parsed.error());
  return parsed->Apply(parameters, "cafe");
}

TEST(FleetProvisioning, WantsATemplateNameThatAwsTakes) {
  EXPECT_THAT(MakeProvisioning(test::TwoSensors(), "p").error().message, HasSubstr("[credentials]"));
  Settings settings = Fleet();
  settings.credentials.template_name = "my fleet";
  EXPECT_THAT(MakeProvisioning(settings, "p").error().message, HasSubstr("my fleet"));
  settings.credentials.template_name = std::string(37, 'x');
  EXPECT_FALSE(MakeProvisioning(settings, "p"));
}

TEST(FleetProvisioning, RegistersTheThingsOfTheConfigurationAndNoOther) {
  const auto child = Register(Fleet(), {{"ThingName", "sensor-001"}, {"ParentThing", "gateway-01"}});
  ASSERT_TRUE(child) << child.error().message;
  EXPECT_EQ(child->thing, "sensor-001");
  EXPECT_EQ(child->attributes, Json({{"gateway", "gateway-01"}}));
  EXPECT_TRUE(child->activate);
  EXPECT_FALSE(child->must_be_new) << "the thing is there already, and rotation registers it again";
  const auto gateway = Register(Fleet(), {{"ThingName", "gateway-01"}});
  ASSERT_TRUE(gateway) << gateway.error().message;
  EXPECT_EQ(gateway->attributes, Json({{"gateway", "gateway-01"}}));
  for (const char* other : {"sensor-999", "gateway-02", ""}) {
    const auto refused = Register(Fleet(), {{"ThingName", other}, {"ParentThing", "gateway-01"}});
    ASSERT_FALSE(refused) << other;
    EXPECT_THAT(refused.error().message, HasSubstr("ThingName"));
  }
}

TEST(FleetProvisioning, DeclaresEveryParameterThatTheGatewaySends) {
  Settings settings = Fleet();
  settings.credentials.parameters = {{"SerialNumber", "{thing}-x"}, {"Batch", "7"}};
  const OrderedJson parameters = Made(settings).body["Parameters"];
  for (const char* name : {"ThingName", "ParentThing", "SerialNumber", "Batch", "AWS::IoT::Certificate::Id"}) {
    EXPECT_TRUE(parameters.contains(name)) << name;
  }
  EXPECT_FALSE(parameters["SerialNumber"].contains("Default")) << "it is always given";
}

TEST(FleetProvisioning, DropsTheListWhereAwsWouldNotTakeItAndSaysSo) {
  Settings settings = Fleet();
  settings.things[0].name = "hall:1";
  EXPECT_FALSE(Made(settings).names_things);
  EXPECT_EQ(Register(settings, {{"ThingName", "hall:1"}, {"ParentThing", "gateway-01"}})->thing, "hall:1");
  settings = Fleet();
  for (int i = 0; i < 400; ++i) settings.things.push_back(test::Sensor("sensor-of-a-big-hall-" + std::to_string(i)));
  const Provisioning big = Made(settings);
  EXPECT_FALSE(big.names_things);
  EXPECT_LE(big.body.dump().size(), kMaxTemplateBytes);
  const auto plan = Plan(settings, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->notes, testing::Contains(HasSubstr("whoever has the claim can register any")));
  for (int i = 0; i < 400; ++i) settings.credentials.parameters["Parameter" + std::to_string(i)] = "x";
  EXPECT_THAT(MakeProvisioning(settings, "p").error().message, HasSubstr("10240"));
}

TEST(FleetProvisioning, LetsAClaimAskForACertificateAndBeNothingElse) {
  const auto policy = iotcore::Policy::Parse(Made(Fleet()).claim.Document(kArn).dump());
  ASSERT_TRUE(policy);
  const iotcore::Principal claim{.thing = "", .client_id = std::string(identity::kClaimClientPrefix) + "0123"};
  EXPECT_TRUE(policy->Allows("iot:Connect", "client/" + claim.client_id, claim));
  EXPECT_FALSE(policy->Allows("iot:Connect", "client/sensor-001", claim));
  const std::string create = "$aws/certificates/create-from-csr/json";
  const std::string provision = "$aws/provisioning-templates/fleet/provision/json";
  for (const std::string& topic : {create, provision}) {
    EXPECT_TRUE(policy->Allows("iot:Publish", "topic/" + topic, claim));
    for (const char* answer : {"/accepted", "/rejected"}) {
      EXPECT_TRUE(policy->Allows("iot:Subscribe", "topicfilter/" + topic + answer, claim));
      EXPECT_TRUE(policy->Allows("iot:Receive", "topic/" + topic + answer, claim));
      EXPECT_FALSE(policy->Allows("iot:Publish", "topic/" + topic + answer, claim));
    }
  }
  for (const char* topic : {"$aws/certificates/create/json", "$aws/provisioning-templates/other/provision/json",
                            "sensors/sensor-001/temperature", "status/gateway-01"}) {
    EXPECT_FALSE(policy->Allows("iot:Publish", std::string("topic/") + topic, claim)) << topic;
  }
  EXPECT_FALSE(policy->Allows("iot:Subscribe", "topicfilter/#", claim));
}

TEST(FleetProvisioning, ReplacesTheCertificatesOfTerraformAndScript) {
  const Settings settings = Fleet();
  const auto plan = Plan(settings, {});
  ASSERT_TRUE(plan);
  const DevicePolicy policy = *MakePolicy(settings, kArn);
  for (const std::string& text : {WriteTerraform(*plan, policy), WriteScript(*plan, policy)}) {
    EXPECT_THAT(text, HasSubstr("AWSIoTThingsRegistration"));
    EXPECT_THAT(text, HasSubstr("Fn::FindInMap"));
    EXPECT_THAT(text, Not(HasSubstr("sensor-001.csr"))) << "nobody has made such a request";
    EXPECT_THAT(text, Not(HasSubstr("private_key")));
  }
}

TEST(FleetProvisioning, CountsItsAttributeAmongTheThreeThatAwsAllowsWithoutAType) {
  Settings settings = Fleet();
  settings.things[0].type.clear();
  settings.things[0].attributes = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  const auto plan = Plan(settings, {});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("\"gateway\" among them"));
}

}  // namespace
}  // namespace penumbra::cloud
