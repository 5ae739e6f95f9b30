// The driver over Modbus TCP against a server that misbehaves: the reason says so, nothing else suffers, and no wrong
// value ever comes out.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "rig.hpp"
#include "support/reserved_port.hpp"

namespace penumbra::modbus_rig {
namespace {

using nlohmann::json;

json OnePoint(int address = 100) {
  return json::array({Point("p", "input", address)});
}

// The quickest of several times: what it takes by itself, on a machine that does other things too.
class Quickest {
 public:
  template <typename Work>
  void Measure(const Work& work) {
    const std::int64_t begin = NowNs();
    work();
    ns_ = std::min(ns_, NowNs() - begin);
  }
  std::int64_t ns() const { return ns_; }

 private:
  std::int64_t ns_ = INT64_MAX;
};

TEST(ModbusFaults, SaysConnectionRefusedAndComesBackWhenTheServerDoes) {
  const test::ReservedPort reserved;
  const int port = reserved.number();
  Server first = Server::Tcp({}, port);
  Bus bus(TcpBus(port, json::array({Thing(1, OnePoint())})));
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "");
  first.Kill();
  EXPECT_EQ(bus.ReadAll(0)[0].reason, "connection refused");
  const Server second = Server::Tcp({}, port);
  EXPECT_EQ(ReasonInTheEnd(bus), "");
  EXPECT_LE(bus.log().size(), 4u) << "transitions are logged, not polls";
}

TEST(ModbusFaults, ASilentUnitTimesOutAndCostsTheOthersNothing) {
  const Server server = Server::Tcp({"--units", "1,7", "--silent", "7"});
  Bus bus(TcpBus(server.port(), json::array({Thing(1, OnePoint()), Thing(7, OnePoint(), {{"timeout_ms", 100}})})));
  Quickest silence;
  for (int poll = 0; poll < 5; ++poll) {
    EXPECT_EQ(bus.ReadAll(0)[0].reason, "");
    silence.Measure([&] { EXPECT_EQ(bus.ReadAll(1)[0].reason, "timeout"); });
  }
  EXPECT_LT(silence.ns(), 400'000'000) << "two attempts of 100 ms";
  EXPECT_TRUE(bus.log().empty()) << bus.log().front();
}

TEST(ModbusFaults, OneBadRegisterCostsOnlyItselfAndIsReportedOnce) {
  const Server server = Server::Tcp({"--hole", "holding:120", "--hole", "holding:131-132"});
  json points = json::array();
  for (int i = 0; i < 30; ++i) points.push_back(Point("p" + std::to_string(i), "holding", 105 + i, "u16"));
  points.erase(points.begin() + 26, points.begin() + 28);  // 131 and 132: a hole no point needs
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points)})));
  for (int poll = 0; poll < 4; ++poll) {
    const auto values = bus.ReadAll(0);
    ASSERT_EQ(values.size(), 28u);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int address = 105 + static_cast<int>(i) + (i >= 26 ? 2 : 0);
      if (address == 120) {
        EXPECT_EQ(values[i].reason, "exception 2 (illegal data address)");
      } else {
        EXPECT_EQ(values[i].reason, "") << address;
        EXPECT_EQ(values[i].number, Pattern("holding", 1, address));
      }
    }
  }
  int refusals = 0;
  for (const std::string& line : bus.log()) refusals += line.find("point p15 ") != std::string::npos ? 1 : 0;
  EXPECT_EQ(refusals, 1);
}

TEST(ModbusFaults, LearnsHowManyRegistersTheDeviceTakesAtOnce) {
  const Server server = Server::Tcp({"--max-words", "16"});
  json points = json::array();
  for (int i = 0; i < 60; ++i) points.push_back(Point("p" + std::to_string(i), "holding", 100 + i, "u16"));
  points.push_back(Point("polls", "input", 10, "u32"));
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points)})));
  for (int poll = 0; poll < 3; ++poll) {
    const auto values = bus.ReadAll(0);
    for (std::size_t i = 0; i < 60; ++i) {
      EXPECT_EQ(values[i].reason, "");
      EXPECT_EQ(values[i].number, Pattern("holding", 1, 100 + static_cast<int>(i)));
    }
  }
  EXPECT_GE(bus.log().size(), 1u);
  EXPECT_LE(bus.log().size(), 4u);
}

TEST(ModbusFaults, HonoursTheDeadlineAndTheCancelDescriptor) {
  const Server server = Server::Tcp({"--silent", "1"});
  Bus bus(TcpBus(server.port(), json::array({Thing(1, OnePoint())}), {{"timeout_ms", 5000}}));
  Quickest silence;
  for (int i = 0; i < 3; ++i) silence.Measure([&] { EXPECT_EQ(bus.ReadAll(0, 200)[0].reason, "timeout"); });
  EXPECT_LT(silence.ns(), 350'000'000);
  int cancel[2];
  ASSERT_EQ(pipe2(cancel, O_CLOEXEC), 0);
  ASSERT_EQ(write(cancel[1], "x", 1), 1);
  std::vector<Read> values;
  Quickest cancelled;
  for (int i = 0; i < 3; ++i) {
    cancelled.Measure([&] { EXPECT_EQ(bus.ReadAll(0, values, 3000, cancel[0]), PENUMBRA_CANCELLED); });
  }
  EXPECT_LT(cancelled.ns(), 200'000'000);
  close(cancel[0]);
  close(cancel[1]);
}

