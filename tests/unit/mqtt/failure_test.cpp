#include "mqtt/failure.hpp"

#include <gtest/gtest.h>

namespace penumbra::mqtt {
namespace {

using Kind = Failure::Kind;

ConnectOptions Options(Version version) {
  ConnectOptions options;
  options.client_id = "sensor-001";
  options.host = "example.test";
  options.root_ca = "roots.pem";
  options.certificate = "sensor-001.pem.crt";
  options.version = version;
  return options;
}

Failure Classify(ConnectReport report, Version version = Version::k5) {
  return ConnectFailure(report, Options(version), "192.0.2.1");
}

TEST(ConnectFailure, OnlyAnExplicitRefusalOfTheVersionAsksForAnother) {
  const std::string connack = "CONNACK return code";
  EXPECT_EQ(Classify({0x84, connack}).kind, Kind::kProtocolVersion);
  EXPECT_EQ(Classify({1, connack}).kind, Kind::kProtocolVersion) << "a server of 3.1.1 answers with its own code";
  EXPECT_EQ(Classify({1, connack}, Version::k311).kind, Kind::kProtocolVersion);
  EXPECT_EQ(Classify({0x87, connack}).kind, Kind::kRefused);
  EXPECT_EQ(Classify({0x84, connack}, Version::k311).kind, Kind::kRefused);
  EXPECT_EQ(Classify({-1, "TCP connect completion failure"}).kind, Kind::kRefused);
  EXPECT_EQ(Classify({-1, "TCP/TLS connect failure"}).kind, Kind::kNetwork);
}

TEST(ConnectFailure, NamesTheLikelyCauseOfACloseBeforeConnack) {
  const std::string text = Classify({-1, "TCP connect completion failure"}).message;
  EXPECT_NE(text.find("sensor-001"), std::string::npos);
  EXPECT_NE(text.find("certificate"), std::string::npos);
}

// It is not taken for a refusal of the version, because AWS closes like that over rights; so the operator must be told.
TEST(ConnectFailure, ACloseBeforeConnackOfMqtt5SaysHowToAskForTheOlderVersion) {
  const ConnectReport closed{-1, "TCP connect completion failure"};
  EXPECT_NE(Classify(closed).message.find("protocol = \"3.1.1\""), std::string::npos);
  EXPECT_EQ(Classify(closed, Version::k311).message.find("protocol ="), std::string::npos);
}

TEST(ConnectFailure, AuthorizationIsExplainedForBothVersions) {
  EXPECT_NE(Classify({0x87, "CONNACK return code"}).message.find("iot:Connect"), std::string::npos);
  EXPECT_NE(Classify({7, "CONNACK return code"}, Version::k311).message.find("iot:Connect"), std::string::npos);
  EXPECT_EQ(Classify({0x97, "CONNACK return code"}).message.find("iot:Connect"), std::string::npos);
}

TEST(ConnectFailure, TlsTroubleNamesTheFileToLookAt) {
  const Failure verify = Classify({-1, "TCP/TLS connect failure", "error:0A000086:certificate verify failed"});
  EXPECT_EQ(verify.kind, Kind::kTls);
  EXPECT_NE(verify.message.find("roots.pem"), std::string::npos);
  const Failure alert = Classify({-1, "TCP/TLS connect failure", "tlsv1 alert unknown ca:SSL alert number 48"});
  EXPECT_NE(alert.message.find("sensor-001.pem.crt"), std::string::npos);
  const Failure host = Classify({-1, "TCP/TLS connect failure", "", true});
  EXPECT_EQ(host.kind, Kind::kTls);
  EXPECT_NE(host.message.find("example.test"), std::string::npos);
}

TEST(ClosedFailure, SaysTheServersReason) {
  EXPECT_EQ(ClosedFailure(0x8E).reason_code, 0x8E);
  EXPECT_NE(ClosedFailure(0x8E).message.find("same client id"), std::string::npos);
  EXPECT_NE(ClosedFailure(0xFE).message.find("0xFE"), std::string::npos);
}

}  // namespace
}  // namespace penumbra::mqtt
