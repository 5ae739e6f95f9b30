// The MQTT transport against a real mosquitto over TLS. Every wait has a limit.
#include "mqtt/paho_transport.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <optional>
#include <thread>

#include "component/mqtt/broker.hpp"
#include "component/mqtt/real_loop.hpp"

namespace penumbra::mqtt {
namespace {

using test::Broker;
using test::Pki;
using test::RealLoop;

// One authority for all tests of the process: making keys takes longer than the tests.
Pki& SharedPki() {
  static Pki pki;
  static const bool issued = [] {
    pki.Issue("thing-1");
    pki.Issue("thing-2");
    pki.Issue("stranger", "other-ca");
    return true;
  }();
  (void)issued;
  return pki;
}

struct Recorder : Listener {
  void OnConnected(const Session& s) override { session = s; }
  void OnDown(const Failure& failure) override {
    ++downs;
    down = failure;
  }
  void OnPublished(std::uint64_t token, Outcome outcome) override { published[token] = outcome.code; }
  void OnSubscribed(std::uint64_t token, Outcome outcome) override { subscribed[token] = outcome.code; }
  void OnMessage(std::string topic, std::string payload) override {
    messages.emplace_back(std::move(topic), std::move(payload));
  }

  std::optional<Session> session;
  std::optional<Failure> down;
  int downs = 0;
  std::map<std::uint64_t, int> published, subscribed;
  std::vector<std::pair<std::string, std::string>> messages;
};

class PahoTransportTest : public ::testing::Test {
 protected:
  ConnectOptions Options(std::uint16_t port, const std::string& thing = "thing-1") {
    ConnectOptions options;
    options.client_id = thing;
    options.host = "localhost";
    options.port = port;
    options.root_ca = SharedPki().Path("ca.pem");
    options.certificate = SharedPki().Path(thing + ".crt");
    options.private_key = SharedPki().Path(thing + ".key");
    options.connect_timeout = std::chrono::seconds(5);
    return options;
  }

  // Connects and answers the failure.
  Failure Fails(ConnectOptions options) {
    Recorder recorder;
    const auto connection = transport->Connect(std::move(options), recorder);
    EXPECT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
    EXPECT_FALSE(recorder.session.has_value());
    return recorder.down.value_or(Failure{Failure::Kind::kLocal});
  }

  RealLoop real;
  std::unique_ptr<PahoTransport> transport = PahoTransport::Create(real.loop());
};

TEST_F(PahoTransportTest, PublishesAndReceivesWithBothProtocolVersions) {
  Broker broker(SharedPki());
  for (const Version version : {Version::k5, Version::k311}) {
    Recorder recorder;
    ConnectOptions options = Options(broker.port());
    options.version = version;
    const auto connection = transport->Connect(options, recorder);
    ASSERT_TRUE(real.RunUntil([&] { return recorder.session || recorder.down; }));
    ASSERT_TRUE(recorder.session) << recorder.down->message;
    connection->Subscribe(7, "a/#");
    ASSERT_TRUE(real.RunUntil([&] { return recorder.subscribed.count(7) == 1; }));
    EXPECT_LT(recorder.subscribed[7], 0x80);
    connection->Publish(1, "a/b", "hello", false);
    ASSERT_TRUE(real.RunUntil([&] { return recorder.published.count(1) == 1 && !recorder.messages.empty(); }));
    EXPECT_LT(recorder.published[1], 0x80);
    EXPECT_EQ(recorder.messages.front(), (std::pair<std::string, std::string>("a/b", "hello")));
    connection->Disconnect();
    ASSERT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
    EXPECT_EQ(recorder.down->kind, Failure::Kind::kLocal);
  }
}

}  // namespace
}  // namespace penumbra::mqtt