// What costs the whole time-out counts as silence, whatever came instead: the breaker goes by the status.
TEST(ModbusFaults, AUnitThatOnlyHalfAnswersCountsAsSilentAndKeepsItsReason) {
  for (const auto& [fault, reason] :
       {std::pair{"--half-every", "incomplete reply"}, std::pair{"--wrong-unit-every", "wrong unit in reply"}}) {
    const Server server = Server::Tcp({fault, "1"});
    Bus bus(TcpBus(server.port(), json::array({Thing(1, OnePoint())}), {{"timeout_ms", 1500}, {"retries", 0}}));
    const auto value = bus.ReadAll(0)[0];
    EXPECT_EQ(value.reason, reason);
    EXPECT_EQ(value.status, PENUMBRA_TIMEOUT) << fault;
  }
}

TEST(ModbusFaults, AUnitThatCostsTheConnectionAtEachPollIsToldOfOnceAlsoBesideOneThatAnswers) {
  const Server server = Server::Tcp({"--units", "1-2", "--garbage-every", "2"});
  Bus bus(TcpBus(server.port(),
                 json::array({Thing(1, OnePoint(), {{"retries", 0}}), Thing(2, OnePoint(), {{"retries", 0}})}),
                 {{"timeout_ms", 2000}}));
  int good = 0;
  int bad = 0;
  for (int poll = 0; poll < 12; ++poll) {
    ++(bus.ReadAll(0)[0].reason.empty() ? good : bad);
    ++(bus.ReadAll(1)[0].reason.empty() ? good : bad);
  }
  EXPECT_GE(good, 6);
  EXPECT_GE(bad, 6);
  int told = 0;
  for (const std::string& line : bus.log()) told += line.find("connection given up") != std::string::npos ? 1 : 0;
  EXPECT_GE(told, 1);
  EXPECT_LE(told, 2) << "once a unit";
}

TEST(ModbusFaults, BusyIsAskedAgain) {
  const Server server = Server::Tcp({"--busy-every", "3"});
  Bus bus(TcpBus(server.port(), json::array({Thing(1, OnePoint())})));
  for (int poll = 0; poll < 6; ++poll) EXPECT_EQ(bus.ReadAll(0)[0].reason, "");
}

// Each fault alone and then all together; what comes out is right or bad, never wrong.
class ModbusHostileServer : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(ModbusHostileServer, NeverYieldsAWrongValue) {
  auto arguments = GetParam();
  arguments.insert(arguments.end(), {"--units", "1-2"});
  const Server server = Server::Tcp(arguments);
  json points = json::array();
  std::vector<int> addresses;
  for (int i = 0; i < 6; ++i) {
    addresses.push_back(100 + 150 * i);  // as many requests of the same shape as points
    points.push_back(Point("p" + std::to_string(i), "input", addresses.back()));
  }
  Bus bus(TcpBus(server.port(), json::array({Thing(1, points), Thing(2, points)}), {{"timeout_ms", 60}}));
  int good = 0;
  int polls = 0;
  const std::int64_t begun = NowNs();
  // Longer when the machine is so busy that the server itself is late most of the time.
  const auto enough = [&] {
    const std::int64_t passed = NowNs() - begun;
    return passed > (good > polls ? 2'500'000'000 : kLimitMs * 1'000'000LL);
  };
  for (; !enough(); ++polls) {
    const int unit = 1 + polls % 2;
    const auto values = bus.ReadAll(static_cast<std::uint32_t>(unit - 1));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].reason.empty()) continue;
      ++good;
      ASSERT_EQ(values[i].number, Pattern("input", unit, addresses[i])) << "poll " << polls;
    }
  }
  EXPECT_GT(good, polls) << "of " << polls << " polls of 6 points: most requests still get through";
  RecordProperty("polls", polls);
  RecordProperty("good", good);
}

INSTANTIATE_TEST_SUITE_P(
    EachFault, ModbusHostileServer,
    testing::Values(std::vector<std::string>{"--late-every", "5", "--late-ms", "90"},
                    std::vector<std::string>{"--twice-every", "3"}, std::vector<std::string>{"--lose-every", "7"},
                    std::vector<std::string>{"--garbage-every", "5"}, std::vector<std::string>{"--half-every", "5"},
                    std::vector<std::string>{"--wrong-unit-every", "5"},
                    std::vector<std::string>{"--wrong-transaction-every", "5"},
                    std::vector<std::string>{"--drop-every", "5"},
                    std::vector<std::string>{"--late-every", "7", "--late-ms", "90", "--twice-every", "3",
                                             "--garbage-every", "17", "--half-every", "19", "--wrong-unit-every", "11",
                                             "--wrong-transaction-every", "13", "--drop-every", "23"}));

}  // namespace
}  // namespace penumbra::modbus_rig
