#include "model/settings_diff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = SettingsChange::Kind;

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

std::vector<std::string> Words(const Settings& running, const Settings& wanted) {
  std::vector<std::string> words;
  for (const SettingsChange& change : Compare(running, wanted).changes) {
    words.push_back(ToString(change) + " " + std::string(ToString(change.effect)));
  }
  return words;
}

TEST(SettingsDiff, IsEmptyForTheSame) {
  EXPECT_TRUE(Compare(TwoThings(), TwoThings()).empty());
}

TEST(SettingsDiff, SeesNoChangeInTheOrderOfThings) {
  Settings wanted = TwoThings();
  std::swap(wanted.things[0], wanted.things[1]);
  EXPECT_TRUE(Compare(TwoThings(), wanted).empty());
}

TEST(SettingsDiff, SaysFromWhatToWhat) {
  Settings wanted = TwoThings();
  wanted.things[1].sample_interval = 5s;
  EXPECT_THAT(Compare(TwoThings(), wanted).changes,
              ElementsAre(SettingsChange{"thing", "sensor-002", Kind::kChanged, "sample_interval", "30s", "5s",
                                         Effect::kLive}));
}

TEST(SettingsDiff, NamesAddedChangedAndRemovedBusesThingsAndPoints) {
  Settings wanted = TwoThings();
  wanted.buses[0].retries = 3;
  wanted.buses.push_back({.name = "hall-b", .driver = "modbus"});
  wanted.things[0].name = "sensor-003";
  wanted.things[1].points[0].name = "humidity";
  EXPECT_THAT(Words(TwoThings(), wanted),
              ElementsAre("bus hall-a: retries reopen", "bus hall-b: added live", "thing sensor-003: added reopen",
                          "thing.point sensor-002.humidity: added reopen",
                          "thing.point sensor-002.temperature: removed reopen", "thing sensor-001: removed reopen"));
}

TEST(SettingsDiff, SeesTheOrderOfPoints) {
  Settings running = TwoThings();
  running.things[0].points.push_back({.name = "humidity"});
  Settings wanted = running;
  std::swap(wanted.things[0].points[0], wanted.things[0].points[1]);
  EXPECT_THAT(Words(running, wanted), ElementsAre("thing sensor-001: order of points reopen"));
}

TEST(SettingsDiff, KnowsOptionsOfDriversByTheirNames) {
  Settings running = TwoThings();
  running.buses[0].driver_options = {{"host", "192.0.2.1"}, {"port", 502}};
  Settings wanted = running;
  wanted.buses[0].driver_options = {{"host", "192.0.2.2"}, {"transport", "tcp"}};
  const auto changes = Compare(running, wanted).changes;
  EXPECT_THAT(
      changes,
      ElementsAre(SettingsChange{"bus", "hall-a", Kind::kChanged, "host", "192.0.2.1", "192.0.2.2", Effect::kReopen},
                  SettingsChange{"bus", "hall-a", Kind::kChanged, "transport", {}, "tcp", Effect::kReopen},
                  SettingsChange{"bus", "hall-a", Kind::kChanged, "port", 502, {}, Effect::kReopen}));
}

TEST(SettingsDiff, NeedsARestartForWhatIsOpenedOnce) {
  Settings wanted = TwoThings();
  wanted.things[0].sample_interval = 5s;
  EXPECT_FALSE(Compare(TwoThings(), wanted).NeedsRestart());
  wanted.paths.state = "/srv/penumbra";
  EXPECT_TRUE(Compare(TwoThings(), wanted).NeedsRestart());
}

// Every key there is, what a change of it is called, and what it takes.
struct KeyCase {
  const char* words;
  std::function<void(Settings&)> change;
};

