// Rules on the gateway's own messages; and the guide's two rules with each of their faults beside ours.
#include "cloud/rule_trial.hpp"

#include <gmock/gmock.h>

#include "cloud/infrastructure.hpp"
#include "cloud/other_messages.hpp"
#include "cloud/script.hpp"
#include "cloud/terraform.hpp"
#include "model/telemetry_batch.hpp"
#include "rules/action.hpp"
#include "unit/cloud/cloud_fixture.hpp"

namespace penumbra::cloud {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Kind = rules::Outcome::Kind;

constexpr std::int64_t kNow = 1'763'841'600'123;

// As the guide writes them.
const RuleSettings kGuideStore{"StoreSensorData", "SELECT * FROM 'sensors/+/temperature'", "dynamodb", "sensor-data"};
const RuleSettings kGuideAnomaly{"AnomalyDetection",
                                 "SELECT * FROM 'sensors/+/temperature' WHERE value > 40 OR value < 0", "lambda",
                                 "anomaly-handler"};
// What the guide's device sends.
constexpr const char* kGuidePayload =
    R"({"device_id": "sensor-001", "temperature": 45.1, "humidity": 55.2, "timestamp": 1763841600123})";
constexpr const char* kTopic = "sensors/sensor-001/temperature";

Reading ReadingOf(const ThingSettings& thing, double temperature) {
  Reading reading = ExampleReading(thing, kNow);
  reading.values[0].value = temperature;
  return reading;
}

std::string OurPayload(double temperature) {
  const ThingSettings thing = test::Sensor("sensor-001");
  return MessagesOf(thing, {ReadingOf(thing, temperature)}, "stored")[0].payload;
}

TrialResult Try(const RuleSettings& rule, const std::string& payload, const std::string& topic = kTopic) {
  const auto trials = TryRules(test::TwoSensors(), {rule}, {{topic, payload, "sensor-001", "given"}}, kNow, true);
  EXPECT_EQ(trials[0].results.size(), 1u) << rule.sql;
  return trials[0].results.empty() ? TrialResult{} : trials[0].results[0];
}

RuleTrial TryOwn(const RuleSettings& rule, const Settings& settings = test::TwoSensors()) {
  std::vector<TrialMessage> messages;
  for (const ThingSettings& thing : settings.things) {
    for (TrialMessage& message : MessagesOf(thing, {ReadingOf(thing, 22.5)}, "stored")) messages.push_back(message);
  }
  return TryRules(settings, {rule}, messages, kNow, false)[0];
}

RuleSettings Rule(const std::string& sql, const std::string& action = "lambda", const std::string& target = "f") {
  return {"R", sql, action, target};
}

Json Input(const TrialResult& result) {
  const auto json = ParseJson(result.input);
  return json ? *json : Json();
}

TEST(GuideRules, WorkAsWrittenOnOurPayloads) {
  for (const double temperature : {-40.0, -0.1, 0.0, 22.5, 40.0, 40.1, 85.0}) {
    const TrialResult stored = Try(kGuideStore, OurPayload(temperature));
    EXPECT_TRUE(stored.delivered) << stored.why;
    EXPECT_EQ(stored.input, OurPayload(temperature));
    const TrialResult anomaly = Try(kGuideAnomaly, OurPayload(temperature));
    const bool outside = temperature > 40 || temperature < 0;
    EXPECT_EQ(anomaly.kind, outside ? Kind::kFired : Kind::kNotMatched) << temperature;
  }
  for (const RuleSettings& rule : {kGuideStore, kGuideAnomaly}) EXPECT_TRUE(TryOwn(rule).Ok());
}

// "value" is not in what the guide's device sends, so its anomaly rule never fires, however hot it gets.
TEST(SeedFault, AnomalyRuleNeverFiresOnTheGuidesPayloadAndDoesOnOurs) {
  EXPECT_EQ(Try(kGuideAnomaly, kGuidePayload).kind, Kind::kUndefined);
  EXPECT_EQ(Try(kGuideAnomaly, OurPayload(45.1)).kind, Kind::kFired);
  const RuleTrial trial =
      TryRules(test::TwoSensors(), {kGuideAnomaly}, {{kTopic, kGuidePayload, "sensor-001", "given"}}, kNow, true)[0];
  EXPECT_THAT(trial.findings, ElementsAre(HasSubstr("WHERE is Undefined for every message, so the rule never fires: no "
                                                    "message has `value`")));
}

TEST(SeedFault, StoredUnderTheNameThatThePayloadClaimsAndOursUnderTheTopics) {
  std::string spoofed = OurPayload(22.5);
  spoofed.replace(spoofed.find("sensor-001"), 10, "sensor-999");
  const RuleSettings ours = DefaultRules(test::TwoSensors())[0];
  EXPECT_EQ(Input(Try(kGuideStore, spoofed))["device_id"], "sensor-999");
  EXPECT_EQ(Input(Try(ours, spoofed))["device_id"], "sensor-001");
}

TEST(SeedFault, NothingEverExpiresAndOursDoesInSeconds) {
  const RuleSettings ours = DefaultRules(test::TwoSensors())[0];
  EXPECT_FALSE(Input(Try(kGuideStore, OurPayload(22.5))).contains("ttl"));
  EXPECT_EQ(Input(Try(ours, OurPayload(22.5)))["ttl"], kNow / 1000 + 30 * 86'400);
}

TEST(SeedFault, AnArrayOrAMissingKeyFailsTheTableAndOursSeesNoBatches) {
  const std::string batch = "[" + OurPayload(22.5) + "]";
  EXPECT_THAT(Try(kGuideStore, batch).why, HasSubstr("takes an object, and this is Array"));
  EXPECT_THAT(Try(kGuideStore, R"({"temperature":22.5})").why, HasSubstr("device_id"));
  EXPECT_THAT(Try(kGuideStore, R"({"device_id":"a","timestamp":"now"})").why, HasSubstr("timestamp wants a number"));
  Settings settings = test::TwoSensors();
  for (ThingSettings& thing : settings.things) thing.batch_bytes = 4500;
  const RuleTrial ours = TryOwn(DefaultRules(settings)[0], settings);
  EXPECT_TRUE(ours.Ok()) << testing::PrintToString(ours.findings);
  for (const TrialResult& result : ours.results) EXPECT_NE(result.message.topic, "sensors/sensor-001/batch");
  // A rule that takes both topics is told so before it is deployed.
  const RuleTrial wide = TryOwn({"Wide", "SELECT * FROM 'sensors/#'", "dynamodb", "sensor-data"}, settings);
  EXPECT_THAT(wide.findings, ElementsAre(HasSubstr("takes an object, and this is Array")));
}

TEST(RuleTrial, SaysThatARuleOnTheTopicSeesNothingOfAThingThatCollectsItsReadings) {
  Settings settings = test::TwoSensors();
  for (ThingSettings& thing : settings.things) {
    thing.batch_bytes = 4500;
    thing.batch_interval = std::chrono::minutes(5);
  }
  const RuleTrial table = TryOwn(DefaultRules(settings)[0], settings);
  EXPECT_TRUE(table.results.empty());
  EXPECT_THAT(table.notes, testing::Contains(HasSubstr("while the cloud refuses their batches")));
  const RuleTrial array = TryOwn({"Take", "SELECT * FROM 'sensors/+/batch'", "lambda", "f"}, settings);
  EXPECT_TRUE(array.Ok()) << testing::PrintToString(array.findings);
  ASSERT_FALSE(array.results.empty());
  EXPECT_EQ(array.results[0].input.front(), '[');
  EXPECT_THAT(Plan(settings, {})->notes, testing::Contains(HasSubstr("sensors/sensor-001/batch")));
}

// The resources of the guide's rules.tf that matter here, and ours.
struct RulesTerraform {
  std::string text;
  std::size_t Count(const std::string& what) const {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++count;
    return count;
  }
  bool EveryRuleTellsItsErrors() const {
    return Count("resource \"aws_iot_topic_rule\"") > 0 &&
           Count("resource \"aws_iot_topic_rule\"") == Count("error_action {");
  }
  bool LambdaMayBeCalled() const { return Count("lambda {") == Count("resource \"aws_lambda_permission\""); }
  bool LogsCanBeWritten() const { return Count("logs:PutLogEvents") > 0 && Count("logs:DescribeLogStreams") > 0; }
};

TEST(SeedFault, LambdaIsDeniedErrorsAreLostLogsAreNotWrittenAndOursMayAndTellAndAre) {
  const RulesTerraform guide{R"(
resource "aws_iot_topic_rule" "store_sensor_data" {
  sql = "SELECT * FROM 'sensors/+/temperature'"
  dynamodbv2 {
  }
  error_action {
    cloudwatch_logs {
    }
  }
}
resource "aws_iam_role_policy" "iot_cloudwatch_policy" {
  Action = [
    "logs:CreateLogStream",
    "logs:PutLogEvents"
  ]
}
resource "aws_iot_topic_rule" "anomaly_detection" {
  sql = "SELECT * FROM 'sensors/+/temperature' WHERE value > 40 OR value < 0"
  lambda {
    function_arn = aws_lambda_function.anomaly_handler.arn
  }
}
)"};
  const Settings settings = test::TwoSensors();
  const RulesTerraform ours{
      WriteTerraform(*Plan(settings, {}), *MakePolicy(settings, "arn:aws:iot:us-east-1:123456789012:"))};
  EXPECT_FALSE(guide.EveryRuleTellsItsErrors());
  EXPECT_TRUE(ours.EveryRuleTellsItsErrors()) << ours.text;
  EXPECT_FALSE(guide.LambdaMayBeCalled());
  EXPECT_TRUE(ours.LambdaMayBeCalled());
  EXPECT_FALSE(guide.LogsCanBeWritten());
  EXPECT_TRUE(ours.LogsCanBeWritten());
}

TEST(RuleTrial, TheBuiltInRulesDoWhatTheyAreThereFor) {
  const Settings settings = test::TwoSensors();
  for (const RuleSettings& rule : DefaultRules(settings)) {
    const RuleTrial trial = TryOwn(rule, settings);
    EXPECT_TRUE(trial.Ok()) << rule.name << testing::PrintToString(trial.findings) << trial.fault;
    EXPECT_THAT(trial.notes, IsEmpty()) << rule.name;
  }
}

TEST(RuleTrial, SaysWhichWordIsWrong) {
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM 'sensors/+/temperature' WHERE humdity > 90")).findings,
              ElementsAre(HasSubstr("no message has `humdity` (did you mean `humidity`?)")));
  EXPECT_THAT(TryOwn(Rule("SELECT temprature AS t FROM 'sensors/+/temperature'")).findings, Contains(HasSubstr("`t`")));
  EXPECT_THAT(TryOwn(Rule("SELECT device_id, humdity FROM 'sensors/+/temperature'")).findings,
              ElementsAre(HasSubstr("SELECT: `humdity` has no value in any message and is left out: no message has "
                                    "`humdity` (did you mean `humidity`?)")));
  EXPECT_THAT(TryOwn(Rule("SELECT topic(9) AS x FROM 'sensors/+/temperature'")).findings,
              ElementsAre(HasSubstr("`x`")));
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM 'sensor/+/temperature'")).findings,
              ElementsAre(HasSubstr("did you mean 'sensors/+/temperature'?")));
  EXPECT_THAT(TryOwn(Rule("SELECT *")).findings, ElementsAre(HasSubstr("$aws/rules/R/")));
  EXPECT_THAT(TryOwn(Rule("SELECT * FORM 'a'")).fault, HasSubstr("column 10"));
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM 'a'", "email")).fault, HasSubstr("no action \"email\""));
}

