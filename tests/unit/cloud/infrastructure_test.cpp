// The plan, and what the two writers make of it. That Terraform takes the result is shown in process.terraform.
#include "cloud/infrastructure.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

#include "cloud/hcl.hpp"
#include "cloud/names.hpp"
#include "cloud/script.hpp"
#include "cloud/terraform.hpp"
#include "model/defender.hpp"
#include "unit/cloud/cloud_fixture.hpp"

namespace penumbra::cloud {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Refusal(const Settings& settings) {
  const auto plan = Plan(settings, {});
  return plan ? "accepted" : plan.error().message;
}

DevicePolicy PolicyOf(const Settings& settings) {
  return *MakePolicy(settings, "arn:aws:iot:us-east-1:123456789012:");
}

TEST(AwsPlan, WantsARegionAndSaysHowToGiveIt) {
  Settings settings = test::TwoSensors();
  settings.upstream.endpoint = "localhost";
  EXPECT_THAT(Refusal(settings), HasSubstr("--region"));
  EXPECT_EQ(Plan(settings, {.region = "eu-central-1"})->region, "eu-central-1");
}

TEST(AwsPlan, RefusesWhatTheRegistryRefuses) {
  Settings settings = test::TwoSensors();
  settings.things[0].type.clear();
  settings.things[0].attributes = {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}};
  EXPECT_THAT(Refusal(settings), HasSubstr("3 without a type"));
  settings = test::TwoSensors();
  settings.things[0].attributes["location"] = "hall A (north)";
  EXPECT_THAT(Refusal(settings), HasSubstr("hall A (north)"));
}

TEST(AwsPlan, MendsTheFaultsOfTheGuide) {
  const Settings settings = test::TwoSensors();
  const auto plan = Plan(settings, {});
  ASSERT_TRUE(plan);
  for (const std::string& text : {WriteTerraform(*plan, PolicyOf(settings)), WriteScript(*plan, PolicyOf(settings))}) {
    EXPECT_THAT(text, HasSubstr("DescribeLogStreams"));
    EXPECT_THAT(text, HasSubstr("lambda:InvokeFunction"));
    EXPECT_THAT(text, HasSubstr("topic(2) AS device_id"));
    EXPECT_THAT(text, HasSubstr("AS ttl"));
    EXPECT_THAT(text, Not(HasSubstr("GetThingShadow")));
    EXPECT_THAT(text, Not(HasSubstr("private_key")));
    EXPECT_THAT(text, Not(HasSubstr("create-keys-and-certificate")));
  }
  EXPECT_THAT(WriteScript(*plan, PolicyOf(settings)), HasSubstr("attach-thing-principal --thing-name 'sensor-001'"));
  EXPECT_THAT(WriteTerraform(*plan, PolicyOf(settings)), HasSubstr("aws_iot_thing_principal_attachment"));
}

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++count;
  return count;
}

// Certificates that a script makes and to how many of them it gives a thing. Without one the policy's thing name stays
// unresolved, and CONNECT is refused.
struct Commands {
  std::string text;
  std::size_t Made() const {
    return Count(text, "aws iot create-keys-and-certificate") + Count(text, "aws iot create-certificate-from-csr");
  }
  bool EachIsAttached() const { return Made() > 0 && Made() == Count(text, "aws iot attach-thing-principal"); }
};

TEST(SeedFault, ACertificateBelongsToNoThingAndOursEachToItsOwn) {
  const Commands guide{R"(
aws iot create-thing --thing-name "sensor-001" --thing-type-name "TemperatureSensor"
aws iot create-keys-and-certificate --set-as-active --certificate-pem-outfile "device.cert.pem"
aws iot create-policy --policy-name "SensorDevicePolicy" --policy-document file://sensor-policy.json
aws iot attach-policy --policy-name "SensorDevicePolicy" --target "arn:aws:iot:us-east-1:123456789012:cert/abc123..."
)"};
  EXPECT_FALSE(guide.EachIsAttached());
  const Settings settings = test::TwoSensors();
  const Commands ours{WriteScript(*Plan(settings, {}), PolicyOf(settings))};
  EXPECT_TRUE(ours.EachIsAttached()) << ours.text;
  EXPECT_EQ(ours.Made(), 3U);
}

// A key that Terraform has seen is in its state file, for whoever reads that.
struct Certificates {
  std::string text;
  bool KeysInState() const {
    return Count(text, "resource \"aws_iot_certificate\"") != Count(text, "csr = file(") ||
           Count(text, "private_key") > 0;
  }
};

