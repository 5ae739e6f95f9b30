#include "cloud/cost.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "cloud/infrastructure.hpp"
#include "unit/cloud/cloud_fixture.hpp"

namespace penumbra::cloud {
namespace {

using testing::HasSubstr;

Prices BuiltIn() {
  const auto prices = ParsePrices(kBuiltInPrices);
  EXPECT_TRUE(prices) << prices.error().message;
  return *prices;
}

const CostRow& Row(const Cost& cost, const std::string& what) {
  for (const CostRow& row : cost.rows) {
    if (row.what.find(what) != std::string::npos) return row;
  }
  throw std::runtime_error(what);
}

TEST(AwsPrices, RefuseAFileThatLacksOne) {
  EXPECT_THAT(ParsePrices("{}").error().message, HasSubstr("as_of"));
  EXPECT_THAT(ParsePrices(R"({"as_of":"x","message_unit_bytes":5120,"shadow_unit_bytes":1024,"per_million":{}})")
                  .error()
                  .message,
              HasSubstr("connection_minutes"));
  EXPECT_FALSE(ParsePrices("no json"));
}

// By hand: 2 things every 30 s are 172,800 messages in 30 days, one unit each; 3 connections are 129,600 minutes.
TEST(AwsCost, AgreesWithArithmeticByHand) {
  const Settings settings = test::TwoSensors();
  const Cost cost = Estimate(settings, DefaultRules(settings), BuiltIn());
  EXPECT_DOUBLE_EQ(Row(cost, "messages").count.most, 172'800);
  EXPECT_DOUBLE_EQ(Row(cost, "messages").price.most, 0.1728);
  EXPECT_DOUBLE_EQ(Row(cost, "connection").count.most, 129'600);
  EXPECT_DOUBLE_EQ(Row(cost, "rules triggered").count.most, 2 * 172'800);
  EXPECT_DOUBLE_EQ(Row(cost, "rule actions").count.least, 172'800);
  // A heartbeat every ten minutes at least, a report a minute at most; the gateway's health every five minutes.
  // And a GET a shadow and session: a session of the two children and the gateway, which has two shadows, lasts a
  // fortnight or a day.
  EXPECT_DOUBLE_EQ(Row(cost, "shadow").count.least, 2 * 4'320 + 8'640 + 4 * 30 / 14.0);
  EXPECT_DOUBLE_EQ(Row(cost, "shadow").count.most, 2 * 43'200 + 8'640 + 4 * 30);
  DutySettings duties;
  duties.health.defender = true;
  EXPECT_DOUBLE_EQ(Row(Estimate(settings, DefaultRules(settings), BuiltIn(), duties), "messages").count.most,
                   172'800 + 2 * 8'640);
}

// However fast a thing is polled: its shadow is told of measured values once a minute in the long run.
TEST(AwsCost, FastPollsCostMessagesAndNoShadowOperations) {
  Settings settings = test::TwoSensors();
  for (ThingSettings& thing : settings.things) thing.sample_interval = std::chrono::seconds(1);
  const Cost cost = Estimate(settings, DefaultRules(settings), BuiltIn());
  EXPECT_DOUBLE_EQ(Row(cost, "messages").count.most, 2 * 2'592'000);
  EXPECT_DOUBLE_EQ(Row(cost, "shadow").count.most, 2 * 43'200 + 8'640 + 4 * 30);
}

TEST(AwsCost, WhatItProposesSavesWhatItSaysWhenItIsWritten) {
  Settings settings = test::TwoSensors();
  const auto rules = DefaultRules(settings);
  const Cost before = Estimate(settings, rules, BuiltIn());
  for (const Saving& saving : before.savings) EXPECT_LT(saving.price.least, before.total.least + 1e-9) << saving.how;
  ASSERT_THAT(before.savings, testing::Contains(testing::Field(&Saving::how, HasSubstr("Basic Ingest"))));
  EXPECT_THAT(before.savings,
              testing::Contains(testing::Field(
                  &Saving::how, HasSubstr("\"$aws/rules/StoreSensorData/sensors/{thing}/temperature\""))));
  for (ThingSettings& thing : settings.things) thing.topic = "$aws/rules/StoreSensorData/" + thing.topic;
  const Cost after = Estimate(settings, rules, BuiltIn());
  EXPECT_DOUBLE_EQ(Row(after, "messages").count.most, 0);
  for (const Saving& saving : before.savings) {
    if (saving.how.find("Basic Ingest") != std::string::npos) {
      EXPECT_DOUBLE_EQ(saving.price.most, after.total.most);
    }
  }
}

// By hand: at 30 s ten readings come in five minutes, and each has about 110 bytes, so all fit into one unit of 5 KB.
TEST(AwsCost, BatchesOfFiveMinutesCostATenth) {
  Settings settings = test::TwoSensors();
  const std::vector<RuleSettings> rules = {{"Take", "SELECT * FROM 'sensors/+/batch'", "lambda", "f"}};
  const Cost before = Estimate(settings, rules, BuiltIn());
  EXPECT_DOUBLE_EQ(Row(before, "rules triggered").count.most, 0) << "no thing sends there";
  const auto saving = std::find_if(before.savings.begin(), before.savings.end(),
                                   [](const Saving& s) { return s.how.find("batch_interval") != std::string::npos; });
  ASSERT_NE(saving, before.savings.end());
  for (ThingSettings& thing : settings.things) {
    thing.batch_bytes = 4608;
    thing.batch_interval = std::chrono::minutes(5);
  }
  const Cost after = Estimate(settings, rules, BuiltIn());
  EXPECT_DOUBLE_EQ(Row(after, "messages").count.most, 17'280);
  EXPECT_DOUBLE_EQ(Row(after, "rules triggered").count.most, 17'280);
  EXPECT_DOUBLE_EQ(saving->price.most, after.total.most) << "what it proposes saves what it says";
  // One that is full sooner goes sooner: six readings of some 110 bytes in 700.
  for (ThingSettings& thing : settings.things) thing.batch_bytes = 700;
  const double full = Row(Estimate(settings, rules, BuiltIn()), "messages").count.most;
  EXPECT_GT(full, 17'280);
  EXPECT_LT(full, 172'800 / 3.0);
}

TEST(AwsCost, CountsRulesByUnitsOfFiveKilobytesLikeMessages) {
  Settings settings = test::TwoSensors();
  settings.things.resize(1);
  const std::vector<RuleSettings> rules = {{"All", "SELECT * FROM 'sensors/+/temperature'", "lambda", "f"}};
  EXPECT_DOUBLE_EQ(Row(Estimate(settings, rules, BuiltIn()), "rules triggered").count.most, 86'400);
  for (int i = 0; i < 300; ++i) {
    PointSettings point;
    point.name = "point_with_a_long_name_" + std::to_string(i);
    settings.things[0].points.push_back(point);
  }
  const Cost cost = Estimate(settings, rules, BuiltIn());
  ASSERT_GT(cost.message_bytes, 5120u);
  const double units = 86'400 * std::ceil(static_cast<double>(cost.message_bytes) / 5120.0);
  EXPECT_DOUBLE_EQ(Row(cost, "rules triggered").count.most, units);
  EXPECT_DOUBLE_EQ(Row(cost, "rule actions").count.most, units);
}

// Each price of the reference (aws-iot-core.md, section 3) times each count, for a month of 30 days.
TEST(AwsCost, EachRowIsItsCountTimesItsPrice) {
  const Settings settings = test::TwoSensors();
  const Cost cost = Estimate(settings, DefaultRules(settings), BuiltIn());
  EXPECT_DOUBLE_EQ(Row(cost, "connection").price.most, 129'600 * 0.08 / 1e6);
  EXPECT_DOUBLE_EQ(Row(cost, "messages").price.most, 172'800 * 1.00 / 1e6);
  EXPECT_DOUBLE_EQ(Row(cost, "shadow").price.most, (2 * 43'200 + 8'640 + 120) * 1.25 / 1e6);
  // CONNECT, presence and 22 filters of three things, every day.
  EXPECT_DOUBLE_EQ(Row(cost, "begin of sessions").count.most, 3 * 30 * (2 + 22));
  EXPECT_DOUBLE_EQ(Row(cost, "begin of sessions").count.least, 3 * (2 * 30 / 14.0 + 22));
  EXPECT_DOUBLE_EQ(Row(cost, "rules triggered").price.most, 2 * 172'800 * 0.15 / 1e6);
  EXPECT_DOUBLE_EQ(Row(cost, "rule actions").price.most, 2 * 172'800 * 0.15 / 1e6);
  EXPECT_NEAR(cost.total.most, 0.010368 + 0.1728 + 0.11895 + 0.05184 + 0.05184 + 0.00216, 1e-9);
}

// An update, what answers it and the two PUBACKs: five messages, should they be metered.
TEST(AwsCost, SaysApartWhatIsNotSettled) {
  const Settings settings = test::TwoSensors();
  const Cost cost = Estimate(settings, DefaultRules(settings), BuiltIn());
  EXPECT_DOUBLE_EQ(cost.unsettled.count.most, 5 * (2 * 43'200 + 8'640) + 30 * 3 * (2 * 2 + 3));
  EXPECT_DOUBLE_EQ(cost.unsettled.price.most, cost.unsettled.count.most / 1e6);
}

TEST(AwsCost, CountsARetainedPresenceTwice) {
  Settings settings = test::TwoSensors();
  const auto begin = [&settings] { return Row(Estimate(settings, {}, BuiltIn()), "begin of sessions").count.most; };
  const double before = begin();
  settings.upstream.status_retained = true;
  EXPECT_DOUBLE_EQ(begin(), before + 3 * 30);
  settings.credentials.template_name = "fleet";
  EXPECT_DOUBLE_EQ(begin(), before + 3 * 30) << "answers about certificates are for those who ask for one";
}

TEST(AwsCost, CountsLargeMessagesByUnitsOfFiveKilobytes) {
  Settings settings = test::TwoSensors();
  for (int i = 0; i < 300; ++i) {
    PointSettings point;
    point.name = "point_with_a_long_name_" + std::to_string(i);
    settings.things[0].points.push_back(point);
  }
  const Cost cost = Estimate(settings, {}, BuiltIn());
  EXPECT_GT(cost.message_bytes, 5120u);
  EXPECT_DOUBLE_EQ(Row(cost, "messages").count.most, 86'400 + 86'400 * std::ceil(cost.message_bytes / 5120.0));
}

}  // namespace
}  // namespace penumbra::cloud
