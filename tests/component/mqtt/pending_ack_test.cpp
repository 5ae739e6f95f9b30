// Messages that are committed before they are acknowledged: what a broker with a kept session does with those whose
// PUBACK did not come.
#include "mqtt/pending_ack.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "component/mqtt/broker.hpp"
#include "component/mqtt/real_loop.hpp"
#include "mqtt/paho_transport.hpp"

namespace penumbra::mqtt {
namespace {

enum class Answer { kAcknowledge, kLetGo, kSilence };

struct Thing : Listener {
  void OnConnected(const Session& s) override { session = s; }
  void OnDown(const Failure& failure) override { down = failure; }
  void OnPublished(std::uint64_t token, Outcome) override { published.insert(token); }
  void OnSubscribed(std::uint64_t token, Outcome) override { subscribed.insert(token); }
  void OnMessage(Message message) override {
    payloads.push_back(message.payload);
    pended.push_back(message.ack != nullptr);
    if (!message.ack) return;
    if (answer == Answer::kAcknowledge) message.ack->Acknowledge();
    if (answer == Answer::kSilence) kept.push_back(std::move(message.ack));
  }

  Answer answer = Answer::kAcknowledge;
  std::optional<Session> session;
  std::optional<Failure> down;
  std::set<std::uint64_t> published, subscribed;
  std::vector<std::string> payloads;
  std::vector<bool> pended;
  std::vector<std::shared_ptr<PendingAck>> kept;
};

// One authority for all tests of this file: making keys takes longer than the tests.
test::Pki& Authority() {
  static test::Pki pki;
  static const bool issued = [] {
    pki.Issue("thing-1");
    pki.Issue("sender");
    return true;
  }();
  (void)issued;
  return pki;
}

// A thing whose session the broker keeps and that commits what comes below orders/; and somebody who orders.
class PendingAckTest : public ::testing::TestWithParam<Version> {
 protected:
  std::unique_ptr<Connection> Connect(const std::string& name, Thing& listener) {
    ConnectOptions options;
    options.client_id = name;
    options.host = "localhost";
    options.port = broker->port();
    options.root_ca = pki.Path("ca.pem");
    options.certificate = pki.Path(name + ".crt");
    options.private_key = pki.Path(name + ".key");
    options.version = GetParam();
    options.session_expiry = std::chrono::hours(1);
    options.commit_first = {"orders/"};
    auto connected = transport->Connect(std::move(options), listener);
    EXPECT_TRUE(real.RunUntil([&] { return listener.session || listener.down; }));
    EXPECT_TRUE(listener.session) << listener.down->message;
    return connected;
  }
  void Start() {
    broker.emplace(pki, "persistence false");
    connection = Connect("thing-1", thing);
    sending = Connect("sender", sender);
    connection->Subscribe(1, "orders/#");
    connection->Subscribe(2, "news/#");
    ASSERT_TRUE(real.RunUntil([&] { return thing.subscribed.size() == 2; }));
  }
  void Send(const std::string& topic, const std::string& payload) {
    sending->Publish(next_, topic, payload, false);
    ASSERT_TRUE(real.RunUntil([&] { return sender.published.count(next_) == 1; }));
    ++next_;
  }
  // The same thing anew; what it gets. The broker keeps the order: what is sent last says that this was all.
  std::vector<std::string> Again() {
    connection.reset();
    EXPECT_TRUE(real.RunUntil([&] { return transport->stats().sessions == 1; }));
    thing = Thing();
    connection = Connect("thing-1", thing);
    EXPECT_TRUE(thing.session->present);
    Send("news/end", "end");
    EXPECT_TRUE(real.RunUntil([&] { return !thing.payloads.empty() && thing.payloads.back() == "end"; }));
    std::vector<std::string> payloads = std::exchange(thing.payloads, {});
    payloads.pop_back();
    return payloads;
  }