TEST(SeedFault, PrivateKeysAreInTheStateFileAndOursNeverLeaveTheGateway) {
  const Certificates guide{R"(
resource "aws_iot_certificate" "sensor_001_cert" {
  active = true
}
output "private_key" {
  value     = aws_iot_certificate.sensor_001_cert.private_key
  sensitive = true
}
)"};
  EXPECT_TRUE(guide.KeysInState());
  const Settings settings = test::TwoSensors();
  EXPECT_FALSE(Certificates{WriteTerraform(*Plan(settings, {}), PolicyOf(settings))}.KeysInState());
  Settings fleet = settings;
  fleet.credentials.template_name = "fleet";
  EXPECT_FALSE(Certificates{WriteTerraform(*Plan(fleet, {}), PolicyOf(fleet))}.KeysInState()) << "the claim's neither";
}

TEST(AwsPlan, GivesAwsAtMostThreeSearchableAttributesAndSaysSo) {
  Settings settings = test::TwoSensors();
  settings.things[0].attributes = {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}};
  const auto plan = Plan(settings, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->types[0].searchable.size(), 3u);
  EXPECT_THAT(plan->notes, testing::Contains(HasSubstr("TemperatureSensor")));
}

TEST(AwsPlan, MakesTheCustomMetricsOfDeviceDefenderWhereReportsAreSent) {
  Settings settings = test::TwoSensors();
  settings.gateway.thing = "gateway-01";
  DutySettings duties;
  for (const std::string& text : {WriteScript(*Plan(settings, {}, duties), PolicyOf(settings)),
                                  WriteTerraform(*Plan(settings, {}, duties), PolicyOf(settings))}) {
    EXPECT_THAT(text, Not(HasSubstr("bus_load"))) << "nothing is reported";
  }
  duties.health.defender = true;
  const Infrastructure plan = *Plan(settings, {}, duties);
  const std::string script = WriteScript(plan, PolicyOf(settings)),
                    terraform = WriteTerraform(plan, PolicyOf(settings));
  for (const CustomMetric& metric : kCustomMetrics) {
    EXPECT_THAT(script,
                HasSubstr(fmt::format("create-custom-metric --metric-name {} --metric-type number", metric.name)));
    EXPECT_THAT(terraform, HasSubstr(fmt::format("\"MetricName\" = \"{}\"", metric.name)));
  }
  EXPECT_THAT(terraform, HasSubstr("aws_cloudformation_stack"));
  settings.gateway.thing.clear();
  EXPECT_FALSE(Plan(settings, {}, duties)->defender_metrics) << "nobody reports";
}

// --- two gateways in one account ---

TEST(AwsRoles, HaveTheGatewaysNameAndFitWhereAwsTakesLess) {
  const auto role = [](const std::string& gateway) {
    Settings settings = test::TwoSensors();
    settings.gateway.thing = gateway;
    return RoleName(settings, "provisioning");
  };
  EXPECT_EQ(role("gateway-01"), "penumbra-gateway-01-provisioning");
  EXPECT_NE(role("hall:1"), role("hall_1"));
  EXPECT_EQ(role(std::string(127, 'g') + "1").size(), kMaxRoleName);
  EXPECT_NE(role(std::string(127, 'g') + "1"), role(std::string(127, 'g') + "2"));
  EXPECT_NE(role(""), "penumbra--provisioning") << "without a gateway's thing the first thing's name";
}

TEST(AwsRoles, OfTwoGatewaysAreNotTheSame) {
  Settings settings = test::TwoSensors();
  settings.credentials.template_name = "fleet";
  settings.gateway.thing = "gateway-07";
  const Infrastructure plan = *Plan(settings, {});
  for (const std::string& text : {WriteScript(plan, PolicyOf(settings)), WriteTerraform(plan, PolicyOf(settings))}) {
    EXPECT_THAT(text, HasSubstr("penumbra-gateway-07-rules"));
    EXPECT_THAT(text, HasSubstr("penumbra-gateway-07-provisioning"));
    EXPECT_THAT(text, testing::Not(HasSubstr("penumbra-iot-")));
  }
}

TEST(Hcl, EscapesWhatTheLanguageWouldInterpret) {
  EXPECT_EQ(HclString("${iot:ClientId} %{if} \"q\" \\ $x"), "\"$${iot:ClientId} %%{if} \\\"q\\\" \\\\ $x\"");
  EXPECT_THAT(HclName("9-a:b.c"), testing::StartsWith("n_9-a_b_c_"));
  EXPECT_EQ(HclName("sensor-001"), "sensor-001");
}

// --- names that are allowed and unusual ---

