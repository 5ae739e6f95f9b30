// The driver's configuration: every impossible combination is named by its JSON pointer, and the possible ones are
// understood.
#include "modbus/options.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "modbus/schemas.hpp"

namespace penumbra::modbus {
namespace {

using nlohmann::json;

struct Parsed {
  std::optional<Configuration> configuration;
  std::vector<std::pair<std::string, std::string>> complaints;
};

Parsed Parse(const std::string& text) {
  Parsed parsed;
  parsed.configuration = ParseConfiguration(text, [&](const std::string& pointer, const std::string& message) {
    parsed.complaints.emplace_back(pointer, message);
  });
  return parsed;
}

json Base() {
  return json::parse(R"({"bus": {"transport": "tcp", "host": "192.0.2.1"},
                         "things": [{"name": "a", "unit": 1, "points": [
                           {"name": "t", "table": "input", "address": 1, "type": "s16"},
                           {"name": "s", "table": "holding", "address": 10, "type": "s16"}]}]})");
}

struct Fault {
  const char* title;
  const char* patch;  // JSON merge patch of bus, or of things/0 (key "thing"), or of its first point (key "point")
  const char* pointer;
  const char* message;  // part of it
};

json Patched(const std::string& patch_text) {
  json all = Base();
  const json patch = json::parse(patch_text);
  if (patch.contains("bus")) all["bus"].merge_patch(patch["bus"]);
  if (patch.contains("thing")) all["things"][0].merge_patch(patch["thing"]);
  if (patch.contains("point")) all["things"][0]["points"][0].merge_patch(patch["point"]);
  return all;
}

const Fault kFaults[] = {
    {"past the end", R"({"point": {"address": 65535, "type": "u32"}})", "/things/0/points/0/address",
     "passes the last one"},
    {"string past the end", R"({"point": {"address": 65530, "type": "string", "length": 7}})",
     "/things/0/points/0/address", "passes the last one"},
    {"address too large", R"({"point": {"address": 65536}})", "/things/0/points/0/address", "0 to 65535"},
    {"address negative", R"({"point": {"address": -1}})", "/things/0/points/0/address", "0 to 65535"},
    {"address huge", R"({"point": {"address": 18446744073709551615}})", "/things/0/points/0/address", "0 to 65535"},
    {"address a fraction", R"({"point": {"address": 1.5}})", "/things/0/points/0/address", "whole number"},
    {"address missing", R"({"point": {"address": null}})", "/things/0/points/0", "address is missing"},
    {"table missing", R"({"point": {"table": null}})", "/things/0/points/0", "table is missing"},
    {"table unknown", R"({"point": {"table": "inputs"}})", "/things/0/points/0/table", "is no table"},
    {"entity contradicts table", R"({"point": {"address": "40001"}})", "/things/0/points/0/address",
     "names table holding, but table says input"},
    {"entity number zero", R"({"point": {"table": null, "address": "30000"}})", "/things/0/points/0/address",
     "no entity number"},
    {"entity of no table", R"({"point": {"table": null, "address": "20001"}})", "/things/0/points/0/address",
     "no entity number"},
    {"entity too large", R"({"point": {"table": null, "address": "465537"}})", "/things/0/points/0/address",
     "no entity number"},
    {"entity too short", R"({"point": {"table": null, "address": "4001"}})", "/things/0/points/0/address",
     "no entity number"},
    {"type unknown", R"({"point": {"type": "int16"}})", "/things/0/points/0/type", "is no type"},
    {"coil as a number", R"({"point": {"table": "coil"}})", "/things/0/points/0/type", "its type is bool"},
    {"string without length", R"({"point": {"type": "string"}})", "/things/0/points/0", "needs length"},
    {"length without string", R"({"point": {"length": 2}})", "/things/0/points/0/length", "type string only"},
    {"bit of a number", R"({"point": {"bit": 3}})", "/things/0/points/0/bit", "type bool only"},
    {"bit of a coil", R"({"point": {"table": "coil", "type": "bool", "bit": 3}})", "/things/0/points/0/bit",
     "has no bits"},
    {"bit 16", R"({"point": {"type": "bool", "bit": 16}})", "/things/0/points/0/bit", "0 to 15"},
    {"word order of 16 bits", R"({"point": {"order": "CDAB"}})", "/things/0/points/0/order", "32 or 64 bits"},
    {"order of a bool", R"({"point": {"type": "bool", "order": "BADC"}})", "/things/0/points/0/order", "no meaning"},
    {"word order of a string", R"({"point": {"type": "string", "length": 2, "order": "DCBA"}})",
     "/things/0/points/0/order", "order of a string"},
    {"order unknown", R"({"point": {"order": "ABDC"}})", "/things/0/points/0/order", "is no order"},
    {"duplicate", R"({"point": {"table": "holding", "address": 10}})", "/things/0/points/1/address",
     "the same value as point \"t\""},
    {"longer than max_words", R"({"thing": {"max_words": 3}, "point": {"type": "f64"}})", "/things/0/points/0/type",
     "max_words 3"},
    {"in a forbidden range", R"({"thing": {"forbidden": ["0-4"]}})", "/things/0/points/0/address",
     "forbidden range 0-4"},
    {"forbidden is no range", R"({"thing": {"forbidden": ["7-3"]}})", "/things/0/forbidden/0",
     "a range of protocol addresses"},
    {"unit reserved", R"({"thing": {"unit": 250}})", "/things/0/unit", "reserved"},
    {"unit out of range", R"({"thing": {"unit": 256}})", "/things/0/unit", "0 to 255"},
    {"unit 0 on a line", R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null}, "thing": {"unit": 0}})",
     "/things/0/unit", "serial line"},
    {"unit 255 on a line", R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null}, "thing": {"unit": 255}})",
     "/things/0/unit", "serial line"},
    {"rtu without device", R"({"bus": {"transport": "rtu", "host": null}})", "/bus", "needs device"},
    {"rtu with host", R"({"bus": {"transport": "rtu", "device": "/dev/x"}})", "/bus/host", "goes with transport"},
    {"tcp without host", R"({"bus": {"host": null}})", "/bus", "needs host"},
    {"tcp with baud", R"({"bus": {"baud": 9600}})", "/bus/baud", "goes with transport"},
    {"transport unknown", R"({"bus": {"transport": "udp"}})", "/bus/transport", "is no transport"},
    {"odd baud", R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null, "baud": 9601}})", "/bus/baud",
     "no usual baud rate"},
    {"parity unknown", R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null, "parity": "mark"}})",
     "/bus/parity", "parity is"},
    {"format twice",
     R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null, "parity": "8E1", "stop_bits": 2}})",
     "/bus/parity", "already says"},
    {"seven bits", R"({"bus": {"transport": "rtu", "device": "/dev/x", "host": null, "data_bits": 7}})",
     "/bus/data_bits", "8 data bits"},
    {"port zero", R"({"bus": {"port": 0}})", "/bus/port", "1 to 65535"},
    {"max_words too large", R"({"thing": {"max_words": 126}})", "/things/0/max_words", "1 to 125"},
};