// Points fail and come back: what may be missing in one message is not told.
TEST(RuleTrial, SaysNothingOfWhatIsOnlySometimesThere) {
  const RuleTrial trial = TryOwn(Rule("SELECT device_id, bad, time, temperature FROM 'sensors/+/temperature'"));
  EXPECT_TRUE(trial.Ok()) << testing::PrintToString(trial.findings);
}

TEST(RuleTrial, FindsAMessageThatWouldFire) {
  const RuleTrial hot = TryOwn(kGuideAnomaly);
  ASSERT_TRUE(hot.would_fire);
  EXPECT_EQ(Input(*hot.would_fire)["value"], 41);
  const RuleTrial wet = TryOwn(Rule("SELECT * FROM 'sensors/+/temperature' WHERE humidity >= 90 AND temperature < 30"));
  ASSERT_TRUE(wet.would_fire);
  const RuleTrial never = TryOwn(Rule("SELECT * FROM 'sensors/+/temperature' WHERE value > 40 AND value < 0"));
  EXPECT_FALSE(never.would_fire);
  EXPECT_THAT(never.findings, ElementsAre(HasSubstr("no message of this gateway was found")));
}

TEST(RuleTrial, SaysWhatTheActionWouldNotTake) {
  const auto findings = [](const RuleSettings& rule) { return TryOwn(rule).findings; };
  EXPECT_THAT(findings(Rule("SELECT temperature FROM 'sensors/+/temperature'", "dynamodb", "t")),
              ElementsAre(HasSubstr("device_id wants text and gets nothing")));
  EXPECT_THAT(findings(Rule("SELECT VALUE nothing FROM 'sensors/+/temperature'")), Contains(HasSubstr("Undefined")));
  EXPECT_THAT(findings(Rule("SELECT * FROM 'sensors/+/temperature'", "republish", "a/+/b")),
              ElementsAre(HasSubstr("wildcard")));
  EXPECT_THAT(findings(Rule("SELECT * FROM 'sensors/+/temperature'", "republish", "${nothing}")),
              ElementsAre(HasSubstr("the topic is empty")));
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM 'sensors/+/temperature'", "republish", "$aws/things/x/shadow/update")).fault,
              HasSubstr("two dollars"));
  EXPECT_THAT(findings(Rule("SELECT * FROM 'sensors/+/temperature'", "republish", "$$aws/things/x/jobs/get")),
              ElementsAre(HasSubstr("jobs")));
  const RuleTrial good =
      TryOwn(Rule("SELECT * FROM 'sensors/+/temperature'", "republish", "$$aws/things/${topic(2)}/shadow/update"));
  ASSERT_FALSE(good.results.empty());
  EXPECT_EQ(good.results[0].destination, "$aws/things/sensor-001/shadow/update");
}

