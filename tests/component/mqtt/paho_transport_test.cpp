// The MQTT transport against a real mosquitto over TLS. Every wait has a limit.
#include "mqtt/paho_transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>

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
  void OnMessage(Message message) override {
    messages.emplace_back(std::move(message.topic), std::move(message.payload));
    retained_messages += message.retained ? 1 : 0;
    acks.push_back(std::move(message.ack));
  }

  std::optional<Session> session;
  std::optional<Failure> down;
  int downs = 0;
  int retained_messages = 0;
  std::map<std::uint64_t, int> published, subscribed;
  std::vector<std::pair<std::string, std::string>> messages;
  std::vector<std::shared_ptr<PendingAck>> acks;  // of the messages
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
    options.connect_timeout = std::chrono::seconds(60);
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
    connection->Publish(2, "a/kept", "old", true);
    ASSERT_TRUE(real.RunUntil([&] { return recorder.messages.size() == 2; }));
    EXPECT_EQ(recorder.retained_messages, 0) << "it is new to whoever had subscribed";
    connection->Subscribe(8, "a/kept");
    ASSERT_TRUE(real.RunUntil([&] { return recorder.messages.size() == 3; }));
    EXPECT_EQ(recorder.retained_messages, 1);
    connection->Publish(3, "a/kept", "", true);  // gone for the next version
    ASSERT_TRUE(real.RunUntil([&] { return recorder.published.count(3) == 1; }));
    connection->Disconnect();
    ASSERT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
    EXPECT_EQ(recorder.down->kind, Failure::Kind::kLocal);
  }
}

TEST_F(PahoTransportTest, ARefusedPortIsANetworkFailure) {
  const test::ReservedPort nobody;
  EXPECT_EQ(Fails(Options(nobody.number())).kind, Failure::Kind::kNetwork);
}

TEST_F(PahoTransportTest, ACertificateForAnotherHostIsATlsFailure) {
  Broker broker(SharedPki());
  ConnectOptions options = Options(broker.port());
  options.host = "localhost.localdomain.test";
  transport = PahoTransport::Create(real.loop(),
                                    [](const std::string&) -> Result<Addresses> { return Addresses{"127.0.0.1"}; });
  const Failure failure = Fails(options);
  EXPECT_EQ(failure.kind, Failure::Kind::kTls) << failure.message;
  EXPECT_NE(failure.message.find("not for localhost.localdomain.test"), std::string::npos) << failure.message;
}

TEST_F(PahoTransportTest, AServerOfAnotherAuthorityIsATlsFailure) {
  Broker broker(SharedPki());
  ConnectOptions options = Options(broker.port());
  options.root_ca = SharedPki().Path("other-ca.pem");
  const Failure failure = Fails(options);
  EXPECT_EQ(failure.kind, Failure::Kind::kTls) << failure.message;
  EXPECT_NE(failure.message.find("other-ca.pem"), std::string::npos) << failure.message;
}

TEST_F(PahoTransportTest, AClientCertificateOfAnotherAuthorityIsNotLetIn) {
  Broker broker(SharedPki());
  // With TLS 1.3 the server says so only after the handshake: it looks like a close before CONNACK.
  const Failure failure = Fails(Options(broker.port(), "stranger"));
  // When the server's reset overtakes its alert, Paho cannot tell it from a network fault; the message must still help.
  EXPECT_TRUE(failure.kind == Failure::Kind::kTls || failure.kind == Failure::Kind::kRefused ||
              failure.kind == Failure::Kind::kNetwork)
      << failure.message;
  EXPECT_NE(failure.message.find("certificate"), std::string::npos) << failure.message;
}

TEST_F(PahoTransportTest, MissingAndMixedUpCredentialsNeverReachTheNetwork) {
  ConnectOptions missing = Options(1, "nobody");
  const Failure none = Fails(missing);
  EXPECT_EQ(none.kind, Failure::Kind::kCredentials);
  EXPECT_NE(none.message.find("nobody.crt"), std::string::npos) << none.message;
  ConnectOptions mixed = Options(1);
  mixed.private_key = SharedPki().Path("thing-2.key");
  EXPECT_EQ(Fails(mixed).kind, Failure::Kind::kCredentials);
  EXPECT_EQ(transport->stats().connects, 0u);
}