TEST(ModbusOptions, EachImpossibleCombinationIsNamedByItsPlace) {
  for (const Fault& fault : kFaults) {
    const Parsed parsed = Parse(Patched(fault.patch).dump());
    EXPECT_FALSE(parsed.configuration) << fault.title;
    ASSERT_EQ(parsed.complaints.size(), 1u) << fault.title << ": " << json(parsed.complaints).dump();
    EXPECT_EQ(parsed.complaints[0].first, fault.pointer) << fault.title;
    EXPECT_NE(parsed.complaints[0].second.find(fault.message), std::string::npos)
        << fault.title << ": " << parsed.complaints[0].second;
  }
}

TEST(ModbusOptions, WhatIsNoConfigurationIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"bus": 1})", R"({"bus": {"host": "h"}, "things": {}})",
                           R"({"bus": {"host": "h"}, "things": [1]})", R"({"bus": {"host": 5}})"}) {
    const Parsed parsed = Parse(text);
    EXPECT_FALSE(parsed.configuration) << text;
    EXPECT_FALSE(parsed.complaints.empty()) << text;
  }
}

TEST(ModbusOptions, EntityNotationNamesTableAndAddress) {
  struct Case {
    const char* entity;
    Table table;
    int address;
  };
  for (const Case& c :
       {Case{"00001", Table::kCoil, 0}, Case{"10010", Table::kDiscrete, 9}, Case{"30002", Table::kInput, 1},
        Case{"40001", Table::kHolding, 0}, Case{"49999", Table::kHolding, 9998}, Case{"400001", Table::kHolding, 0},
        Case{"465536", Table::kHolding, 65535}}) {
    json all = Base();
    all["things"][0]["points"] = json::array({{{"name", "p"}, {"address", c.entity}}});
    const Parsed parsed = Parse(all.dump());
    ASSERT_TRUE(parsed.configuration) << c.entity << json(parsed.complaints).dump();
    const PointOptions& point = parsed.configuration->things[0].points[0];
    EXPECT_EQ(point.table, c.table);
    EXPECT_EQ(point.address, c.address);
    EXPECT_EQ(point.encoding.type, IsBits(c.table) ? Type::kBool : Type::kU16);
  }
}

