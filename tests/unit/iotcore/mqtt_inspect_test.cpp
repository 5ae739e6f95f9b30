// What the front reads out of passing packets, in both versions of MQTT, and what it makes of foreign bytes.
#include "iotcore/mqtt_inspect.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

using ::testing::ElementsAre;
using namespace std::string_literals;

constexpr int kMqtt311 = 4;

TEST(MqttInspect, RefusesPacketsThatEndTooEarly) {
  const std::string connect = "\x00\x04MQTT\x05\x06\x00\x3C\x00\x00\x02id\x00\x00\x05topic\x00\x01x"s;
  ASSERT_TRUE(InspectConnect({PacketType::kConnect, 0, connect}));
  for (std::size_t size = 0; size < connect.size(); ++size) {
    EXPECT_FALSE(InspectConnect({PacketType::kConnect, 0, std::string_view(connect).substr(0, size)})) << size;
  }
  EXPECT_FALSE(InspectPublish({PacketType::kPublish, 2, "\x00\x01t\x00"s}, kMqtt311));
  EXPECT_FALSE(InspectPublish({PacketType::kPublish, 6, "\x00\x01t\x00\x01"s}, kMqtt311)) << "QoS 3";
  EXPECT_FALSE(InspectPublish({PacketType::kPublish, 2, "\x00\x01t\x00\x01\x02\x99\x01"s}, kMqtt5))
      << "unknown property";
  EXPECT_FALSE(InspectPublish({PacketType::kPublish, 2, "\x00\x01t\x00\x01\x02\x23\x01"s}, kMqtt5)) << "half an alias";
  EXPECT_FALSE(InspectSubscribe({PacketType::kSubscribe, 2, "\x00\x01"s}, kMqtt311)) << "no filter";
  EXPECT_FALSE(InspectSubscribe({PacketType::kSubscribe, 2, "\x00\x01\x00\x01"s + "a"}, kMqtt311)) << "no options";
}

TEST(MqttInspect, ReadsAConnectWithItsWill) {
  const auto plain = InspectConnect({PacketType::kConnect, 0, "\x00\x04MQTT\x04\x02\x00\x3C\x00\x02id"s});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->client_id, "id");
  EXPECT_FALSE(plain->will_topic);
  const auto will =
      InspectConnect({PacketType::kConnect, 0,
                      "\x00\x04MQTT\x05\x26\x00\x3C\x05\x11\x00\x00\x0E\x10\x00\x02id\x00\x00\x03w/t\x00\x01x"s});
  ASSERT_TRUE(will);
  EXPECT_EQ(will->level, kMqtt5);
  EXPECT_EQ(will->will_topic, "w/t");
  EXPECT_TRUE(will->will_retain);
}

TEST(MqttInspect, ReadsAPublishAndItsAlias) {
  const auto plain = InspectPublish({PacketType::kPublish, 3, "\x00\x03"s + "a/b" + "\x00\x07"s + "pay"}, kMqtt311);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->topic, "a/b");
  EXPECT_EQ(plain->packet_id, 7);
  EXPECT_TRUE(plain->retain);
  EXPECT_EQ(plain->payload_bytes, 3U);
  const auto aliased =
      InspectPublish({PacketType::kPublish, 2, "\x00\x00\x00\x07\x0A\x26\x00\x01k\x00\x01v\x23\x00\x09"s}, kMqtt5);
  ASSERT_TRUE(aliased);
  EXPECT_EQ(aliased->topic, "");
  EXPECT_EQ(aliased->alias, 9);
}

TEST(MqttInspect, MakesASubscribeOfSomeOfItsFiltersAndASubackOfAllCodes) {
  const std::string body = "\x00\x05\x00\x00\x01"s + "a" + "\x01\x00\x01"s + "b" + "\x00"s;
  const auto view = InspectSubscribe({PacketType::kSubscribe, 2, body}, kMqtt5);
  ASSERT_TRUE(view);
  ASSERT_EQ(view->filters.size(), 2U);
  EXPECT_EQ(EncodeSubscribe(*view, view->filters), EncodePacket({PacketType::kSubscribe, 2, body}));
  EXPECT_EQ(EncodeSubscribe(*view, {view->filters[1]}),
            EncodePacket({PacketType::kSubscribe, 2, "\x00\x05\x00\x00\x01"s + "b" + "\x00"s}));
  const std::string answer = "\x00\x05\x00\x01"s;
  const auto suback = InspectSuback({PacketType::kSuback, 0, answer}, kMqtt5);
  ASSERT_TRUE(suback);
  EXPECT_THAT(suback->codes, ElementsAre(1));
  EXPECT_EQ(EncodeSuback(suback->head, {0x87, 1}), "\x90\x05\x00\x05\x00\x87\x01"s);
  EXPECT_EQ(EncodeSuback(SubackHead(5, kMqtt311), {0x80}), "\x90\x03\x00\x05\x80"s);
}

TEST(MqttInspect, AnswersWithReasonCodes) {
  EXPECT_EQ(EncodeConnackRefused(0x87, kMqtt5), "\x20\x03\x00\x87\x00"s);
  EXPECT_EQ(EncodeConnackRefused(5, kMqtt311), "\x20\x02\x00\x05"s);
  EXPECT_EQ(EncodePubackCode(0x0102, 0x87), "\x40\x03\x01\x02\x87"s);
  EXPECT_EQ(EncodeDisconnect(0x9B), "\xE0\x01\x9B"s);
}

}  // namespace
}  // namespace penumbra::iotcore
