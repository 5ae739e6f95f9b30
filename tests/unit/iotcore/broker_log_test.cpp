// mosquitto's log lines, as version 2.0.11 of Debian 12 writes them.
#include "iotcore/broker_log.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

TEST(BrokerLog, TheFileLeavesOutWhatComesWithEveryMessage) {
  EXPECT_TRUE(IsPerMessage("1: Received PUBLISH from bob (d0, q1, r0, m1, 'a', ... (2 bytes))"));
  EXPECT_FALSE(IsPerMessage("1: Denied PUBLISH from bob (d0, q1, r0, m1, 'a', ... (2 bytes))"));
}

}  // namespace
}  // namespace penumbra::iotcore
