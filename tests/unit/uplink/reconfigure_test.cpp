// Uplink::Reconfigure: sessions that need not end go on, those of removed things send what is left.
#include <gmock/gmock.h>

#include "uplink_fixture.hpp"

namespace penumbra::test {
namespace {

class ReconfigureTest : public UplinkFixture {
 protected:
  std::size_t Connects(const std::string& thing) const { return static_cast<std::size_t>(Link(thing).connects); }
  bool Known(const std::string& thing) const { return !Link(thing).thing.empty(); }
  std::size_t Goodbyes(const std::string& thing) const {
    return static_cast<std::size_t>(std::count(transport.disconnects.begin(), transport.disconnects.end(), thing));
  }
};

TEST_F(ReconfigureTest, ANewThingConnectsAndTheOthersNoticeNothing) {
  upstream.connect_rate = 10;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  uplink->Reconfigure(upstream, {Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("b"); });
  EXPECT_EQ(transport.connects.size(), 2U);
  EXPECT_TRUE(transport.disconnects.empty());
}

TEST_F(ReconfigureTest, AnotherTopicAndOtherLimitsKeepTheSession) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  ThingSettings moved = Thing("a");
  moved.topic = "plant/a";
  upstream.publish_rate = 10;
  upstream.in_flight = 2;
  uplink->Reconfigure(upstream, {moved});
  loop.Advance(2s);
  transport.published.clear();
  for (int i = 0; i < 40; ++i) Read("a");
  loop.Advance(10s);
  ASSERT_EQ(transport.published.size(), 40U);
  EXPECT_EQ(transport.published.back().topic, "plant/a");
  EXPECT_LE(Busiest(PublishTimes("a"), 1s), 10);
  EXPECT_EQ(transport.connects.size(), 1U);
}

TEST_F(ReconfigureTest, ARaisedRateNeverExceedsBothTogether) {
  upstream.publish_rate = 20;
  upstream.in_flight = 100;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  for (int i = 0; i < 200; ++i) Read("a");
  loop.Advance(3s);
  upstream.publish_rate = 40;
  uplink->Reconfigure(upstream, {Thing("a")});
  loop.Advance(10s);
  EXPECT_LE(Busiest(PublishTimes("a"), 1s), 40);
}

TEST_F(ReconfigureTest, AnotherCertificateConnectsAnewAndLosesNothing) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  const std::uint64_t first = Read("a");
  ThingSettings renewed = Thing("a");
  Provision("other");
  renewed.certificate = "credentials/other.pem.crt";
  renewed.private_key = "credentials/other.pem.key";
  uplink->Reconfigure(upstream, {renewed});
  Read("a");
  AdvanceUntil([&] { return transport.connects.size() == 2 && Online("a"); });
  loop.Advance(2s);
  EXPECT_EQ(transport.connects[1].options.certificate, state / "credentials/other.pem.crt");
  EXPECT_EQ(Goodbyes("a"), 1U);
  EXPECT_EQ(store.acked["a"], (std::set<std::uint64_t>{first, first + 1}));
}

TEST_F(ReconfigureTest, AnotherEndpointTakesEverySessionThereTheGatewaysToo) {
  upstream.connect_rate = 10;
  Create({Thing("a")}, "gateway");
  AdvanceUntil([&] { return Online("a") && Online("gateway"); });
  upstream.endpoint = "elsewhere.test";
  uplink->Reconfigure(upstream, {Thing("a")});
  AdvanceUntil([&] { return transport.connects.size() == 4 && Online("a") && Online("gateway"); });
  EXPECT_EQ(transport.connects[2].options.host, "elsewhere.test");
  EXPECT_EQ(transport.connects[3].options.host, "elsewhere.test");
}

