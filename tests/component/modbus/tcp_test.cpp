// The driver over Modbus TCP against pymodbus: what it reads and writes when all goes well.
#include <gtest/gtest.h>

#include "rig.hpp"

namespace penumbra::modbus_rig {
namespace {

using nlohmann::json;

TEST(ModbusTcp, ReadsAllFourTablesOfSeveralUnitsOverOneConnection) {
  const Server server = Server::Tcp({"--units", "1-3"});
  json points = json::array({Point("t", "input", 1, "s16"), Point("h", "input", 2, "u16"),
                             Point("tf", "input", 4, "f32"), Point("p", "holding", 150, "u16"), Point("on", "coil", 3),
                             Point("off", "coil", 4), Point("d", "discrete", 10)});
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points), Thing(2, points), Thing(3, points)})));
  for (int unit = 1; unit <= 3; ++unit) {
    const auto values = bus.ReadAll(static_cast<std::uint32_t>(unit - 1));
    ASSERT_EQ(values.size(), 7u);
    for (const Read& value : values) EXPECT_EQ(value.reason, "");
    EXPECT_EQ(values[0].type, PENUMBRA_INT);
    EXPECT_NEAR(values[0].number, 220, 60);
    EXPECT_NEAR(values[2].number, values[0].number / 10, 0.3);
    EXPECT_EQ(values[3].number, Pattern("holding", unit, 150));
    EXPECT_EQ(values[4].number, 1);
    EXPECT_EQ(values[5].number, 0);
    EXPECT_EQ(values[6].number, 1);
  }
}

TEST(ModbusTcp, ReadsNearRegistersInOneRequest) {
  const Server server = Server::Tcp({});
  json points = json::array();
  for (int i = 0; i < 20; ++i) points.push_back(Point("p" + std::to_string(i), "input", 110 + 5 * i, "u16"));
  points.push_back(Point("polls", "input", 10, "u32"));
  points.push_back(Point("t", "input", 1, "s16"));
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points, {{"max_gap", 125}})})));
  for (int poll = 1; poll <= 3; ++poll) {
    const auto values = bus.ReadAll(0);
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(values[static_cast<std::size_t>(i)].number, Pattern("input", 1, 110 + 5 * i));
    EXPECT_EQ(values[20].number, poll) << "the server counts one read request a poll";
  }
}

TEST(ModbusTcp, WritesEveryTypeAndOrderAndReadsItBack) {
  const Server server = Server::Tcp({});
  struct Case {
    const char* type;
    const char* order;
    double value;
  };
  const std::vector<Case> cases{{"s16", "ABCD", -1234},   {"s16", "BADC", -1234},        {"u16", "ABCD", 65535},
                                {"s32", "CDAB", -123456}, {"u32", "BADC", 4000000000.0}, {"s64", "DCBA", -5e12},
                                {"u64", "CDAB", 5e12},    {"f32", "ABCD", 22.4},         {"f32", "CDAB", -0.125},
                                {"f64", "BADC", 1e-9},    {"bcd16", "ABCD", 1234},       {"bcd32", "CDAB", 12345678}};
  json points = json::array();
  int address = 20;
  for (const Case& c : cases) {
    points.push_back(Point(std::string(c.type) + c.order, "holding", address, c.type, {{"order", c.order}}));
    address += 4;
  }
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points)})));
  std::string error;
  for (std::uint32_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(bus.Write(0, i, RealValue(cases[i].value), error), PENUMBRA_OK) << cases[i].type << ": " << error;
  }
  const auto values = bus.ReadAll(0);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(values[i].number, cases[i].value) << cases[i].type << " " << cases[i].order;
  }
}

TEST(ModbusTcp, WritesCoilsBitsAndTextWithAndWithoutSingleFunctions) {
  const Server server = Server::Tcp({});
  const json points =
      json::array({Point("coil", "coil", 7), Point("bit", "holding", 30, "bool", {{"bit", 5}}),
                   Point("word", "holding", 30, "u16"), Point("text", "holding", 40, "string", {{"length", 6}})});
  for (const bool multiple_only : {false, true}) {
    Bus bus(TcpBus(server.port(), json::array({Thing(1, points, {{"multiple_writes_only", multiple_only}})})));
    std::string error;
    for (const int on : {1, 0, 1}) {
      EXPECT_EQ(bus.Write(0, 2, IntValue(0x0101), error), PENUMBRA_OK) << error;
      EXPECT_EQ(bus.Write(0, 0, IntValue(on), error), PENUMBRA_OK) << error;
      EXPECT_EQ(bus.Write(0, 1, IntValue(on), error), PENUMBRA_OK) << error;
      penumbra_value text{.size = sizeof text, .type = PENUMBRA_TEXT};
      text.text =
          "Gr\xC3\xBC\xC3\x9F"
          "e";
      EXPECT_EQ(bus.Write(0, 3, text, error), PENUMBRA_OK) << error;
      const auto values = bus.ReadAll(0);
      EXPECT_EQ(values[0].number, on);
      EXPECT_EQ(values[1].number, on);
      EXPECT_EQ(values[2].number, on == 1 ? 0x0121 : 0x0101);
      EXPECT_EQ(values[3].text, text.text);
    }
  }
}

TEST(ModbusTcp, RefusesToWriteWhatDoesNotFitOrCannotBeWritten) {
  const Server server = Server::Tcp({"--size", "50"});
  const json points = json::array(
      {Point("s16", "holding", 20, "s16"), Point("in", "input", 1, "s16"), Point("away", "holding", 60, "u16")});
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points)})));
  std::string error;
  EXPECT_EQ(bus.Write(0, 0, RealValue(40000), error), PENUMBRA_UNSUPPORTED);
  EXPECT_EQ(error, "40000 is outside -32768..32767 of s16");
  EXPECT_EQ(bus.Write(0, 1, RealValue(1), error), PENUMBRA_UNSUPPORTED);
  EXPECT_EQ(error, "table input is read-only");
  EXPECT_EQ(bus.Write(0, 2, RealValue(1), error), PENUMBRA_REFUSED);
  EXPECT_EQ(error, "exception 2 (illegal data address)");
}

TEST(ModbusTcp, FindsTheServerByNameAndSaysWhenTheNameIsUnknown) {
  const Server server = Server::Tcp({});
  json configuration = TcpBus(server.port(), json::array({Thing(1, json::array({Point("p", "input", 100)}))}));
  configuration["bus"]["host"] = "localhost";
  EXPECT_EQ(Bus(configuration).ReadAll(0)[0].number, Pattern("input", 1, 100));
  configuration["bus"]["host"] = "no-such-host.invalid";
  configuration["bus"]["connect_timeout_ms"] = 2000;  // where no name server answers
  EXPECT_TRUE(Bus(configuration).ReadAll(0)[0].reason.starts_with("connection failed (")) << "unknown name";
}

}  // namespace
}  // namespace penumbra::modbus_rig
