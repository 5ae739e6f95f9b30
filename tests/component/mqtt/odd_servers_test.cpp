// The transport before servers that refuse, hang up, or speak an older protocol.
#include <gtest/gtest.h>

#include <optional>

#include "component/mqtt/real_loop.hpp"
#include "component/mqtt/tls_server.hpp"
#include "mqtt/paho_transport.hpp"

namespace penumbra::mqtt {
namespace {

using test::TlsServer;

struct Waiter : Listener {
  void OnConnected(const Session& up) override {
    connected = true;
    session = up;
  }
  void OnDown(const Failure& failure) override { down = failure; }
  void OnPublished(std::uint64_t, Outcome) override {}
  void OnSubscribed(std::uint64_t, Outcome) override {}
  void OnMessage(Message) override {}
  bool connected = false;
  Session session;
  std::optional<Failure> down;
};

class OddServers : public ::testing::Test {
 protected:
  OddServers() { pki.Issue("thing-1"); }

  ConnectOptions Options(std::uint16_t port) {
    ConnectOptions options;
    options.client_id = "thing-1";
    options.host = "broker.test";
    options.port = port;
    options.root_ca = pki.Path("ca.pem");
    options.certificate = pki.Path("thing-1.crt");
    options.private_key = pki.Path("thing-1.key");
    options.connect_timeout = std::chrono::seconds(60);
    return options;
  }
  Failure Fails(ConnectOptions options) {
    Waiter waiter;
    const auto connection = transport->Connect(std::move(options), waiter);
    EXPECT_TRUE(real.RunUntil([&] { return waiter.down.has_value(); }));
    EXPECT_FALSE(waiter.connected);
    return waiter.down.value_or(Failure{Failure::Kind::kLocal});
  }

