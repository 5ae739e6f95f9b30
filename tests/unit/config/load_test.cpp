#include <gtest/gtest.h>
#include <stdlib.h>

#include "config/core_schema.hpp"
#include "config/drivers.hpp"
#include "fake_drivers.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::Errors;
using test::OriginOf;
using test::TestFolder;
using test::Warnings;

// The example of the interface document, whole.
constexpr const char* kExample = R"([gateway]
thing = "gateway-01"

[upstream]
endpoint = "example-ats.iot.us-east-1.amazonaws.com"
port = 8883
root_ca = "/usr/share/penumbra/amazon-roots.pem"
protocol = "auto"
reconnect = { base = "1s", max = "32s", stable = "20s" }
connect_timeout = "10s"
operation_timeout = "5s"
keep_alive = "60s"

[upstream.limits]
publish_rate = 50
in_flight = 20
connect_rate = 1

[store]
commit_interval = "1s"
retention = "30d"
max_size = "1GiB"
min_free = "256MiB"

[[bus]]
name = "hall-a"
driver = "modbus"
transport = "tcp"
host = "192.0.2.10"
port = 502

[[bus]]
name = "i2c-1"
driver = "sht3x"
device = "/dev/i2c-1"

[[thing]]
name = "sensor-001"
type = "TemperatureSensor"
attributes = { location = "warehouse-a", floor = "1" }
groups = ["warehouse-sensors"]
bus = "hall-a"
unit = 1
sample_interval = "30s"
topic = "sensors/{thing}/temperature"
certificate = "credentials/sensor-001.pem.crt"
private_key = "credentials/sensor-001.pem.key"

[[thing.point]]
name = "temperature"
table = "input"
address = 1
type = "s16"
order = "ABCD"
scale = 0.1
unit = "Cel"
min = -40.0
max = 125.0
report = { deadband = 0.1, max_silence = "10m", min_interval = "0s" }

[[thing.point]]
name = "setpoint"
table = "holding"
address = 10
type = "s16"
scale = 0.1
writable = { min = 5.0, max = 30.0, ttl = "10m", verify = true }

[[thing]]
name = "sensor-002"
bus = "i2c-1"
address = 69

[[thing.point]]
name = "humidity"
)";

constexpr const char* kMinimal = R"([upstream]
endpoint = "localhost"
[[bus]]
name = "sim"
driver = "sim"
[[thing]]
name = "a"
bus = "sim"
[[thing.point]]
name = "temperature"
)";

LoadedConfig LoadText(const std::string& text) {
  test::FakeDrivers drivers;
  return LoadConfigText(text, "/etc/penumbra/penumbra.toml", drivers.Knowledge());
}

TEST(LoadConfig, RefusesWritableOnADriverThatCannotWrite) {
  const LoadedConfig config = LoadText(std::string(kExample) + "writable = { min = 1 }\n");
  EXPECT_NE(Errors(config).find("the driver sht3x cannot write; remove writable"), std::string::npos) << Errors(config);
}

TEST(LoadConfig, SaysAFaultOfADriverOnceForEachBusAndAsksItOnce) {
  test::FakeDrivers drivers;
  const LoadedConfig config = LoadConfigText(
      "[[bus]]\nname=\"a\"\ndriver=\"sht9x\"\nfoo=1\n[[bus]]\nname=\"b\"\ndriver=\"sht9x\"\n"
      "[[thing]]\nname=\"t\"\nbus=\"a\"\nbar=2\n[[thing.point]]\nname=\"p\"\nbaz=3\n",
      "penumbra.toml", drivers.Knowledge());
  EXPECT_EQ(Errors(config),
            "penumbra.toml:3:8: error: driver \"sht9x\": there is no such driver; there are modbus, sht3x, sim\n"
            "penumbra.toml:7:8: error: driver \"sht9x\": there is no such driver; there are modbus, sht3x, sim\n");
  EXPECT_EQ(drivers.described.size(), 1U);
  EXPECT_TRUE(drivers.checked.empty());
}

