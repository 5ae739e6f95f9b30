// Lifecycle events: what the cloud says of connections.
#include "iotcore/lifecycle.hpp"

#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

Json Body(const std::optional<Message>& event) {
  return event ? *ParseJson(event->payload) : Json();
}

TEST(Lifecycle, NamesClientCertificateAndSessionAndWhyItEnded) {
  Lifecycle lifecycle;
  const Lifecycle::Client client{"t1", "c1", 7};
  const auto connected = lifecycle.Connected(client, 1000);
  ASSERT_TRUE(connected);
  EXPECT_EQ(connected->topic, "$aws/events/presence/connected/t1");
  const Json body = Body(connected);
  EXPECT_EQ(body["clientId"], "t1");
  EXPECT_EQ(body["eventType"], "connected");
  EXPECT_EQ(body["timestamp"], 1000);
  EXPECT_EQ(body["principalIdentifier"], "c1");
  EXPECT_EQ(body["versionNumber"], 0);
  const auto subscribed = lifecycle.Subscribed(client, {"a/+", "b"}, 1001);
  EXPECT_EQ(subscribed->topic, "$aws/events/subscriptions/subscribed/t1");
  EXPECT_EQ(Body(subscribed)["topics"], Json({"a/+", "b"}));
  const auto gone = lifecycle.Disconnected(client, EndReason::kConnectionLost, 2000);
  EXPECT_EQ(gone->topic, "$aws/events/presence/disconnected/t1");
  EXPECT_EQ(Body(gone)["disconnectReason"], "CONNECTION_LOST");
  EXPECT_EQ(Body(gone)["clientInitiatedDisconnect"], false);
  EXPECT_EQ(Body(gone)["sessionIdentifier"], body["sessionIdentifier"]);
  EXPECT_EQ(Body(gone)["versionNumber"], 0);
}

TEST(Lifecycle, AConnectionThatWasTakenOverEndsUnderItsOwnVersionThoughItsSuccessorCameFirst) {
  Lifecycle lifecycle;
  lifecycle.Connected({"t1", "c1", 1}, 0);
  EXPECT_EQ(Body(lifecycle.Connected({"t1", "c1", 2}, 1))["versionNumber"], 1);
  EXPECT_EQ(Body(lifecycle.Disconnected({"t1", "c1", 1}, EndReason::kDuplicateClientId, 2))["versionNumber"], 0);
  const Json last = Body(lifecycle.Disconnected({"t1", "c1", 2}, EndReason::kClientInitiated, 3));
  EXPECT_EQ(last["versionNumber"], 1);
  EXPECT_EQ(last["clientInitiatedDisconnect"], true);
  EXPECT_EQ(lifecycle.Ends(), Json::parse(R"({"t1":{"DUPLICATE_CLIENTID":1,"CLIENT_INITIATED_DISCONNECT":1}})"));
}

TEST(Lifecycle, SaysNothingOfClientsThatNeverConnectedOrCouldBeFilters) {
  Lifecycle lifecycle;
  EXPECT_FALSE(lifecycle.Disconnected({"t1", "c1", 1}, EndReason::kClientError, 0));
  for (const char* id : {"", "a+", "#"}) EXPECT_FALSE(lifecycle.Connected({id, "c1", 2}, 0)) << id;
}

}  // namespace
}  // namespace penumbra::iotcore
