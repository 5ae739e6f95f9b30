#include "model/reading.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

Reading Example() {
  Reading reading;
  reading.thing = "sensor-001";
  reading.unix_ms = 1763841600123;
  reading.seq = 4711;
  reading.values = {{"temperature", 22.5, Quality::kGood, ""}, {"humidity", 51.2, Quality::kGood, ""}};
  return reading;
}

TEST(TelemetryTest, IsTheMessageOfTheInterfaceToTheLetter) {
  EXPECT_EQ(
      TelemetryJson(Example(), "temperature"),
      R"({"device_id":"sensor-001","timestamp":1763841600123,"seq":4711,"temperature":22.5,"humidity":51.2,"value":22.5})");
}

TEST(TelemetryTest, LeavesABadPointOutAndSaysWhy) {
  Reading reading = Example();
  reading.values[1] = {"humidity", std::monostate{}, Quality::kBad, "timeout"};
  EXPECT_EQ(
      TelemetryJson(reading, "humidity"),
      R"({"device_id":"sensor-001","timestamp":1763841600123,"seq":4711,"temperature":22.5,"bad":{"humidity":"timeout"}})");
}

TEST(TelemetryTest, SaysThatATimeIsUncertain) {
  Reading reading = Example();
  reading.time_trusted = false;
  EXPECT_NE(TelemetryJson(reading, "").find(R"("time":"uncertain")"), std::string::npos);
}

TEST(TelemetryTest, IsValidJsonWhateverTheNamesAndReasons) {
  Reading reading = Example();
  reading.values = {{"a\"b\\", std::string("\xff\n"), Quality::kGood, ""},
                    {"c", std::monostate{}, Quality::kBad, "exception \"2\"\t"}};
  const auto parsed = ParseJson(TelemetryJson(reading, ""));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)["bad"]["c"], "exception \"2\"\t");
}

TEST(TelemetryTest, APointCalledValueIsNotRepeated) {
  Reading reading = Example();
  reading.values[0].point = "value";
  const std::string text = TelemetryJson(reading, "value");
  EXPECT_EQ(text.find("\"value\""), text.rfind("\"value\""));
}

}  // namespace
}  // namespace penumbra