TEST(RuleTrial, SaysWhatIsAllowedButNotSettled) {
  EXPECT_THAT(TryOwn(Rule("SELECT timestamp / 1000 AS s FROM 'sensors/+/temperature'")).notes,
              ElementsAre(HasSubstr("7 / 2")));
  EXPECT_THAT(TryOwn(Rule("SELECT floor(timestamp / 1000) AS s FROM 'sensors/+/temperature'")).notes, IsEmpty());
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM '$aws/events/presence/#'")).notes, ElementsAre(HasSubstr("--payload")));
  EXPECT_THAT(TryOwn(Rule("SELECT * FROM 'status/+'")).notes, ElementsAre(HasSubstr("presence")));
  const RuleTrial cloud = TryOwn(Rule("SELECT aws_lambda('arn', *) AS x FROM 'a'"));
  EXPECT_TRUE(cloud.only_cloud);
  EXPECT_THAT(cloud.fault, HasSubstr("cannot be tested here"));
}

// The rule that puts presence into the shadow (aws-iot-core.md section 6), and one that takes too much.
TEST(RuleTrial, SeesPresenceAnswersAndGaps) {
  const Settings settings = test::TwoSensors();
  const auto tried = [&settings](const RuleSettings& rule) {
    return TryRules(settings, {rule}, OtherMessages(settings, kNow), kNow, false)[0];
  };
  const RuleTrial presence = tried(Rule("SELECT connected AS state.reported.connected FROM 'status/+'", "republish",
                                        "$$aws/things/${topic(2)}/shadow/update"));
  EXPECT_FALSE(presence.fault.empty()) << "an alias is one word";
  const RuleTrial shadow = tried(Rule("SELECT {\"reported\":{\"connected\":connected}} AS state FROM 'status/+'",
                                      "republish", "$$aws/things/${topic(2)}/shadow/update"));
  EXPECT_TRUE(shadow.Ok()) << shadow.fault << testing::PrintToString(shadow.findings);
  ASSERT_EQ(shadow.results.size(), 5U) << "three of the first thing, two of the gateway";
  EXPECT_EQ(shadow.results[2].input, R"({"state":{"reported":{"connected":false}}})");
  EXPECT_EQ(shadow.results[2].destination, "$aws/things/sensor-001/shadow/update");

  EXPECT_EQ(tried(Rule("SELECT * FROM 'status/+' WHERE sensor = 'unreachable'")).results[1].kind, Kind::kFired);
  EXPECT_EQ(tried(Rule("SELECT gap.lost AS lost FROM 'sensors/+/gap' WHERE gap.lost > 1")).results.size(), 1U);
  const RuleTrial greedy = tried(Rule("SELECT * FROM 'sensors/#'", "dynamodb", "readings"));
  EXPECT_THAT(greedy.findings, ElementsAre(HasSubstr("device_id"))) << "an answer to a command has no key of the table";
}

