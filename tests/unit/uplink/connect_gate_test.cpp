#include "uplink/connect_gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// A client library like Paho: attempts start when the gate says so, and their CONNECTs leave in bursts, at whole
// seconds. An attempt ends some time after its CONNECT.
struct BurstyClient {
  explicit BurstyClient(double rate) : gate(loop, rate, random) {}

  void Connect(const std::string& id) {
    gate.Request(
        id, [] { return 0; },
        [this, id] {
          const Duration until_burst = 1s - Duration(loop.Now().ns % std::chrono::nanoseconds(1s).count());
          timers.push_back(loop.After(until_burst, [this] { connects.push_back(loop.Now()); }));
          timers.push_back(loop.After(until_burst + end_after, [this, id] { gate.Finished(id); }));
        });
  }
  std::size_t Busiest() const {
    std::size_t busiest = 0;
    for (std::size_t first = 0, last = 0; last < connects.size(); ++last) {
      while (connects[last] - connects[first] >= 1s) ++first;
      busiest = std::max(busiest, last - first + 1);
    }
    return busiest;
  }

  test::VirtualLoop loop;
  Random random{7};
  ConnectGate gate;
  Duration end_after = 50ms;
  std::vector<BootTime> connects;
  std::vector<SubscriptionPtr> timers;
};

TEST(ConnectGate, NoSecondSeesMoreConnectsThanTheRateAlsoWhenTheyLeaveInBursts) {
  for (const double rate : {1.0, 2.0, 10.0, 25.0}) {
    BurstyClient client(rate);
    for (int i = 0; i < 60; ++i) client.Connect("thing-" + std::to_string(i));
    client.loop.Advance(300s);
    EXPECT_EQ(client.connects.size(), 60u) << rate;
    EXPECT_LE(client.Busiest(), static_cast<std::size_t>(rate)) << rate;
  }
}

TEST(ConnectGate, AnAttemptWithoutAnEndHoldsTheOthersUpForSecondsOnly) {
  BurstyClient client(1);
  client.end_after = 1h;
  client.Connect("stuck");
  client.Connect("next");
  client.loop.Advance(6s);
  EXPECT_EQ(client.connects.size(), 2u);
}

TEST(ConnectGate, AnAttemptThatIsCancelledMakesRoomAfterASecond) {
  BurstyClient client(1);
  client.end_after = 1h;
  client.Connect("stuck");
  client.loop.Advance(1500ms);
  client.gate.Cancel("stuck");
  client.Connect("next");
  client.loop.Advance(2500ms);
  EXPECT_EQ(client.connects.size(), 2u);
}

}  // namespace
}  // namespace penumbra