const std::vector<KeyCase>& EveryKey() {
  static const auto thing = [](Settings& s) -> ThingSettings& { return s.things[0]; };
  static const auto point = [](Settings& s) -> PointSettings& { return s.things[0].points[0]; };
  static const std::vector<KeyCase> kCases = {
      {"[gateway]: thing restart", [](Settings& s) { s.gateway.thing = "g"; }},
      {"[gateway]: certificate restart", [](Settings& s) { s.gateway.certificate = "c"; }},
      {"[gateway]: private_key restart", [](Settings& s) { s.gateway.private_key = "k"; }},
      {"[upstream]: endpoint reconnect", [](Settings& s) { s.upstream.endpoint = "e"; }},
      {"[upstream]: port reconnect", [](Settings& s) { s.upstream.port = 443; }},
      {"[upstream]: root_ca reconnect", [](Settings& s) { s.upstream.root_ca = "r"; }},
      {"[upstream]: protocol reconnect", [](Settings& s) { s.upstream.protocol = MqttProtocol::k311; }},
      {"[upstream]: reconnect.base live", [](Settings& s) { s.upstream.reconnect_base = 2s; }},
      {"[upstream]: reconnect.max live", [](Settings& s) { s.upstream.reconnect_max = 2min; }},
      {"[upstream]: reconnect.stable live", [](Settings& s) { s.upstream.reconnect_stable = 2min; }},
      {"[upstream]: connect_timeout live", [](Settings& s) { s.upstream.connect_timeout = 2min; }},
      {"[upstream]: operation_timeout live", [](Settings& s) { s.upstream.operation_timeout = 2min; }},
      {"[upstream]: keep_alive reconnect", [](Settings& s) { s.upstream.keep_alive = 2min; }},
      {"[upstream]: session_expiry reconnect", [](Settings& s) { s.upstream.session_expiry = 2min; }},
      {"[upstream]: limits.publish_rate live", [](Settings& s) { s.upstream.publish_rate = 10; }},
      {"[upstream]: limits.in_flight live", [](Settings& s) { s.upstream.in_flight = 10; }},
      {"[upstream]: limits.connect_rate live", [](Settings& s) { s.upstream.connect_rate = 10; }},
      {"[upstream]: status_retained reconnect", [](Settings& s) { s.upstream.status_retained = true; }},
      {"[store]: commit_interval restart", [](Settings& s) { s.store.commit_interval = 2s; }},
      {"[store]: retention restart", [](Settings& s) { s.store.retention = 2s; }},
      {"[store]: max_size restart", [](Settings& s) { s.store.max_size = 2; }},
      {"[store]: min_free restart", [](Settings& s) { s.store.min_free = 2; }},
      {"[store]: write_budget restart", [](Settings& s) { s.store.write_budget = 2; }},
      {"[store]: endurance restart", [](Settings& s) { s.store.endurance = 2; }},
      {"[clock]: trust restart", [](Settings& s) { s.clock.always_trusted = true; }},
      {"[clock]: patience restart", [](Settings& s) { s.clock.patience = 2s; }},
      {"[paths]: state restart", [](Settings& s) { s.paths.state = "p"; }},
      {"[paths]: run restart", [](Settings& s) { s.paths.run = "p"; }},
      {"[paths]: drivers restart", [](Settings& s) { s.paths.drivers = "p"; }},
      {"[paths]: driver_host restart", [](Settings& s) { s.paths.driver_host = "p"; }},
      {"[paths]: profiles live", [](Settings& s) { s.paths.profiles = "p"; }},
      {"bus hall-a: driver reopen", [](Settings& s) { s.buses[0].driver = "sim"; }},
      {"bus hall-a: timeout reopen", [](Settings& s) { s.buses[0].timeout = 2s; }},
      {"bus hall-a: retries reopen", [](Settings& s) { s.buses[0].retries = 2; }},
      {"bus hall-a: breaker live", [](Settings& s) { s.buses[0].breaker.open = 2s; }},
      {"bus hall-a: baud reopen", [](Settings& s) { s.buses[0].driver_options["baud"] = 9600; }},
      {"thing sensor-001: type live", [](Settings& s) { thing(s).type = "t"; }},
      {"thing sensor-001: attributes live", [](Settings& s) { thing(s).attributes["floor"] = "1"; }},
      {"thing sensor-001: groups live", [](Settings& s) { thing(s).groups = {"g"}; }},
      {"thing sensor-001: bus reopen", [](Settings& s) { thing(s).bus = "hall-b"; }},
      {"thing sensor-001: sample_interval live", [](Settings& s) { thing(s).sample_interval = 2s; }},
      {"thing sensor-001: topic live", [](Settings& s) { thing(s).topic = "a/b"; }},
      {"thing sensor-001: primary live", [](Settings& s) { thing(s).primary = "p"; }},
      {"thing sensor-001: certificate reconnect", [](Settings& s) { thing(s).certificate = "c"; }},
      {"thing sensor-001: private_key reconnect", [](Settings& s) { thing(s).private_key = "c"; }},
      {"thing sensor-001: telemetry live", [](Settings& s) { thing(s).telemetry = Telemetry::kOnReport; }},
      {"thing sensor-001: batch live", [](Settings& s) { thing(s).batch_bytes = 4096; }},
      {"thing sensor-001: batch_interval live", [](Settings& s) { thing(s).batch_interval = 60s; }},
      {"thing sensor-001: timeout reopen", [](Settings& s) { thing(s).timeout = 2s; }},
      {"thing sensor-001: retries reopen", [](Settings& s) { thing(s).retries = 2; }},
      {"thing sensor-001: breaker live", [](Settings& s) { thing(s).breaker = BreakerSettings{}; }},
      {"thing sensor-001: unit reopen", [](Settings& s) { thing(s).driver_options["unit"] = 2; }},
      {"thing.point sensor-001.temperature: decimals live", [](Settings& s) { point(s).decimals = 2; }},
      {"thing.point sensor-001.temperature: unit live", [](Settings& s) { point(s).unit = "Cel"; }},
      {"thing.point sensor-001.temperature: min live", [](Settings& s) { point(s).min = 2; }},
      {"thing.point sensor-001.temperature: max live", [](Settings& s) { point(s).max = 2; }},
      {"thing.point sensor-001.temperature: invalid live", [](Settings& s) { point(s).invalid = {2}; }},
      {"thing.point sensor-001.temperature: report live", [](Settings& s) { point(s).report.deadband = 2; }},
      {"thing.point sensor-001.temperature: report live", [](Settings& s) { point(s).report.deadband_percent = true; }},
      {"thing.point sensor-001.temperature: report live", [](Settings& s) { point(s).report.max_silence = 2s; }},
      {"thing.point sensor-001.temperature: report live", [](Settings& s) { point(s).report.min_interval = 2s; }},
      {"thing.point sensor-001.temperature: writable live", [](Settings& s) { point(s).writable = WritePolicy{}; }},
      {"thing.point sensor-001.temperature: address reopen",
       [](Settings& s) { point(s).driver_options["address"] = 2; }},
  };
  return kCases;
}