TEST_F(PahoTransportTest, AnEndpointGivenAsAnAddressIsCheckedAgainstTheCertificateToo) {
  Broker broker(SharedPki());
  ConnectOptions options = Options(broker.port());
  options.host = "127.0.0.1";
  Recorder recorder;
  const auto connection = transport->Connect(options, recorder);
  ASSERT_TRUE(real.RunUntil([&] { return recorder.session || recorder.down; }));
  EXPECT_TRUE(recorder.session) << recorder.down->message;
}

TEST_F(PahoTransportTest, AKilledBrokerIsToldOnceAndTheNextConnectionWorks) {
  Broker broker(SharedPki());
  Recorder recorder;
  auto connection = transport->Connect(Options(broker.port()), recorder);
  ASSERT_TRUE(real.RunUntil([&] { return recorder.session.has_value(); }));
  connection->Publish(1, "a", "b", false);
  ASSERT_TRUE(real.RunUntil([&] { return recorder.published.count(1) == 1; }));
  broker.Kill();
  ASSERT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
  EXPECT_EQ(recorder.down->kind, Failure::Kind::kClosed);
  connection->Publish(2, "a", "b", false);
  real.RunFor(std::chrono::milliseconds(300));
  EXPECT_EQ(recorder.downs, 1);
  EXPECT_EQ(recorder.published.count(2), 0u);
  broker.Start();
  Recorder again;
  connection = transport->Connect(Options(broker.port()), again);
  EXPECT_TRUE(real.RunUntil([&] { return again.session.has_value(); }));
}

TEST_F(PahoTransportTest, TheReceiveMaximumOfTheServerIsTold) {
  Broker broker(SharedPki(), "max_inflight_messages 7");
  Recorder recorder;
  const auto connection = transport->Connect(Options(broker.port()), recorder);
  ASSERT_TRUE(real.RunUntil([&] { return recorder.session.has_value(); }));
  EXPECT_EQ(recorder.session->receive_maximum, 7);
}

TEST_F(PahoTransportTest, ASecondClientWithTheSameIdIsSeenAsSuch) {
  Broker broker(SharedPki());
  Recorder first, second;
  const auto one = transport->Connect(Options(broker.port()), first);
  ASSERT_TRUE(real.RunUntil([&] { return first.session.has_value(); }));
  const auto two = transport->Connect(Options(broker.port()), second);
  ASSERT_TRUE(real.RunUntil([&] { return first.down.has_value(); }));
  // Paho does not always pass on the 0x8E of the server's DISCONNECT; that it ended, and whose doing it was, is what
  // counts.
  EXPECT_EQ(first.down->kind, Failure::Kind::kClosed);
}