  test::Pki& pki = Authority();
  std::optional<test::Broker> broker;
  test::RealLoop real;
  std::unique_ptr<PahoTransport> transport = PahoTransport::Create(
      real.loop(), [](const std::string&) -> Result<Addresses> { return Addresses{"127.0.0.1"}; });
  Thing thing, sender;
  std::unique_ptr<Connection> connection, sending;
  std::uint64_t next_ = 1;
};

INSTANTIATE_TEST_SUITE_P(Versions, PendingAckTest, ::testing::Values(Version::k5, Version::k311),
                         [](const auto& tested) { return tested.param == Version::k5 ? "Mqtt5" : "Mqtt311"; });

using Payloads = std::vector<std::string>;

TEST_P(PendingAckTest, WhatIsAcknowledgedDoesNotComeAgain) {
  Start();
  Send("orders/a", "1");
  ASSERT_TRUE(real.RunUntil([&] { return thing.payloads.size() == 1; }));
  EXPECT_TRUE(thing.pended[0]);
  EXPECT_EQ(Again(), Payloads{});
  EXPECT_EQ(transport->stats().acks_withheld, 0u);
}

TEST_P(PendingAckTest, WhatIsLetGoComesAgainWithTheNextConnectionAndNothingElseDoes) {
  Start();
  thing.answer = Answer::kLetGo;
  Send("orders/a", "1");
  Send("news/a", "2");
  ASSERT_TRUE(real.RunUntil([&] { return thing.payloads.size() == 2; }));
  EXPECT_FALSE(thing.pended[1]) << "only what is below commit_first waits";
  thing.answer = Answer::kAcknowledge;
  Send("orders/a", "3");
  ASSERT_TRUE(real.RunUntil([&] { return thing.payloads.size() == 3; }));
  EXPECT_FALSE(thing.down) << "the connection goes on";
  EXPECT_EQ(Again(), Payloads{"1"});
  EXPECT_EQ(Again(), Payloads{});
}

TEST_P(PendingAckTest, AnAnswerThatDoesNotComeHoldsEverybodyUpOnceOnlyAndTheMessageComesAgain) {
  Start();
  thing.answer = Answer::kSilence;
  const auto start = std::chrono::steady_clock::now();
  Payloads all;
  for (std::size_t i = 1; i < kMaxWithheldAcks; ++i) Send("orders/a", all.emplace_back(std::to_string(i)));
  ASSERT_TRUE(real.RunUntil([&] { return transport->stats().acks_withheld == all.size(); }));
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, AckPatience::kPatience) << "it was not waited for";
  EXPECT_LT(took, all.size() * AckPatience::kPatience) << "each was waited for";
  ASSERT_TRUE(real.RunUntil([&] { return thing.kept.size() == all.size(); }));
  for (const auto& ack : thing.kept) ack->Acknowledge();  // too late
  EXPECT_EQ(Again(), all);
}

TEST_P(PendingAckTest, TooManyThatAreLetGoEndTheConnection) {
  Start();
  thing.answer = Answer::kLetGo;
  for (std::size_t i = 1; i < kMaxWithheldAcks; ++i) Send("orders/a", std::to_string(i));
  ASSERT_TRUE(real.RunUntil([&] { return thing.payloads.size() == kMaxWithheldAcks - 1; }));
  EXPECT_FALSE(thing.down);
  Send("orders/a", "last");
  ASSERT_TRUE(real.RunUntil([&] { return thing.down.has_value(); }));
  EXPECT_EQ(thing.down->kind, Failure::Kind::kClosed);
  EXPECT_EQ(Again().size(), kMaxWithheldAcks);
}

TEST_P(PendingAckTest, WhatArrivesWhenNobodyListensAnyMoreComesAgain) {
  Start();
  bool arrived = false;
  // On a busy machine the moment may be too short; then it stays with the broker, and all is done once more.
  for (int attempt = 0; !arrived && attempt < 20; ++attempt) {
    sending->Publish(next_++, "orders/a", "1", false);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it arrives, and the loop does not run
    connection.reset();
    arrived = real.RunUntil([&] { return transport->stats().acks_withheld == 1; }, std::chrono::milliseconds(300));
    EXPECT_EQ(thing.payloads, Payloads{});
    EXPECT_EQ(Again(), Payloads{"1"});
  }
  EXPECT_TRUE(arrived);
}

}  // namespace
}  // namespace penumbra::mqtt
