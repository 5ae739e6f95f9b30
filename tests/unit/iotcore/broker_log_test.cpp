// mosquitto's log lines, as version 2.0.11 of Debian 12 writes them.
#include "iotcore/broker_log.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

TEST(BrokerLog, TellsWhichCertificateConnectedUnderWhichClientId) {
  const auto event = ParseBrokerLog(
      "1795388071: New client connected from 127.0.0.1:41632 as sensor-002 (p5, c1, k60, u'sensor-001').");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, BrokerEvent::Kind::kConnected);
  EXPECT_EQ(event->client_id, "sensor-002");
  EXPECT_EQ(event->thing, "sensor-001");
  EXPECT_EQ(event->peer_port, 41632);
  EXPECT_EQ(event->protocol, 5);
}

TEST(BrokerLog, AClientIdCannotForgeTheRestOfTheLine) {
  const auto event = ParseBrokerLog(
      "1: New client connected from 127.0.0.1:1 as x (p5, c1, k60, u'admin'). (p2, c1, k60, u'sensor-001').");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->client_id, "x (p5, c1, k60, u'admin').");
  EXPECT_EQ(event->thing, "sensor-001");
  EXPECT_EQ(event->protocol, 4);
}

TEST(BrokerLog, TellsWhichPublishWasDenied) {
  const auto event =
      ParseBrokerLog("1795388072: Denied PUBLISH from bob (d0, q1, r0, m1, 'sensors/bob', ... (2 bytes))");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, BrokerEvent::Kind::kDeniedPublish);
  EXPECT_EQ(event->client_id, "bob");
  EXPECT_EQ(event->topic, "sensors/bob");
}

TEST(BrokerLog, AConnectionOfTheStandInItselfHasNoThing) {
  const auto event =
      ParseBrokerLog("1: New client connected from /tmp/broker.sock:0 as iotcore-recorder (p2, c1, k0).");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->thing, "");
}

TEST(BrokerLog, SkipsEverythingElse) {
  for (const char* line : {"", "1: New client connected from", "1: New client connected from a:b as c (p5",
                           "1: New client connected from a:x as c (p5, c1, k60, u'd').", "1: Denied PUBLISH from bob",
                           "1: Denied PUBLISH from bob (d0, ', ... (", "1: mosquitto version 2.0.11 running"}) {
    EXPECT_FALSE(ParseBrokerLog(line)) << line;
  }
}

TEST(BrokerLog, TheFileLeavesOutWhatComesWithEveryMessage) {
  EXPECT_TRUE(IsPerMessage("1: Received PUBLISH from bob (d0, q1, r0, m1, 'a', ... (2 bytes))"));
  EXPECT_FALSE(IsPerMessage("1: Denied PUBLISH from bob (d0, q1, r0, m1, 'a', ... (2 bytes))"));
}

}  // namespace
}  // namespace penumbra::iotcore