TEST_F(PahoTransportTest, DestroyingAConnectionLeavesTheWillAndDisconnectingDoesNot) {
  Broker broker(SharedPki());
  Recorder watcher;
  const auto watching = transport->Connect(Options(broker.port(), "thing-2"), watcher);
  ASSERT_TRUE(real.RunUntil([&] { return watcher.session.has_value(); }));
  watching->Subscribe(1, "status/#");
  ASSERT_TRUE(real.RunUntil([&] { return watcher.subscribed.count(1) == 1; }));
  for (const bool gently : {true, false}) {
    ConnectOptions options = Options(broker.port());
    options.will = Will{"status/thing-1", gently ? "gently" : "destroyed", false};
    Recorder recorder;
    auto connection = transport->Connect(options, recorder);
    ASSERT_TRUE(real.RunUntil([&] { return recorder.session.has_value(); }));
    if (gently) {
      connection->Disconnect();
      ASSERT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
    }
    connection.reset();
    real.RunUntil([&] { return !watcher.messages.empty(); }, std::chrono::milliseconds(gently ? 300 : 60'000));
  }
  ASSERT_EQ(watcher.messages.size(), 1u);
  EXPECT_EQ(watcher.messages.front().second, "destroyed");
}

// A name server that does not answer until the test lets it: longer than anything here waits for it.
class HangingNames {
 public:
  Result<Addresses> LookUp() {
    std::unique_lock lock(mutex_);
    ++hanging_;
    answers_.wait(lock, [this] { return answering_; });
    --hanging_;
    return Fail(Action::kBackOff, "no answer");
  }
  void Answer() {
    const std::lock_guard lock(mutex_);
    answering_ = true;
    answers_.notify_all();
  }
  std::size_t hanging() {
    const std::lock_guard lock(mutex_);
    return hanging_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable answers_;
  bool answering_ = false;
  std::size_t hanging_ = 0;
};

// What goes on here goes on while look-ups hang: nothing can have waited for one.
TEST_F(PahoTransportTest, AHangingNameServerHoldsUpNeitherTheLoopNorAHealthyConnection) {
  Broker broker(SharedPki());
  // The look-ups' own: the test may be over before the last begins.
  const auto names = std::make_shared<HangingNames>();
  transport = PahoTransport::Create(real.loop(), [names](const std::string& host) -> Result<Addresses> {
    return host == "localhost" ? Addresses{"127.0.0.1"} : names->LookUp();
  });
  Recorder healthy;
  const auto connection = transport->Connect(Options(broker.port()), healthy);
  ASSERT_TRUE(real.RunUntil([&] { return healthy.session.has_value(); }));

  std::vector<std::unique_ptr<Recorder>> stuck;
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < 10; ++i) {
    ConnectOptions options = Options(broker.port());
    options.host = "hangs-" + std::to_string(i) + ".test";
    options.connect_timeout = std::chrono::seconds(1);
    stuck.push_back(std::make_unique<Recorder>());
    connections.push_back(transport->Connect(options, *stuck.back()));
  }
  ASSERT_TRUE(real.RunUntil([&] { return names->hanging() == Resolver::kMaxThreads; }));
  const auto all_down = [&stuck] {
    return std::all_of(stuck.begin(), stuck.end(), [](const auto& recorder) { return recorder->down.has_value(); });
  };
  std::uint64_t token = 0;
  do {
    connection->Publish(++token, "a/b", "x", false);
    ASSERT_TRUE(real.RunUntil([&] { return healthy.published.count(token) == 1; }));
  } while (!all_down());
  for (const auto& recorder : stuck) EXPECT_EQ(recorder->down->kind, Failure::Kind::kName);
  EXPECT_FALSE(healthy.down);
  EXPECT_EQ(names->hanging(), Resolver::kMaxThreads);
  connections.clear();
  names->Answer();
  EXPECT_TRUE(real.RunUntil([&] { return names->hanging() == 0; }));
}

long ResidentKb() {
  std::ifstream file("/proc/self/statm");
  long pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * 4;
}

TEST_F(PahoTransportTest, SixtyConnectionsLeaveNoMemoryBehind) {
  Broker broker(SharedPki());
  long after_fifteen = 0;
  for (int i = 0; i < 60; ++i) {
    Recorder recorder;
    auto connection = transport->Connect(Options(broker.port()), recorder);
    ASSERT_TRUE(real.RunUntil([&] { return recorder.session.has_value(); })) << i;
    if (i % 2 == 0) {
      connection->Disconnect();
      ASSERT_TRUE(real.RunUntil([&] { return recorder.down.has_value(); }));
    }
    connection.reset();
    if (i == 15) after_fifteen = ResidentKb();
  }
  ASSERT_TRUE(real.RunUntil([&] { return transport->stats().sessions == 0; }));
  const long growth = ResidentKb() - after_fifteen;
  RecordProperty("growth_kb", static_cast<int>(growth));
  std::printf("resident memory after 15 connections %ld KB, growth over 45 more %ld KB\n", after_fifteen, growth);
  EXPECT_LT(growth, 45 * 40);  // 40 KB a connection is what TLS takes: keeping them all would show
}

}  // namespace
}  // namespace penumbra::mqtt
