// What a server says in its CONNACK that it does not take.
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class ServerLimits : public test::UplinkFixture {
 protected:
  // As on the wire, for topics and payloads of less than 16 KiB.
  std::size_t LargestPacket() const {
    std::size_t largest = 0;
    for (const auto& message : transport.published) {
      const std::size_t remaining = 5 + message.topic.size() + message.payload.size();
      largest = std::max(largest, remaining + (remaining > 127 ? 3 : 2));
    }
    return largest;
  }
};

TEST_F(ServerLimits, BatchesKeepWithinTheMaximumPacketSize) {
  transport.session.maximum_packet = 700;
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 4600;
  for (int i = 0; i < 300; ++i) Read("a");
  Create({thing});
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; });
  EXPECT_LE(LargestPacket(), 700u);
  EXPECT_GE(LargestPacket(), 500u);
  EXPECT_LT(transport.published.size(), 80u) << "still batches";
}

TEST_F(ServerLimits, FreshBatchesKeepWithinItToo) {
  transport.session.maximum_packet = 700;
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 4600;
  thing.batch_interval = 60s;
  Create({thing});
  AdvanceUntil([&] { return Online("a"); });
  for (int i = 0; i < 100; ++i) Read("a");
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; });
  EXPECT_LE(LargestPacket(), 700u);
}

TEST_F(ServerLimits, AReadingLargerThanTheServerTakesIsNotSentButSetAsideAndTold) {
  transport.session.maximum_packet = 130;
  const std::uint64_t small = Read("a", 1);
  ThingSettings thing = Thing("a");
  Reading large;
  large.thing = "a";
  large.time_trusted = true;
  large.values.push_back({"temperature", std::string(500, 'x'), Quality::kGood, ""});
  store.Append(large);
  const std::uint64_t seq = store.Outbox("a").newest_seq;
  const std::uint64_t after = Read("a", 2);
  Create({thing});
  loop.Advance(1min);
  EXPECT_LE(LargestPacket(), 130u);
  EXPECT_EQ(store.acked["a"], (std::set<std::uint64_t>{small, after}));
  EXPECT_EQ(Link("a").set_aside, 1u);
  EXPECT_NE(uplink->Explain("a", seq).find("set aside"), std::string::npos) << uplink->Explain("a", seq);
  EXPECT_EQ(transport.connects.size(), 1u);

  transport.session.maximum_packet = SIZE_MAX;
  transport.CloseAll();
  loop.Advance(20min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

TEST_F(ServerLimits, AServerWithoutQos1GetsNothingAndTheOperatorIsTold) {
  transport.session.maximum_qos = 0;
  Read("a");
  Create({Thing("a")});
  loop.Advance(2min);
  EXPECT_TRUE(transport.published.empty());
  EXPECT_FALSE(Online("a"));
  EXPECT_NE(Link("a").last_error.find("QoS"), std::string::npos) << Link("a").last_error;
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  EXPECT_LE(transport.connects.size(), 20u);
  transport.session.maximum_qos = 1;
  loop.Advance(1min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

TEST_F(ServerLimits, WithoutRetainTheStatusGoesUnretained) {
  upstream.status_retained = true;
  transport.session.retain_available = false;
  Create({Thing("a")});
  loop.Advance(10s);
  ASSERT_FALSE(transport.published.empty());
  EXPECT_FALSE(transport.published.front().retain);
  EXPECT_EQ(transport.connects.size(), 1u);
}

TEST_F(ServerLimits, AConnectRefusedOverARetainedWillIsRepeatedWithoutRetain) {
  upstream.status_retained = true;
  transport.on_connect = [](const mqtt::ConnectOptions& options) -> std::optional<mqtt::Failure> {
    if (!options.will->retain) return std::nullopt;
    return mqtt::Failure{mqtt::Failure::Kind::kRefused, 0x9A, "retain not supported"};
  };
  Create({Thing("a"), Thing("b")});
  loop.Advance(30s);
  EXPECT_TRUE(Online("a"));
  EXPECT_TRUE(Online("b"));
  EXPECT_LE(transport.connects.size(), 4u);
  EXPECT_TRUE(std::none_of(transport.published.begin(), transport.published.end(),
                           [](const auto& message) { return message.retain; }));
}

TEST_F(ServerLimits, AShorterKeepAliveOfTheServerIsAskedForFromThenOn) {
  transport.session.keep_alive = 20s;
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  ASSERT_EQ(transport.connects.size(), 3u) << "what one thing has learned holds for the others";
  EXPECT_EQ(transport.connects[1].options.keep_alive, 20s);
  EXPECT_EQ(transport.connects[2].options.keep_alive, 20s);
  EXPECT_EQ(transport.disconnects.size(), 1u) << "with a proper goodbye";
  EXPECT_EQ(Link("a").last_error, "");
}

TEST_F(ServerLimits, ALongerKeepAliveOfTheServerChangesNothing) {
  transport.session.keep_alive = 1200s;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1min);
  EXPECT_EQ(transport.connects.size(), 1u);
}

TEST(SessionLimits, ThePacketIsCountedToTheByte) {
  mqtt::Session session;
  session.maximum_packet = 100;
  for (std::size_t topic = 1; topic < 120; ++topic) {
    const std::size_t largest = session.LargestPayload(topic);
    EXPECT_EQ(largest, topic <= 93 ? 93 - topic : 0u);
    if (topic > 93) continue;
    EXPECT_TRUE(session.Takes(topic, largest));
    EXPECT_FALSE(session.Takes(topic, largest + 1));
  }
  session.maximum_packet = 128;  // a remaining length of 126, in one byte
  EXPECT_TRUE(session.Takes(10, 126 - 5 - 10));
  EXPECT_EQ(session.LargestPayload(10), 126u - 5 - 10) << "one byte of length is enough";
}

}  // namespace
}  // namespace penumbra