TEST(LoadConfig, ReportsADriverThatCannotCheck) {
  test::FakeDrivers drivers;
  DriverKnowledge knowledge = drivers.Knowledge();
  knowledge.check = [](const auto&, const auto&, const auto&) -> Result<std::vector<DriverComplaint>> {
    return Fail(Action::kFixConfig, "the host did not answer");
  };
  const LoadedConfig config = LoadConfigText(kMinimal, "penumbra.toml", knowledge);
  EXPECT_EQ(Errors(config),
            "penumbra.toml:3:1: error: driver \"sim\" could not check bus \"sim\": the host did not answer\n");
}

TEST(LoadConfig, KeepsAThingWithFaultsFromTheDriversCheckButChecksTheOthers) {
  const LoadedConfig config = LoadText(R"([[bus]]
name = "m"
driver = "modbus"
host = "h"
[[thing]]
name = "a"
bus = "m"
unit = "x"
point = [{ name = "p", address = 65535, type = "u32" }]
[[thing]]
name = "b"
bus = "m"
point = [{ name = "p", address = 65535, type = "u32" }]
)");
  EXPECT_EQ(test::LineOf(config, "unit must be a whole number"), 8) << Errors(config);
  EXPECT_EQ(test::LineOf(config, "u32 at 65535"), 13) << Errors(config);
}

TEST(LoadConfig, StopsCountingFaultsAloudAfterAWhile) {
  std::string text = kMinimal;
  for (int i = 0; i < 1000; ++i) text += "k" + std::to_string(i) + " = 1\n";
  const LoadedConfig config = LoadText(text);
  EXPECT_FALSE(config.Ok());
  ASSERT_EQ(config.diagnostics.size(), 201U);
  EXPECT_EQ(config.diagnostics.back().message, "and 800 more");
}

