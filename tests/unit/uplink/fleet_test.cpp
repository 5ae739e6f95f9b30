// Many things behind one gateway.
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class Fleet : public test::UplinkFixture {
 protected:
  std::vector<ThingSettings> Things(int count) {
    std::vector<ThingSettings> things;
    for (int i = 0; i < count; ++i) things.push_back(Thing("thing-" + std::to_string(i)));
    return things;
  }
  std::vector<BootTime> ConnectTimes(std::size_t from = 0) const {
    std::vector<BootTime> times;
    for (std::size_t i = from; i < transport.connects.size(); ++i) times.push_back(transport.connects[i].at);
    return times;
  }
};

TEST_F(Fleet, AHundredThingsComeBackAfterABrokerRestartWithinTheConnectRate) {
  upstream.connect_rate = 2;
  Create(Things(100), "gateway");
  AdvanceUntil([&] { return transport.online() == 101; });
  EXPECT_LE(Busiest(ConnectTimes(), 1s), 2);
  const std::size_t before = transport.connects.size();
  transport.reachable = false;
  transport.CloseAll();
  loop.Advance(20s);
  transport.reachable = true;
  AdvanceUntil([&] { return transport.online() == 101; }, 10min);
  EXPECT_LE(Busiest(ConnectTimes(before), 1s), 2);
  std::map<std::string, BootTime> last;
  for (const auto& connect : transport.connects) {
    if (last.count(connect.options.client_id) == 1) {
      EXPECT_GE(connect.at - last[connect.options.client_id], 1s);
    }
    last[connect.options.client_id] = connect.at;
  }
}

TEST_F(Fleet, TheGatewayConnectsFirstAndThenWhoHasWaitedLongest) {
  auto things = Things(4);
  Read("thing-3");
  loop.Advance(10s);
  Read("thing-1");
  loop.Advance(1s);
  Create(things, "gateway");
  AdvanceUntil([&] { return transport.online() == 5; });
  std::vector<std::string> order;
  for (const auto& connect : transport.connects) order.push_back(connect.options.client_id);
  EXPECT_EQ(order, (std::vector<std::string>{"gateway", "thing-3", "thing-1", "thing-0", "thing-2"}));
}

TEST_F(Fleet, ThingsTakeTurnsWithinTheTotalInFlight) {
  upstream.connect_rate = 1000;
  upstream.in_flight = 20;
  upstream.publish_rate = 1000;
  transport.latency = 100ms;
  for (int thing = 0; thing < 20; ++thing) {
    for (int i = 0; i < 100; ++i) Read("thing-" + std::to_string(thing));
  }
  Create(Things(20));
  AdvanceUntil([&] { return transport.online() == 20; });
  const std::size_t before = transport.published.size();
  loop.Advance(1s);
  EXPECT_LE(transport.max_in_flight_total, 100);
  EXPECT_GT(transport.max_in_flight_total, 90);
  std::map<std::string, int> share;
  for (std::size_t i = before; i < transport.published.size(); ++i) ++share[transport.published[i].client_id];
  ASSERT_EQ(share.size(), 20u);
  const auto [least, most] =
      std::minmax_element(share.begin(), share.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  EXPECT_LE(most->second - least->second, 10) << least->first << " " << least->second << ", " << most->second;
}

TEST_F(Fleet, FreshReadingsArriveWithinTwoSecondsOfReconnectingWhileTheBacklogDrains) {
  upstream.publish_rate = 20;
  Create(Things(5));
  AdvanceUntil([&] { return transport.online() == 5; });
  transport.reachable = false;
  transport.CloseAll();
  for (int i = 0; i < 300; ++i) {  // a minute at 5 polls a second
    for (int thing = 0; thing < 5; ++thing) Read("thing-" + std::to_string(thing));
    loop.Advance(200ms);
  }
  transport.reachable = true;
  AdvanceUntil([&] { return transport.online() == 5; });
  std::map<std::string, std::uint64_t> fresh;
  for (int thing = 0; thing < 5; ++thing) {
    const std::string name = "thing-" + std::to_string(thing);
    fresh[name] = Read(name);
  }
  loop.Advance(2s);
  for (const auto& [thing, seq] : fresh) {
    EXPECT_EQ(store.acked[thing].count(seq), 1u) << thing;
    EXPECT_LE(Busiest(PublishTimes(thing), 1s), 20);
  }
  EXPECT_GT(store.Outbox("thing-4").unsent, 0u) << "the backlog must still drain for this to prove anything";
  AdvanceUntil([&] { return store.Outbox("thing-4").unsent == 0; });
}

TEST_F(Fleet, AThingWhoseServerSideHangsDoesNotHoldUpTheOthers) {
  transport.acknowledges = false;
  Create(Things(2));
  AdvanceUntil([&] { return transport.online() == 2; });
  for (int i = 0; i < 50; ++i) Read("thing-0");
  loop.Advance(1s);
  transport.acknowledges = true;
  const std::uint64_t seq = Read("thing-1");
  loop.Advance(1s);
  EXPECT_EQ(store.acked["thing-1"].count(seq), 1u);
}

}  // namespace
}  // namespace penumbra
