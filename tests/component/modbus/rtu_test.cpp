// The driver over a serial line (a pty pair) against pymodbus.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "rig.hpp"

namespace penumbra::modbus_rig {
namespace {

using nlohmann::json;

TEST(ModbusRtu, ReadsAndWritesSeveralUnitsOnOneLine) {
  const SerialLine line;
  const Server server = Server::Serial(line.theirs(), {"--units", "1-3", "--baud", "115200"});
  const json points = json::array({Point("t", "input", 1, "s16"), Point("p", "holding", 120, "u16"),
                                   Point("set", "holding", 10, "s16"), Point("c", "coil", 6)});
  Bus bus(RtuBus(line.ours(), 115200, json::array({Thing(1, points), Thing(2, points), Thing(3, points)})));
  std::string error;
  for (std::uint32_t thing = 0; thing < 3; ++thing) {
    const int set_point = -50 + static_cast<int>(thing);
    EXPECT_EQ(bus.Write(thing, 2, IntValue(set_point), error), PENUMBRA_OK) << error;
    const auto values = bus.ReadAll(thing);
    for (const Read& value : values) EXPECT_EQ(value.reason, "");
    EXPECT_EQ(values[1].number, Pattern("holding", static_cast<int>(thing) + 1, 120));
    EXPECT_EQ(values[2].number, set_point);
    EXPECT_EQ(values[3].number, 1);
  }
}

TEST(ModbusRtu, SaysWhenTheDeviceIsMissingAndOpensItWhenItComes) {
  const std::string name = testing::TempDir() + "modbus-line-" + std::to_string(getpid());
  unlink(name.c_str());
  Bus bus(RtuBus(name, 115200, json::array({Thing(1, json::array({Point("p", "input", 100)}))})));
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "connection failed (no such device)");
  const SerialLine line;
  const Server server = Server::Serial(line.theirs(), {});
  ASSERT_EQ(symlink(line.ours().c_str(), name.c_str()), 0);
  EXPECT_EQ(ReasonInTheEnd(bus), "");
  unlink(name.c_str());
}

TEST(ModbusRtu, NeverTakesALateReplyForAnotherRegistersValue) {
  const SerialLine line;
  const Server server = Server::Serial(line.theirs(), {"--units", "1,2", "--baud", "115200", "--slow", "1:350"});
  const json far_apart = json::array(
      {Point("a", "holding", 100, "u16"), Point("b", "holding", 300, "u16"), Point("c", "holding", 500, "u16")});
  Bus bus(RtuBus(line.ours(), 115200,
                 json::array({Thing(1, far_apart, {{"timeout_ms", 150}, {"retries", 0}}),
                              Thing(2, far_apart, {{"timeout_ms", 3000}})})));
  const int addresses[] = {100, 300, 500};
  int right = 0;
  for (int poll = 0; poll < 12; ++poll) {
    const auto slow = bus.ReadAll(0);
    for (std::size_t i = 0; i < 3; ++i) {
      if (!slow[i].reason.empty()) continue;
      EXPECT_EQ(slow[i].number, Pattern("holding", 1, addresses[i]));
    }
    const auto good = bus.ReadAll(1);
    for (std::size_t i = 0; i < 3; ++i) {
      if (!good[i].reason.empty()) continue;
      EXPECT_EQ(good[i].number, Pattern("holding", 2, addresses[i]));
      ++right;
    }
  }
  EXPECT_GE(right, 33) << "the unit that answers in time keeps at least nine tenths of its polls";
}

TEST(ModbusRtu, ToleratesAStrayByteBeforeTheReply) {
  const SerialLine line;
  const Server server = Server::Serial(line.theirs(), {"--noise-every", "2"});
  Bus bus(
      RtuBus(line.ours(), 115200, json::array({Thing(1, json::array({Point("p", "input", 100)}), {{"retries", 0}})})));
  for (int poll = 0; poll < 6; ++poll) {
    const auto value = bus.ReadAll(0)[0];
    EXPECT_EQ(value.reason, "");
    EXPECT_EQ(value.number, Pattern("input", 1, 100));
  }
}

TEST(ModbusRtu, SaysBadCrcAndRecoversByItself) {
  const SerialLine line;
  const Server server = Server::Serial(line.theirs(), {"--bad-crc-every", "2"});
  Bus bus(
      RtuBus(line.ours(), 115200, json::array({Thing(1, json::array({Point("p", "input", 100)}), {{"retries", 0}})})));
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "");
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "bad CRC");
  EXPECT_EQ(bus.ReadAll(0)[0].number, Pattern("input", 1, 100));
}

}  // namespace
}  // namespace penumbra::modbus_rig