std::vector<std::string> Labels(const std::string& terraform) {
  std::vector<std::string> labels;
  std::istringstream lines(terraform);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("resource ")) labels.push_back(line);
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

TEST(Terraform, GivesEveryThingALabelOfItsOwn) {
  Settings settings = test::TwoSensors();
  settings.things.clear();
  for (const char* name : {"a:b", "a_b", "9x", "n_9x", "-x", "_x", "hall", "hall--b"}) {
    settings.things.push_back(test::Sensor(name));
    settings.things.back().groups = {"g:1", "g_1", "b--c", "c"};
    settings.things.back().type = std::string("type:") + name;
  }
  const auto labels = Labels(WriteTerraform(*Plan(settings, {}), PolicyOf(settings)));
  EXPECT_EQ(std::adjacent_find(labels.begin(), labels.end()), labels.end())
      << *std::adjacent_find(labels.begin(), labels.end());
  EXPECT_THAT(labels, testing::Contains("resource \"aws_iot_thing\" \"a_b\" {")) << "who needs no change gets none";
}

TEST(AwsPlan, RefusesATableOrFunctionThatIsNoName) {
  const auto refused = [](const std::string& action, const std::string& target) {
    const auto plan = Plan(test::TwoSensors(), {.rules = {{"R", "SELECT * FROM 'a'", action, target}}});
    return plan ? "accepted" : plan.error().message;
  };
  EXPECT_THAT(refused("dynamodb", "$(id)"), HasSubstr("rule R: \"$(id)\" is no name of a table"));
  EXPECT_THAT(refused("dynamodb", "ab"), HasSubstr("3 to 255"));
  EXPECT_THAT(refused("lambda", "arn:aws:lambda"), HasSubstr("no name of a function"));
  EXPECT_THAT(refused("republish", "$aws/things/x/shadow/update"), HasSubstr("two dollars"));
  EXPECT_EQ(refused("dynamodb", "sensor.data_1-x"), "accepted");
  EXPECT_THAT(Plan(test::TwoSensors(), {.region = "us$(id)"}).error().message, HasSubstr("no AWS region"));
}

// A role that names ${topic(2)} literally may publish nowhere, and a shell would take it for its own.
TEST(AwsPlan, LetsARepublishActionWriteWhereItsTopicIsFilledIn) {
  const Settings settings = test::TwoSensors();
  const auto plan =
      Plan(settings, {.rules = {{"R", "SELECT * FROM 'a'", "republish", "$$aws/things/${get(o, \"}\")}/shadow/update"},
                                {"S", "SELECT * FROM 'a'", "republish", "alarm/$(x)/`y`/${topic(2)}"}}});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(plan->topics, testing::ElementsAre("$aws/things/*/shadow/update", "alarm/$(x)/`y`/*"));
  EXPECT_THAT(WriteTerraform(*plan, PolicyOf(settings)),
              HasSubstr("\"${local.iot_arn}topic/$aws/things/*/shadow/update\""));
  EXPECT_THAT(
      WriteScript(*plan, PolicyOf(settings)),
      HasSubstr("\"${iot_arn}topic/\\$aws/things/*/shadow/update\",\"${iot_arn}topic/alarm/\\$(x)/\\`y\\`/*\""));
}

TEST(AwsPlan, NamesThePartitionOfItsRegion) {
  EXPECT_EQ(IotArnHead("cn-north-1", "1"), "arn:aws-cn:iot:cn-north-1:1:");
  EXPECT_EQ(IotArnHead("us-gov-west-1", "1"), "arn:aws-us-gov:iot:us-gov-west-1:1:");
  Settings settings = test::TwoSensors();
  settings.upstream.endpoint = "x.ats.iot.cn-north-1.amazonaws.com.cn";
  settings.credentials.template_name = "fleet";
  const Infrastructure plan = *Plan(settings, {});
  for (const std::string& text : {WriteScript(plan, PolicyOf(settings)), WriteTerraform(plan, PolicyOf(settings))}) {
    EXPECT_THAT(text, Not(HasSubstr("arn:aws:")));
    EXPECT_THAT(text, HasSubstr("arn:aws-cn:iam::aws:policy/service-role/AWSIoTThingsRegistration"));
  }
}

TEST(Shell, AWordStaysOneWord) {
  EXPECT_EQ(ShellWord("a'b $c"), "'a'\\''b $c'");
}

TEST(RegionOf, ReadsTheEndpoint) {
  EXPECT_EQ(RegionOf("x-ats.iot.eu-west-2.amazonaws.com"), "eu-west-2");
  EXPECT_EQ(RegionOf("broker.example"), "");
}

}  // namespace
}  // namespace penumbra::cloud