  test::Pki pki;
  test::RealLoop real;
  std::string address = "127.0.0.1";
  std::unique_ptr<PahoTransport> transport = PahoTransport::Create(
      real.loop(), [this](const std::string&) -> Result<Addresses> { return Addresses{address}; });
};

TEST_F(OddServers, AServerOfMqtt311AsksForTheOlderVersion) {
  // CONNACK of 3.1.1, "unacceptable protocol version": four bytes, without the properties that MQTT 5 has. Paho 1.3.12
  // then frees properties that were never set; often enough that twenty times show it.
  TlsServer server(pki, std::string("\x20\x02\x00\x01", 4));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Fails(Options(server.port())).kind, Failure::Kind::kProtocolVersion);
}

TEST_F(OddServers, AClosedConnectionBeforeConnackPointsToTheCertificateAndTheClientId) {
  TlsServer server(pki, "");
  for (const Version version : {Version::k5, Version::k311}) {
    ConnectOptions options = Options(server.port());
    options.version = version;
    const Failure failure = Fails(options);
    EXPECT_EQ(failure.kind, Failure::Kind::kRefused) << failure.message;
    EXPECT_NE(failure.message.find("before CONNACK"), std::string::npos) << failure.message;
    EXPECT_NE(failure.message.find("thing-1"), std::string::npos) << failure.message;
  }
}

TEST_F(OddServers, ARefusalCarriesItsReasonCode) {
  TlsServer server(pki, std::string("\x20\x03\x00\x87\x00", 5));
  const Failure failure = Fails(Options(server.port()));
  EXPECT_EQ(failure.kind, Failure::Kind::kRefused);
  EXPECT_EQ(failure.reason_code, 0x87);
  EXPECT_NE(failure.message.find("iot:Connect"), std::string::npos) << failure.message;
}

// Receive Maximum 3, Maximum Packet Size 4,000,000,000, Maximum QoS 0, Retain Available 0, Server Keep Alive 300, Topic
// Alias Maximum 8.
TEST_F(OddServers, WhatTheServerDoesNotTakeIsTold) {
  TlsServer server(pki, std::string("\x20\x15\x01\x00\x12\x21\x00\x03\x27\xEE\x6B\x28\x00\x24\x00\x25\x00\x13\x01\x2C"
                                    "\x22\x00\x08",
                                    23));
  Waiter waiter;
  const auto connection = transport->Connect(Options(server.port()), waiter);
  ASSERT_TRUE(real.RunUntil([&] { return waiter.down.has_value(); }));
  ASSERT_TRUE(waiter.connected) << waiter.down->message;
  EXPECT_TRUE(waiter.session.present);
  EXPECT_EQ(waiter.session.receive_maximum, 3);
  EXPECT_EQ(waiter.session.maximum_packet, 4'000'000'000u);
  EXPECT_EQ(waiter.session.maximum_qos, 0);
  EXPECT_FALSE(waiter.session.retain_available);
  EXPECT_EQ(waiter.session.keep_alive, std::chrono::seconds(300));
}

TEST_F(OddServers, AConnackThatBreaksTheProtocolIsShownAsThat) {
  const std::string receive_maximum_0("\x20\x06\x00\x00\x03\x21\x00\x00", 8);
  const std::string maximum_packet_0("\x20\x08\x00\x00\x05\x27\x00\x00\x00\x00", 10);
  for (const std::string& connack : {receive_maximum_0, maximum_packet_0}) {
    TlsServer server(pki, connack, "127.0.0.1", 0, std::chrono::seconds(60));
    const Failure failure = Fails(Options(server.port()));
    EXPECT_EQ(failure.kind, Failure::Kind::kRefused);
    EXPECT_EQ(failure.reason_code, 0x82);
    EXPECT_NE(failure.message.find("protocol error"), std::string::npos) << failure.message;
  }
}

// What the uplink relies on when it asks for the keep alive that a server wants instead.
TEST_F(OddServers, PingsAsOftenAsTheKeepAliveThatWasAskedFor) {
  TlsServer server(pki, std::string("\x20\x03\x00\x00\x00", 5), "127.0.0.1", 0, std::chrono::seconds(60));
  Waiter waiter;
  ConnectOptions options = Options(server.port());
  options.keep_alive = std::chrono::seconds(1);
  const auto connection = transport->Connect(std::move(options), waiter);
  // Far more often than once in the minute that Paho takes for the usual.
  EXPECT_TRUE(real.RunUntil([&] { return server.later().find("\xC0") != std::string::npos; }, std::chrono::seconds(30)))
      << "no PINGREQ";
}

TEST_F(OddServers, AServerThatNeverAnswersIsLeftAfterTheConnectTimeout) {
  test::Broker broker(pki);
  broker.Pause();
  ConnectOptions options = Options(broker.port());
  options.connect_timeout = std::chrono::seconds(1);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Fails(options).kind, Failure::Kind::kNetwork);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30)) << "nobody else gives up so early";
  broker.Resume();
}

TEST_F(OddServers, SaysTheHostNameAndNoAlpnOnAnOrdinaryPort) {
  TlsServer server(pki, "");
  Fails(Options(server.port()));
  EXPECT_EQ(server.server_name(), "broker.test");
  EXPECT_EQ(server.alpn(), "");
  // Protocol name and level: MQTT 5, asked for explicitly.
  EXPECT_NE(server.connect().find(std::string("\x00\x04MQTT\x05", 7)), std::string::npos);
}

TEST_F(OddServers, OffersAlpnOnPort443) {
  address = "127.0.0.43";
  std::unique_ptr<TlsServer> server;
  try {
    server = std::make_unique<TlsServer>(pki, "", address.c_str(), 443);
  } catch (const std::exception&) {
    GTEST_SKIP() << "this user may not listen on port 443";
  }
  Fails(Options(443));
  EXPECT_EQ(server->alpn(), std::string("\x0ex-amzn-mqtt-ca"));
}

}  // namespace
}  // namespace penumbra::mqtt
