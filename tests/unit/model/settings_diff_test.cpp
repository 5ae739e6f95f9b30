#include "model/settings_diff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Settings TwoThings() {
  Settings settings;
  settings.buses.push_back({.name = "hall-a", .driver = "modbus"});
  for (const char* name : {"sensor-001", "sensor-002"}) {
    ThingSettings thing;
    thing.name = name;
    thing.bus = "hall-a";
    thing.points.push_back({.name = "temperature"});
    settings.things.push_back(thing);
  }
  return settings;
}

TEST(SettingsDiff, IsEmptyForTheSame) {
  EXPECT_TRUE(Compare(TwoThings(), TwoThings()).empty());
}

TEST(SettingsDiff, SeesNoChangeInTheOrderOfThings) {
  Settings wanted = TwoThings();
  std::swap(wanted.things[0], wanted.things[1]);
  EXPECT_TRUE(Compare(TwoThings(), wanted).empty());
}

TEST(SettingsDiff, TakesAnotherIntervalWhileRunning) {
  Settings wanted = TwoThings();
  wanted.things[1].sample_interval = 5s;
  const SettingsDiff diff = Compare(TwoThings(), wanted);
  EXPECT_THAT(diff.intervals, ElementsAre(SettingsDiff::Interval{"sensor-002", 30s, 5s}));
  EXPECT_THAT(diff.restart, IsEmpty());
}

TEST(SettingsDiff, TakesNoIntervalOfAThingThatChangesOtherwiseToo) {
  Settings wanted = TwoThings();
  wanted.things[0].sample_interval = 5s;
  wanted.things[0].points[0].scale = 0.1;
  const SettingsDiff diff = Compare(TwoThings(), wanted);
  EXPECT_THAT(diff.intervals, IsEmpty());
  EXPECT_THAT(diff.restart, ElementsAre("thing sensor-001: points"));
}

TEST(SettingsDiff, NamesEveryPartThatChanged) {
  Settings wanted = TwoThings();
  wanted.things[0].topic = "a/b";
  wanted.things[0].private_key = "/k";
  EXPECT_THAT(Compare(TwoThings(), wanted).restart, ElementsAre("thing sensor-001: topic, credentials"));
}

TEST(SettingsDiff, SeesAChangeThatHasNoWordOfItsOwn) {
  Settings wanted = TwoThings();
  wanted.things[0].attributes["floor"] = "1";
  EXPECT_THAT(Compare(TwoThings(), wanted).restart, ElementsAre("thing sensor-001: settings"));
}

TEST(SettingsDiff, NamesAddedChangedAndRemovedBusesAndThings) {
  Settings wanted = TwoThings();
  wanted.buses[0].retries = 3;
  wanted.buses.push_back({.name = "hall-b", .driver = "modbus"});
  wanted.things[0].name = "sensor-003";
  EXPECT_THAT(
      Compare(TwoThings(), wanted).restart,
      ElementsAre("bus hall-a: settings", "bus hall-b: added", "thing sensor-003: added", "thing sensor-001: removed"));
}

TEST(SettingsDiff, NamesEveryTableThatChanged) {
  Settings wanted = TwoThings();
  wanted.gateway.thing = "gateway-01";
  wanted.upstream.port = 443;
  wanted.store.retention = 1h;
  wanted.clock.always_trusted = true;
  wanted.paths.run = "/run/other";
  EXPECT_THAT(Compare(TwoThings(), wanted).restart,
              ElementsAre("[gateway]", "[upstream]", "[store]", "[clock]", "[paths]"));
}

}  // namespace
}  // namespace penumbra