TEST_F(ReconfigureTest, GoesOfflineAndOnlineWithTheEndpoint) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  upstream.endpoint.clear();
  uplink->Reconfigure(upstream, {Thing("a")});
  AdvanceUntil([&] { return Link("a").link == "offline"; });
  const std::uint64_t seq = Read("a");
  loop.Advance(60s);
  EXPECT_EQ(transport.connects.size(), 1U);
  upstream.endpoint = "broker.test";
  uplink->Reconfigure(upstream, {Thing("a")});
  AdvanceUntil([&] { return store.acked["a"].count(seq) == 1; });
}

TEST_F(ReconfigureTest, ARemovedThingSendsWhatIsLeftAndThenSaysGoodbye) {
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  transport.CloseAll();
  transport.reachable = false;
  loop.Advance(1s);
  std::set<std::uint64_t> read;
  for (int i = 0; i < 300; ++i) read.insert(Read("b"));
  uplink->Reconfigure(upstream, {Thing("a")});
  loop.Advance(60s);
  EXPECT_TRUE(Link("b").leaving);
  transport.reachable = true;
  AdvanceUntil([&] { return !Known("b"); });
  EXPECT_EQ(store.acked["b"], read);
  EXPECT_EQ(Goodbyes("b"), 1U);
  EXPECT_EQ(Goodbyes("a"), 0U);
}

TEST_F(ReconfigureTest, ARemovedThingWithNothingLeftGoesSoon) {
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  uplink->Reconfigure(upstream, {Thing("a")});
  AdvanceUntil([&] { return !Known("b"); }, 5s);
  EXPECT_EQ(transport.published.back().topic, "status/b");
}

TEST_F(ReconfigureTest, AThingThatComesAgainWhileItLeavesStays) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  uplink->Reconfigure(upstream, {});
  loop.Advance(500ms);
  uplink->Reconfigure(upstream, {Thing("a")});
  loop.Advance(60s);
  EXPECT_TRUE(Online("a"));
  EXPECT_FALSE(Link("a").leaving);
  const std::uint64_t seq = Read("a");
  loop.Advance(1s);
  EXPECT_EQ(store.acked["a"].count(seq), 1U);
}

TEST_F(ReconfigureTest, AThingThatGoesDuringItsGoodbyeStillSendsWhatIsLeft) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  transport.acknowledges = false;
  const std::uint64_t seq = Read("a");
  upstream.keep_alive = 30s;
  uplink->Reconfigure(upstream, {Thing("a")});  // the goodbye waits for an answer that does not come
  loop.Advance(100ms);
  uplink->Reconfigure(upstream, {});
  transport.acknowledges = true;
  AdvanceUntil([&] { return !Known("a"); });
  EXPECT_EQ(store.acked["a"].count(seq), 1U);
}

TEST_F(ReconfigureTest, ASessionThatConnectsAnewStillKnowsItsSensor) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  uplink->SetSensor("a", {"unreachable", "timeout", 1'700'000'000'000});
  loop.Advance(1s);
  upstream.keep_alive = 30s;
  uplink->Reconfigure(upstream, {Thing("a")});
  AdvanceUntil([&] { return transport.connects.size() == 2 && Online("a"); });
  loop.Advance(1s);
  EXPECT_EQ((*ParseJson(transport.published.back().payload))["sensor"], "unreachable");
}

TEST_F(ReconfigureTest, AStopInTheMiddleOfItEnds) {
  Create({Thing("a"), Thing("b"), Thing("c")});
  AdvanceUntil([&] { return Online("a") && Online("b") && Online("c"); });
  upstream.keep_alive = 30s;
  uplink->Reconfigure(upstream, {Thing("a"), Thing("d")});
  bool done = false;
  uplink->Shutdown([&] { done = true; });
  loop.Advance(6s);
  EXPECT_TRUE(done);
}

TEST_F(ReconfigureTest, FiftyTimesTheSameTouchesNothing) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  for (int i = 0; i < 50; ++i) uplink->Reconfigure(upstream, {Thing("a")});
  loop.Advance(60s);
  EXPECT_EQ(transport.connects.size(), 1U);
}

}  // namespace
}  // namespace penumbra::test