TEST(LoadConfig, WarnsOfWhatIsLegalAndLooksWrong) {
  const std::string warnings = Warnings(LoadText(R"([upstream]
endpoint = "abc.iot.us-east-1.amazonaws.com"
keep_alive = "5s"
limits = { publish_rate = 500 }
[[bus]]
name = "sim"
driver = "sim"
[[bus]]
name = "idle"
driver = "sim"
[[thing]]
name = "a"
bus = "sim"
attributes = { a = "1", b = "2", c = "3", d = "with space" }
[[thing.point]]
name = "t"
unit = "°C"
)"));
  for (const char* text : {":2:12: warning: this looks like a legacy endpoint", ":3:14: warning: AWS IoT rounds",
                           ":4:27: warning: AWS IoT throttles", ":8:1: warning: no thing is on bus \"idle\"",
                           ":14:1: warning: AWS IoT allows 3 attributes without a thing type",
                           ":14:47: warning: attribute d", ":17:8: warning: unit \"°C\" is not UCUM; write \"Cel\""}) {
    EXPECT_NE(warnings.find(text), std::string::npos) << text << " not in\n" << warnings;
  }
}

TEST(LoadConfig, WorksWithoutAnUpstreamAndSaysSo) {
  const LoadedConfig config =
      LoadText("[[bus]]\nname=\"s\"\ndriver=\"sim\"\n[[thing]]\nname=\"a\"\nbus=\"s\"\npoint=[{name=\"t\"}]\n");
  EXPECT_TRUE(config.Ok()) << Errors(config);
  EXPECT_TRUE(config.settings.upstream.endpoint.empty());
  EXPECT_NE(Warnings(config).find("penumbra.toml: warning: no [upstream]"), std::string::npos);
}

TEST(LoadConfig, ReadsTheExampleOfTheInterfaceDocument) {
  const LoadedConfig config = LoadText(kExample);
  ASSERT_TRUE(config.Ok()) << Errors(config);
  EXPECT_EQ(Warnings(config), "");
  const Settings& s = config.settings;
  EXPECT_EQ(s.gateway.thing, "gateway-01");
  EXPECT_EQ(s.gateway.private_key, "/var/lib/penumbra/credentials/gateway-01.pem.key");
  EXPECT_EQ(s.upstream.endpoint, "example-ats.iot.us-east-1.amazonaws.com");
  EXPECT_EQ(s.store.min_free, 256U << 20);
  ASSERT_EQ(s.buses.size(), 2U);
  EXPECT_EQ(s.buses[0].driver_options, Json::parse(R"({"transport":"tcp","host":"192.0.2.10","port":502})"));
  EXPECT_FALSE(s.buses[0].timeout.has_value());
  ASSERT_EQ(s.things.size(), 2U);
  const ThingSettings& thing = s.things[0];
  EXPECT_EQ(thing.topic, "sensors/sensor-001/temperature");
  EXPECT_EQ(thing.primary, "temperature");
  EXPECT_EQ(thing.sample_interval, 30s);
  EXPECT_EQ(thing.attributes.at("floor"), "1");
  EXPECT_EQ(thing.groups, std::vector<std::string>{"warehouse-sensors"});
  EXPECT_EQ(thing.certificate, "/var/lib/penumbra/credentials/sensor-001.pem.crt");
  EXPECT_EQ(thing.driver_options, Json::parse(R"({"unit":1})"));
  ASSERT_EQ(thing.points.size(), 2U);
  const PointSettings& temperature = thing.points[0];
  EXPECT_TRUE(temperature.scaled);
  EXPECT_EQ(temperature.decimals, 1);
  EXPECT_EQ(temperature.unit, "Cel");
  EXPECT_EQ(temperature.min, -40.0);
  EXPECT_EQ(temperature.report.deadband, 0.1);
  EXPECT_EQ(temperature.driver_options, Json::parse(R"({"table":"input","address":1,"type":"s16","order":"ABCD"})"));
  ASSERT_TRUE(thing.points[1].writable.has_value());
  EXPECT_EQ(thing.points[1].writable->max, 30.0);
  EXPECT_EQ(s.things[1].driver_options, Json::parse(R"({"address":69})"));
  EXPECT_EQ(s.things[1].topic, "sensors/sensor-002/temperature");
}

// The schema's defaults and those of the settings are the same thing said twice; this keeps them the same.
TEST(LoadConfig, DefaultsInTheSchemaAreThoseOfTheSettings) {
  const LoadedConfig config = LoadText(kMinimal);
  ASSERT_TRUE(config.Ok()) << Errors(config);
  UpstreamSettings upstream;
  upstream.endpoint = "localhost";
  upstream.root_ca = "/usr/share/penumbra/amazon-roots.pem";
  EXPECT_EQ(config.settings.upstream, upstream);
  EXPECT_EQ(config.settings.store, StoreSettings{});
  EXPECT_EQ(config.settings.clock, ClockSettings{});
  EXPECT_EQ(config.settings.paths.state, PathSettings{}.state);
  EXPECT_EQ(config.settings.paths.run, PathSettings{}.run);
  EXPECT_TRUE(config.settings.paths.drivers.is_absolute());
  EXPECT_TRUE(config.settings.paths.driver_host.is_absolute());
  EXPECT_EQ(config.settings.buses[0].breaker, BreakerSettings{});
  EXPECT_EQ(config.settings.buses[0].retries, BusSettings{}.retries);
  PointSettings point;
  point.name = "temperature";
  EXPECT_EQ(config.settings.things[0].points[0], point);
  EXPECT_EQ(config.settings.things[0].sample_interval, ThingSettings{}.sample_interval);
  EXPECT_FALSE(config.settings.things[0].breaker.has_value());
}

TEST(LoadConfig, MakesAPointCalledValueThePrimaryOne) {
  const LoadedConfig config = LoadText(std::string(kMinimal) + "[[thing.point]]\nname = \"value\"\n");
  EXPECT_TRUE(config.Ok()) << Errors(config);
  EXPECT_EQ(config.settings.things[0].primary, "value");
}

TEST(LoadConfig, ReadsPercentDeadbandsTelemetryBatchAndTokens) {
  const LoadedConfig config = LoadText(R"([[bus]]
name = "s"
driver = "sim"
timeout = "250ms"
[[thing]]
name = "a"
bus = "s"
telemetry = "on_report"
batch = "4.5KiB"
batch_interval = "5m"
timeout = "100ms"
retries = 0
breaker = { failures = 5 }
private_key = "pkcs11:token=penumbra;object=a"
[[thing.point]]
name = "t"
scale = 0.25
offset = -40
invalid = [0x7FFF, -1]
report = { deadband = "1.5%", max_silence = "0s" }
)");
  ASSERT_TRUE(config.Ok()) << Errors(config);
  const ThingSettings& thing = config.settings.things[0];
  EXPECT_EQ(config.settings.buses[0].timeout, 250ms);
  EXPECT_EQ(thing.telemetry, Telemetry::kOnReport);
  EXPECT_EQ(thing.batch_bytes, 4608U);
  EXPECT_EQ(thing.batch_interval, 5min);
  EXPECT_EQ(thing.timeout, 100ms);
  EXPECT_EQ(thing.retries, 0);
  EXPECT_EQ(thing.breaker->failures, 5);
  EXPECT_EQ(thing.private_key, "pkcs11:token=penumbra;object=a");
  const PointSettings& point = thing.points[0];
  EXPECT_EQ(point.decimals, 2);
  EXPECT_EQ(point.invalid, (std::vector<double>{32767, -1}));
  EXPECT_TRUE(point.report.deadband_percent);
  EXPECT_EQ(point.report.deadband, 1.5);
}

TEST(LoadConfig, TellsWhereEachValueComesFrom) {
  const LoadedConfig config = LoadText(kExample);
  EXPECT_EQ(OriginOf(config, "thing.sensor-001.sample_interval"), "\"30s\" @ penumbra.toml:44");
  EXPECT_EQ(OriginOf(config, "thing.sensor-001.point.temperature.scale"), "0.1 @ penumbra.toml:55");
  EXPECT_EQ(OriginOf(config, "thing.sensor-001.point.temperature.address"), "1 @ penumbra.toml:52");
  EXPECT_EQ(OriginOf(config, "thing.sensor-001.point.setpoint.writable.max"), "30.0 @ penumbra.toml:67");
  EXPECT_EQ(OriginOf(config, "thing.sensor-002.topic"), "\"sensors/{thing}/temperature\" @ default");
  EXPECT_EQ(OriginOf(config, "bus.hall-a.host"), "\"192.0.2.10\" @ penumbra.toml:29");
  EXPECT_EQ(OriginOf(config, "bus.hall-a.retries"), "1 @ default");
  EXPECT_EQ(OriginOf(config, "upstream.limits.publish_rate"), "50 @ penumbra.toml:15");
  EXPECT_EQ(OriginOf(config, "clock.patience"), "\"2m\" @ default");
}

TEST(LoadConfig, TakesTheDriverHostFromTheEnvironment) {
  ::setenv("PENUMBRA_DRIVER_HOST", "/opt/host", 1);
  const LoadedConfig config = LoadText("[paths]\ndriver_host = \"/usr/host\"\n");
  ::unsetenv("PENUMBRA_DRIVER_HOST");
  EXPECT_EQ(config.settings.paths.driver_host, "/opt/host");
  EXPECT_EQ(OriginOf(config, "paths.driver_host"), "\"/opt/host\" @ environment PENUMBRA_DRIVER_HOST");
}

TEST(FindPlace, BringsAPointerToTheInnermostTableThatExists) {
  SourceFile file;
  Node address;
  address.kind = Node::Kind::kInteger;
  address.place = {&file, 7, 3};
  Node point;
  point.place = {&file, 5, 1};
  point.members.emplace("address", address);
  Node points;
  points.kind = Node::Kind::kArray;
  points.place = {&file, 4, 1};
  points.items = {point};
  Node thing;
  thing.place = {&file, 3, 1};
  thing.members.emplace("point", points);
  Node bus;
  bus.place = {&file, 1, 1};
  const Drivers::Tables tables{&bus, {&thing}};
  EXPECT_EQ(FindPlace("/things/0/points/0/address", tables).line, 7);
  EXPECT_EQ(FindPlace("/things/0/points/0/type", tables).line, 5);
  EXPECT_EQ(FindPlace("/things/0/points/9", tables).line, 4);
  EXPECT_EQ(FindPlace("/things/0/unit", tables).line, 3);
  EXPECT_EQ(FindPlace("/things/7", tables).line, 1);
  EXPECT_EQ(FindPlace("/bus/host", tables).line, 1);
  EXPECT_EQ(FindPlace("nonsense", tables).line, 1);
  EXPECT_EQ(FindPlace("", tables).line, 1);
}

TEST(CoreSchema, IsThere) {
  EXPECT_TRUE(CoreSchema().contains("$defs"));
  EXPECT_EQ(TablesWith("endpoint"), std::vector<std::string>{"[upstream]"});
}

}  // namespace
}  // namespace penumbra