TEST(ModbusOptions, TheExampleConfigurationsAreRight) {
  // ABCD is written out in the documentation's first example, on a 16-bit value, where it changes nothing.
  EXPECT_TRUE(Parse(Patched(R"({"point": {"order": "ABCD"}})").dump()).configuration);
  EXPECT_TRUE(Parse(Patched(R"({"point": {"order": "BADC"}})").dump()).configuration);
  EXPECT_TRUE(Parse(Patched(R"({"point": {"type": "f64", "address": 65532}})").dump()).configuration);
  const Parsed line =
      Parse(R"({"bus": {"transport": "rtu", "device": "/dev/ttyUSB0", "parity": "8E1", "baud": 19200}, "things": []})");
  ASSERT_TRUE(line.configuration);
  EXPECT_EQ(line.configuration->bus.parity, 'E');
  EXPECT_EQ(line.configuration->bus.stop_bits, 1);
}

TEST(ModbusOptions, AThingsTimeoutAndRetriesGoBeforeTheBuses) {
  json all = Base();
  all["bus"]["timeout_ms"] = 300;
  all["bus"]["retries"] = 4;
  all["things"].push_back({{"name", "b"}, {"timeout_ms", 50}, {"retries", 0}, {"points", json::array()}});
  const Parsed parsed = Parse(all.dump());
  ASSERT_TRUE(parsed.configuration);
  EXPECT_EQ(parsed.configuration->things[0].timeout_ms, 300u);
  EXPECT_EQ(parsed.configuration->things[0].retries, 4u);
  EXPECT_EQ(parsed.configuration->things[1].timeout_ms, 50u);
  EXPECT_EQ(parsed.configuration->things[1].retries, 0u);
}

TEST(ModbusOptions, TimesOnTheLineFollowTheStandard) {
  BusOptions bus{.transport = Transport::kRtu, .baud = 9600, .parity = 'E'};
  EXPECT_EQ(BitsPerCharacter(bus), 11);
  EXPECT_NEAR(static_cast<double>(FrameGapNs(bus)), 4.01e6, 0.01e6);
  bus.baud = 19200;
  EXPECT_NEAR(static_cast<double>(FrameGapNs(bus)), 2.005e6, 0.005e6);
  bus.baud = 38400;
  EXPECT_EQ(FrameGapNs(bus), 1'750'000);
  bus.baud = 1200;
  const Request longest = ReadRequest(1, Table::kHolding, 0, 125);
  // 264 characters of 11 bits at 1200 baud take 2.4 s: a fixed timeout of half a second could never see this reply.
  EXPECT_NEAR(static_cast<double>(ReplyTimeoutNs(bus, {}, longest)), 2.62e9, 0.05e9);
  EXPECT_EQ(ReplyTimeoutNs(bus, {.timeout_ms = 70}, longest), 70'000'000);
  EXPECT_EQ(ReplyTimeoutNs({}, {}, longest), 500'000'000);
}