TEST(SettingsDiff, NamesEveryKeyAndWhatAChangeOfItTakes) {
  for (const KeyCase& one : EveryKey()) {
    Settings wanted = TwoThings();
    one.change(wanted);
    EXPECT_THAT(Words(TwoThings(), wanted), ElementsAre(one.words));
  }
}

TEST(SettingsDiff, NamesTheDutiesToo) {
  DutySettings wanted;
  wanted.orders = {MayReboot::kAll, "reboot", 1s, 1s};
  wanted.health = {1s, true};
  std::vector<std::string> words;
  for (const SettingsChange& change : Compare(DutySettings{}, wanted).changes) {
    words.push_back(ToString(change) + " " + std::string(ToString(change.effect)));
  }
  EXPECT_THAT(words,
              ElementsAre("[orders]: reboot live", "[orders]: reboot_command live", "[orders]: reboot_pause live",
                          "[orders]: ttl restart", "[health]: interval live", "[health]: defender live"));
  EXPECT_TRUE(Compare(wanted, wanted).empty());
}

TEST(SettingsDiff, TakesScaleAndOffsetOnlyWhereTheyAreUsed) {
  Settings wanted = TwoThings();
  PointSettings& point = wanted.things[0].points[0];
  point.scaled = true;
  point.scale = 0.1;
  EXPECT_THAT(Words(TwoThings(), wanted), ElementsAre("thing.point sensor-001.temperature: scale live",
                                                      "thing.point sensor-001.temperature: offset live"));
}

// Random sets of changes, both ways: the way back is the same list with from and to exchanged.
TEST(SettingsDiff, IsTheSameBackwards) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Settings a = TwoThings();
    Settings b = TwoThings();
    for (const KeyCase& one : EveryKey()) {
      if (random() % 4 == 0) one.change(a);
      if (random() % 4 == 0) one.change(b);
    }
    if (random() % 2 == 0) a.things.pop_back();
    if (random() % 2 == 0) b.buses.push_back({.name = "hall-b"});
    std::vector<std::string> there = Words(a, b);
    std::vector<SettingsChange> back = Compare(b, a).changes;
    ASSERT_EQ(there.size(), back.size());
    for (SettingsChange& change : back) {
      std::swap(change.from, change.to);
      if (change.kind != Kind::kChanged) change.kind = change.kind == Kind::kAdded ? Kind::kRemoved : Kind::kAdded;
    }
    for (const SettingsChange& change : Compare(a, b).changes) EXPECT_THAT(back, testing::Contains(change));
    EXPECT_THAT(Words(a, a), IsEmpty());
  }
}

}  // namespace
}  // namespace penumbra
