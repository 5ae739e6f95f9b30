// The stand-in's own MQTT packets.
#include "iotcore/mqtt_packet.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace penumbra::iotcore {
namespace {

struct Seen {
  PacketType type;
  std::uint8_t flags;
  std::string body;
};

std::vector<Seen> Feed(PacketReader& reader, std::string_view bytes, bool* whole = nullptr) {
  std::vector<Seen> seen;
  const bool ok = reader.Feed(bytes, [&seen](const Packet& packet) {
    seen.push_back({packet.type, packet.flags, std::string(packet.body)});
  });
  if (whole != nullptr) *whole = ok;
  return seen;
}

TEST(PacketReader, RefusesALengthOfFiveDigitsAndTooLargeAPacket) {
  bool whole = true;
  PacketReader five;
  Feed(five, "\x30\xFF\xFF\xFF\xFF\x01", &whole);
  EXPECT_FALSE(whole);
  PacketReader large;
  Feed(large, "\x30\xFF\xFF\xFF\x7F", &whole);
  EXPECT_FALSE(whole);
}

TEST(PacketReader, CutsPacketsThatArriveByteByByteOrTogether) {
  const std::string two = EncodePublish(7, "a/b", std::string(200, 'x')) + EncodePuback(9);
  PacketReader at_once, slowly;
  const auto together = Feed(at_once, two);
  std::vector<Seen> apart;
  for (const char byte : two) {
    for (auto& packet : Feed(slowly, {&byte, 1})) apart.push_back(packet);
  }
  ASSERT_EQ(together.size(), 2u);
  ASSERT_EQ(apart.size(), 2u);
  EXPECT_EQ(together[0].body, apart[0].body);
  EXPECT_EQ(apart[1].type, PacketType::kPuback);
}

TEST(ParsePublish, ReadsBackWhatWasWritten) {
  PacketReader reader;
  const auto seen = Feed(reader, EncodePublish(513, "sensors/a", "payload"));
  ASSERT_EQ(seen.size(), 1u);
  const auto publish = ParsePublish({seen[0].type, seen[0].flags, seen[0].body});
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->topic, "sensors/a");
  EXPECT_EQ(publish->payload, "payload");
  EXPECT_EQ(publish->qos, 1);
  EXPECT_EQ(publish->packet_id, 513);
}

TEST(ParsePublish, RefusesATopicLongerThanThePacketAndQosThree) {
  EXPECT_FALSE(ParsePublish({PacketType::kPublish, 0,
                             std::string_view("\x00\x09"
                                              "ab",
                                              4)}));
  EXPECT_FALSE(ParsePublish({PacketType::kPublish, 6,
                             std::string_view("\x00\x01"
                                              "a\x00\x01",
                                              5)}));
  EXPECT_FALSE(ParsePublish({PacketType::kPublish, 2,
                             std::string_view("\x00\x01"
                                              "a\x00",
                                              4)}));
  EXPECT_FALSE(ParsePublish({PacketType::kPublish, 0, ""}));
}

TEST(EncodeConnect, HasTheBytesOfTheStandard) {
  EXPECT_EQ(EncodeConnect("id", 60), std::string("\x10\x0E\x00\x04MQTT\x04\x02\x00\x3C\x00\x02id", 16));
  EXPECT_EQ(EncodeSubscribe(1, {"#"}), std::string("\x82\x06\x00\x01\x00\x01#\x01", 8));
}

}  // namespace
}  // namespace penumbra::iotcore
