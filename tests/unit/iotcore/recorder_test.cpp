// The recorder judges what arrived; a judge that misses something would make every other test worthless.
#include "iotcore/recorder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

std::string Reading(int seq, double temperature = 20.5, const char* device = "sensor-001") {
  return fmt::format(R"({{"device_id":"{}","timestamp":1,"seq":{},"temperature":{}}})", device, seq, temperature);
}

void Arrive(Recorder& recorder, const std::string& payload, std::int64_t ms = kNow) {
  recorder.OnMessage("sensors/sensor-001/temperature", payload, ms);
}

TEST(Recorder, TheSameSeqWithOtherContentIsAConflict) {
  Recorder recorder;
  Arrive(recorder, Reading(1, 20.5));
  Arrive(recorder, Reading(1, 20.6));
  const Json summary = recorder.Summary();
  EXPECT_EQ(summary["conflicts"], 1);
  EXPECT_EQ(summary["conflict_samples"][0]["seq"], 1);
}

TEST(Recorder, ARepeatedReadingIsADuplicateAndNoConflict) {
  Recorder recorder;
  Arrive(recorder, Reading(1));
  Arrive(recorder, R"({"seq":1, "timestamp":1, "temperature":20.5, "device_id":"sensor-001"})");
  const Json summary = recorder.Summary();
  EXPECT_EQ(summary["conflicts"], 0);
  EXPECT_EQ(summary["duplicates"], 1);
  EXPECT_EQ(summary["distinct"], 1);
  EXPECT_EQ(summary["things"]["sensor-001"]["duplicates"], 1);
}

TEST(Recorder, CountsTheNumbersThatDidNotArrive) {
  Recorder recorder;
  for (const int seq : {7, 9, 10, 14}) Arrive(recorder, Reading(seq));
  EXPECT_EQ(recorder.Summary()["things"]["sensor-001"]["gaps"], 4);
  EXPECT_EQ(recorder.Ranges("sensor-001"), Json::parse("[[7,7],[9,10],[14,14]]"));
  EXPECT_EQ(recorder.Ranges("unknown"), Json::array());
}

TEST(Recorder, ABacklogBehindFreshReadingsIsOutOfOrderAndNothingWorse) {
  Recorder recorder;
  for (const int seq : {9, 5, 6}) Arrive(recorder, Reading(seq));
  const Json thing = recorder.Summary()["things"]["sensor-001"];
  EXPECT_EQ(thing["out_of_order"], 2);
  EXPECT_EQ(thing["first_seq"], 5);
  EXPECT_EQ(thing["last_seq"], 9);
}

TEST(Recorder, ABatchCountsEachOfItsReadings) {
  Recorder recorder;
  recorder.OnMessage("sensors/sensor-001/batch", "[" + Reading(1) + "," + Reading(2) + "]", kNow);
  EXPECT_EQ(recorder.Summary()["distinct"], 2);
  EXPECT_EQ(recorder.Summary()["messages"], 1);
}

TEST(Recorder, WhatIsNoReadingIsMalformed) {
  Recorder recorder;
  for (const char* payload : {"", "no json", "{}", R"({"device_id":"x"})", R"({"device_id":"x","seq":-1})",
                              R"({"device_id":"x","seq":"1"})", "[1]", "null"}) {
    Arrive(recorder, payload);
  }
  EXPECT_EQ(recorder.Summary()["malformed"], 8);
  EXPECT_EQ(recorder.Summary()["distinct"], 0);
}

TEST(Recorder, TheLargestRateIsTakenOverAnySecondNotOverCalendarSeconds) {
  Recorder recorder;
  // Ten messages over the border of two calendar seconds: five in each, ten within 400 ms.
  for (int i = 0; i < 10; ++i) Arrive(recorder, Reading(i), kNow + 800 + i * 40);
  Arrive(recorder, Reading(10), kNow + 800 + 1000);
  EXPECT_EQ(recorder.Summary()["things"]["sensor-001"]["publish_per_second_max"], 10);
}

TEST(Recorder, AnswersOfServicesDoNotCountAsPublishesOfTheThing) {
  Recorder recorder;
  recorder.OnMessage("$aws/things/sensor-001/shadow/update", "{}", kNow);
  recorder.OnMessage("$aws/things/sensor-001/shadow/update/accepted", "{}", kNow);
  recorder.OnMessage("$aws/things/sensor-001/shadow/update/delta", "{}", kNow);
  recorder.OnMessage("commands/sensor-001/x", "{}", kNow);
  EXPECT_EQ(recorder.Summary()["things"]["sensor-001"]["messages"], 1);
}

TEST(Recorder, KeepsTheNewestPresenceOfAThing) {
  Recorder recorder;
  recorder.OnMessage("status/sensor-001", R"({"thing":"sensor-001","connected":true,"timestamp":1})", kNow);
  recorder.OnMessage("status/sensor-001", R"({"thing":"sensor-001","connected":false,"timestamp":2})", kNow + 5);
  EXPECT_EQ(recorder.Presence()["sensor-001"]["message"]["connected"], false);
  EXPECT_EQ(recorder.Presence()["sensor-001"]["count"], 2);
}

TEST(Recorder, AnAcknowledgedCommandIsNoTelemetry) {
  Recorder recorder;
  recorder.OnMessage("sensors/sensor-001/command/ack", R"({"id":"1","status":"succeeded"})", kNow);
  EXPECT_EQ(recorder.Summary()["malformed"], 0);
  EXPECT_EQ(recorder.Others("sensors/sensor-001/command")[0]["payload"], R"({"id":"1","status":"succeeded"})");
}

TEST(Recorder, ArrivalsTellTheFirstTimeAndTheCount) {
  Recorder recorder;
  Arrive(recorder, Reading(3), kNow);
  Arrive(recorder, Reading(3), kNow + 50);
  Arrive(recorder, Reading(2), kNow + 60);
  EXPECT_EQ(recorder.Arrivals("sensor-001", 0, 10), (Json::array({{2, kNow + 60, 1}, {3, kNow, 2}})));
  EXPECT_EQ(recorder.Arrivals("sensor-001", 3, 10), (Json::array({Json::array({3, kNow, 2})})));
  EXPECT_EQ(recorder.Arrivals("sensor-001", 0, 1).size(), 1u);
}

TEST(Recorder, ClearForgetsEverything) {
  Recorder recorder;
  Arrive(recorder, Reading(1));
  recorder.Clear();
  EXPECT_EQ(recorder.Summary(), Recorder().Summary());
}

TEST(ThingOfTopic, IsTheLevelThatNamesTheThing) {
  EXPECT_EQ(ThingOfTopic("sensors/a/temperature"), "a");
  EXPECT_EQ(ThingOfTopic("status/a"), "a");
  EXPECT_EQ(ThingOfTopic("$aws/things/a/shadow/update"), "a");
  EXPECT_EQ(ThingOfTopic("$aws/rules/R/sensors/a"), "");
  EXPECT_EQ(ThingOfTopic("sensors"), "");
}

}  // namespace
}  // namespace penumbra::iotcore
