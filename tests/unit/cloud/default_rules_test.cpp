// The built-in rules over topics of every form that a thing may have. That they work on our messages: rule_trial_test.
#include "cloud/default_rules.hpp"

#include <gmock/gmock.h>

#include "cloud/rule_trial.hpp"
#include "unit/cloud/cloud_fixture.hpp"

namespace penumbra::cloud {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Settings On(const std::vector<std::string>& topics) {
  Settings settings = test::TwoSensors();
  settings.things.clear();
  for (const std::string& topic : topics) {
    settings.things.push_back(test::Sensor("s" + std::to_string(settings.things.size() + 1)));
    settings.things.back().topic = topic;
  }
  return settings;
}

std::vector<std::string> Names(const Settings& settings) {
  std::vector<std::string> names;
  for (const RuleSettings& rule : DefaultRules(settings)) names.push_back(rule.name);
  return names;
}

// What goes into the table of each thing's example message: its device_id, or why nothing does.
std::vector<std::string> StoredUnder(const Settings& settings) {
  std::vector<std::string> stored;
  for (const ThingSettings& thing : settings.things) {
    const auto messages = MessagesOf(thing, {ExampleReading(thing, 1'763'841'600'123)}, "example");
    std::string under = "nothing";
    for (const RuleTrial& trial : TryRules(settings, DefaultRules(settings), messages, 1, true)) {
      if (!trial.fault.empty()) return {trial.fault};
      for (const TrialResult& result : trial.results) {
        if (trial.rule.action != "dynamodb") continue;
        under =
            result.delivered ? GetString(*ParseJson(result.input), "device_id").value_or("no device_id") : result.why;
      }
    }
    stored.push_back(under);
  }
  return stored;
}

TEST(BuiltInRules, StoreAReadingUnderItsThingWhereverItStandsInTheTopic) {
  EXPECT_THAT(StoredUnder(On({"sensors/s1/temperature", "plant/hall/s2/t", "s3/t", "all/readings", "x-s5/t"})),
              ElementsAre("s1", "s2", "s3", "s4", "s5"));
  EXPECT_THAT(DefaultRules(On({"plant/hall/s1/t"}))[0].sql, HasSubstr("topic(3) AS device_id"))
      << "the policy guards the topic, and nobody what a device says of itself";
}

// One rule for all of them, and not one for each thing.
TEST(BuiltInRules, ServeTopicsThatNameTheThingInsideALevel) {
  const Settings settings = On({"hall-s1/t", "hall-s2/t", "hall-s3/t"});
  EXPECT_THAT(Names(settings), ElementsAre("StoreSensorData", "AnomalyDetection"));
  EXPECT_THAT(StoredUnder(settings), ElementsAre("s1", "s2", "s3"));
}

TEST(BuiltInRules, StandInSqlForAGatewayWithoutThingsAndForAnyTopicThatIsOne) {
  const Settings none = On({});
  for (const RuleTrial& trial : TryRules(none, DefaultRules(none), {}, 1, false)) EXPECT_EQ(trial.fault, "");
  EXPECT_THAT(StoredUnder(On({"it's/s1/t"})), ElementsAre("s1"));
  EXPECT_THAT(DefaultRules(On({"it's/s1/t"}))[0].sql, HasSubstr("FROM '+/+/t'"));
}

TEST(BuiltInRules, OfThingsThatPublishStraightToThemAreNoMoreThanTheTwo) {
  const Settings alone = On({"$aws/rules/StoreSensorData/sensors/s1/t", "$aws/rules/StoreSensorData/plant/hall/s2/t"});
  EXPECT_THAT(Names(alone), ElementsAre("StoreSensorData", "AnomalyDetection"));
  EXPECT_THAT(StoredUnder(alone), ElementsAre("s1", "s2"));
  const Settings both = On({"plant/hall/s1/t", "$aws/rules/StoreSensorData/sensors/s2/temperature", "other/s3",
                            "$aws/rules/StoreSensorData2/other/s4"});
  EXPECT_THAT(Names(both), ElementsAre("StoreSensorData", "AnomalyDetection", "StoreSensorData2", "AnomalyDetection2"));
  EXPECT_THAT(StoredUnder(both), ElementsAre("s1", "s2", "s3", "s4"));
}

TEST(BuiltInRules, LeaveARuleOfSomebodyElsesAloneAndSaySo) {
  const Settings settings = On({"sensors/s1/temperature", "$aws/rules/Mine/sensors/s2/temperature",
                                "$aws/rules/StoreSensorData/sensors/s3/temperature"});
  EXPECT_THAT(Names(settings), ElementsAre("StoreSensorData", "AnomalyDetection"));
  EXPECT_THAT(IngestNotes(settings, DefaultRules(settings)),
              ElementsAre(HasSubstr("s2 publishes straight to rule Mine, which is not made here"),
                          HasSubstr("s3 publishes straight to rule StoreSensorData: no other rule sees it")));
  EXPECT_THAT(IngestNotes(On({"sensors/s1/temperature"}), {}), testing::IsEmpty());
}

}  // namespace
}  // namespace penumbra::cloud
