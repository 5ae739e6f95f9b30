// The plan, and what the two writers make of it. That Terraform takes the result is shown in process.terraform.
#include "cloud/infrastructure.hpp"

#include <gmock/gmock.h>

#include "cloud/hcl.hpp"
#include "cloud/script.hpp"
#include "cloud/terraform.hpp"
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

TEST(AwsPlan, GivesAwsAtMostThreeSearchableAttributesAndSaysSo) {
  Settings settings = test::TwoSensors();
  settings.things[0].attributes = {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}};
  const auto plan = Plan(settings, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->types[0].searchable.size(), 3u);
  EXPECT_THAT(plan->notes, testing::Contains(HasSubstr("TemperatureSensor")));
}

TEST(Hcl, EscapesWhatTheLanguageWouldInterpret) {
  EXPECT_EQ(HclString("${iot:ClientId} %{if} \"q\" \\ $x"), "\"$${iot:ClientId} %%{if} \\\"q\\\" \\\\ $x\"");
  EXPECT_EQ(HclName("9-a:b.c"), "n_9-a_b_c");
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