TEST(RuleTrial, BasicIngestIsSeenByItsRuleAlone) {
  Settings settings = test::TwoSensors();
  for (ThingSettings& thing : settings.things) thing.topic = "$aws/rules/StoreSensorData/" + thing.topic;
  EXPECT_EQ(TryOwn(DefaultRules(settings)[0], settings).results.size(), 2u);
  EXPECT_THAT(TryOwn(kGuideAnomaly, settings).findings, ElementsAre(HasSubstr("takes no topic of this gateway")));
  EXPECT_EQ(Input(TryOwn(DefaultRules(settings)[0], settings).results[0])["device_id"], "sensor-001");
}

TEST(RuleTrial, BatchesAreWhatTheUplinkSends) {
  ThingSettings thing = test::Sensor("sensor-001");
  thing.batch_bytes = 4500;
  const auto messages = MessagesOf(thing, {ReadingOf(thing, 1), ReadingOf(thing, 2)}, "stored");
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[2].topic, "sensors/sensor-001/batch");
  EXPECT_EQ(messages[2].payload, "[" + messages[0].payload + "," + messages[1].payload + "]");
  TelemetryBatch full(10);
  EXPECT_TRUE(full.Add("0123456789abcdef")) << "the first one always fits";
  EXPECT_FALSE(full.Add("x"));
  EXPECT_EQ(full.Take(), "[0123456789abcdef]");
}

TEST(ErrorAction, GetsTheWholeMessageAndEveryFailure) {
  rules::Facts facts;
  facts.topic = kTopic;
  facts.client_id = "sensor-001";
  const auto json =
      ParseJson(rules::ErrorActionInput("R", rules::Payload("abc"), facts, {{"dynamodb", "t", "no key"}}));
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["base64OriginalPayload"], "YWJj");
  EXPECT_EQ((*json)["failures"][0]["errorMessage"], "no key");
  EXPECT_EQ((*json)["clientId"], "sensor-001");
}

}  // namespace
}  // namespace penumbra::cloud