TEST(ModbusOptions, TheSchemasAreJsonAndDescribeEveryKey) {
  for (const char* text : {kBusSchema, kThingSchema, kPointSchema}) {
    const json schema = json::parse(text, nullptr, false);
    ASSERT_TRUE(schema.is_object());
    EXPECT_EQ(schema["additionalProperties"], false);
    for (const auto& [key, value] : schema["properties"].items()) {
      EXPECT_TRUE(value.contains("description") && value.contains("type")) << key;
    }
  }
}

TEST(ModbusOptions, RtuOverTcpTakesHostAndPortAndTheFormatOfTheLineBehind) {
  std::vector<std::string> complaints;
  const auto parse = [&](const char* bus) {
    complaints.clear();
    return ParseConfiguration(std::string("{\"bus\":") + bus + ",\"things\":[{\"name\":\"t\",\"unit\":3}]}",
                              [&](const std::string& pointer, const std::string& message) {
                                complaints.push_back(pointer + ": " + message);
                              });
  };
  const auto good = parse(R"({"transport":"rtu-tcp","host":"10.0.0.9","port":4001,"baud":19200,"parity":"8E1"})");
  ASSERT_TRUE(good.has_value()) << complaints[0];
  EXPECT_EQ(good->bus.framing(), Framing::kRtu);
  EXPECT_EQ(BitsPerCharacter(good->bus), 11);
  EXPECT_FALSE(parse(R"({"transport":"rtu-tcp"})").has_value());
  EXPECT_EQ(complaints[0], "/bus: transport \"rtu-tcp\" needs host, a name or an address");
  EXPECT_FALSE(parse(R"({"transport":"rtu-tcp","host":"h","device":"/dev/ttyS0"})").has_value());
  EXPECT_EQ(complaints[0], "/bus/device: device goes with transport \"rtu\"; this bus is \"rtu-tcp\"");
  EXPECT_FALSE(parse(R"({"host":"h","baud":9600})").has_value()) << "plain TCP has no line";
}

TEST(ModbusOptions, TheCostsFollowTheLine) {
  const BusOptions slow{.transport = Transport::kRtu, .baud = 9600};
  const Costs line = CostsOf(slow, {});
  EXPECT_NEAR(static_cast<double>(line.byte_ns), 10 / 9600.0 * 1e9, 1);
  // 8 + 5 characters, two gaps of 3.5, 10 ms for the device.
  EXPECT_NEAR(static_cast<double>(line.request_ns), (8 + 5 + 7) * 10 / 9600.0 * 1e9 + 10e6, 10);
  EXPECT_NEAR(static_cast<double>(CostsOf(slow, {.pause_ms = 50}).request_ns - line.request_ns),
              50e6 - 3.5 * 10 / 9600 * 1e9, 10)
      << "a pause takes the place of the gap before a request";
  EXPECT_GT(CostsOf({.transport = Transport::kRtuTcp, .baud = 9600}, {}).request_ns, line.request_ns);
  EXPECT_EQ(RequestBytes(Transport::kTcp) + ReplyBytes(Transport::kTcp, Table::kHolding, 10), 12 + 29);
  EXPECT_EQ(RequestBytes(Transport::kRtu) + ReplyBytes(Transport::kRtu, Table::kCoil, 10), 8 + 7);
}

TEST(ModbusOptions, ReadClearsIsWrittenLikeForbiddenButPointsMayLieThere) {
  std::string complaint;
  const auto parsed = ParseConfiguration(
      R"({"bus":{"host":"h"},"things":[{"name":"t","read_clears":["holding 5-6"],"merge_writes":false,)"
      R"("points":[{"name":"a","table":"holding","address":5}]}],"facts":{"learned:t":{"checked_s":1}}})",
      [&](const std::string& pointer, const std::string& message) { complaint = pointer + message; });
  ASSERT_TRUE(parsed.has_value()) << complaint;
  ASSERT_EQ(parsed->things[0].limits.read_clears.size(), 1u);
  EXPECT_FALSE(parsed->things[0].merge_writes);
  EXPECT_EQ(parsed->facts.at("learned:t"), R"({"checked_s":1})");
}

}  // namespace
}  // namespace penumbra::modbus
