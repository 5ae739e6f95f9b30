// What a link subscribes, and what it costs when a server refuses it: by SUBACK, by silence, by closing.
#include "event/receipt.hpp"
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::RecordingClient;

class Filters : public test::UplinkFixture {};

TEST_F(Filters, SubscribesEveryFilterBeforeItIsOnline) {
  RecordingClient client;
  client.filters = 20;
  clients.push_back(&client);
  transport.suback = [](const std::string& filter) { return filter == "commands/a/3" ? 0x87 : 1; };
  Create({Thing("a")});
  AdvanceUntil([&] { return client.online == 1; });
  EXPECT_EQ(transport.subscribed.size(), 20u);
  EXPECT_NE(Link("a").last_error.find("commands/a/3"), std::string::npos);
  transport.Deliver("a", "commands/a/1", "{}");
  ASSERT_EQ(client.messages.size(), 1u);
  transport.Deliver("a", "commands/a/1", "{}", true);
  transport.Deliver("a", "commands/a/1", "{}");
  EXPECT_EQ(client.waited, (std::vector<Duration>{0s, kUnknownAge, 0s})) << "a retained one may be of any age";
  transport.CloseAll();
  EXPECT_EQ(client.offline, 1);
}

TEST_F(Filters, AServerThatDoesNotAnswerSubscribeIsLeftAndTelemetryGoesOnWithoutTheFilter) {
  RecordingClient client;
  clients.push_back(&client);
  transport.answers_subscribe = false;
  Create({Thing("a")});
  Read("a");
  AdvanceUntil([&] { return !Sent("a").empty(); });
  EXPECT_EQ(transport.connects.size(), 2u);
  EXPECT_EQ(Link("a").suspended_topics, (std::vector<std::string>{"commands/a/0"}));
}

TEST_F(Filters, A311ServerThatClosesOnOneFilterLosesThatFilterOnly) {
  RecordingClient client;
  client.filters = 5;
  clients.push_back(&client);
  upstream.protocol = MqttProtocol::k311;
  transport.suback = [](const std::string& filter) { return filter == "commands/a/3" ? -1 : 1; };
  Create({Thing("a")});
  Read("a");
  AdvanceUntil([&] { return client.online == 1; }, 5min);
  AdvanceUntil([&] { return !Sent("a").empty(); });
  EXPECT_EQ(Link("a").suspended_topics, (std::vector<std::string>{"commands/a/3"}));
  // Probed again from time to time: a session lost a time, and not more.
  const std::size_t before = transport.connects.size();
  loop.Advance(1h);
  EXPECT_LE(transport.connects.size() - before, 10u);
  EXPECT_TRUE(Online("a"));
}

TEST_F(Filters, AServerThatClosesOnEverySubscribeCostsThreeConnectionsAndTelemetryGoesOn) {
  RecordingClient client;
  client.filters = 22;
  clients.push_back(&client);
  upstream.protocol = MqttProtocol::k311;
  bool closes = true;
  transport.suback = [&](const std::string&) { return closes ? -1 : 1; };
  Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; }, 20s);
  EXPECT_EQ(transport.connects.size(), 4u);
  EXPECT_EQ(Link("a").suspended_topics.size(), 22u);
  loop.Advance(22s);
  EXPECT_NE(Link("a").last_error.find("closes the connection over the subscription of commands/a/0"), std::string::npos)
      << Link("a").last_error;
  loop.Advance(2h);
  const std::size_t connects = transport.connects.size();
  loop.Advance(2h);
  EXPECT_LE(transport.connects.size(), connects + 9) << "a trial costs the connection: one in 15 minutes";
  EXPECT_TRUE(Online("a"));
  closes = false;
  const int online = client.online;
  loop.Advance(16min);
  EXPECT_TRUE(Link("a").suspended_topics.empty()) << "one grant, and all others are tried at once";
  EXPECT_EQ(client.online, online + 1) << "and the clients hear it once";
  EXPECT_EQ(Link("a").last_error, "");
}

TEST_F(Filters, TheRefusedFiltersBeforeOthersCostTheOthersAMinuteOrTwo) {
  RecordingClient client;
  client.filters = 22;
  clients.push_back(&client);
  transport.suback = [](const std::string& filter) {
    return filter == "commands/a/0" || filter == "commands/a/1" || filter == "commands/a/2" ? -1 : 1;
  };
  Create({Thing("a")});
  loop.Advance(90s);
  EXPECT_EQ(Link("a").suspended_topics, (std::vector<std::string>{"commands/a/0", "commands/a/1", "commands/a/2"}));
  EXPECT_LE(transport.connects.size(), 6u);
}

// The server closes over the trial of a filter: nobody else is to blame.
TEST_F(Filters, ATrialThatCostsTheConnectionIsNotBlamedOnTheTelemetryBesideIt) {
  RecordingClient client;
  clients.push_back(&client);
  transport.suback = [](const std::string&) { return -1; };
  transport.acknowledges = true;
  Create({Thing("a")});
  for (int i = 0; i < 24 * 60; ++i) {
    Read("a");
    transport.acknowledges = i % 15 != 0;  // often something is under way
    loop.Advance(8s);
    transport.acknowledges = true;
    loop.Advance(2s);
  }
  EXPECT_EQ(Link("a").set_aside_total, 0u);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"commands/a/0"});
}

TEST_F(Filters, RefusedSubscriptionsStayTheLastErrorUntilTheyAreGranted) {
  RecordingClient client;
  client.filters = 2;
  clients.push_back(&client);
  bool granted = false;
  transport.suback = [&](const std::string&) { return granted ? 1 : 0x87; };
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(30s);
  EXPECT_EQ(Link("a").last_error,
            "the cloud refuses the subscription of commands/a/0 and 1 more; is the policy right?");
  transport.CloseAll();
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(30s);
  EXPECT_NE(Link("a").last_error.find("commands/a/0"), std::string::npos) << "also after a reconnect";
  granted = true;
  loop.Advance(5min);
  EXPECT_EQ(Link("a").last_error, "");
}

TEST_F(Filters, ARefusedSubscriptionIsTriedAgainAndTheClientHearsWhenItIsGranted) {
  RecordingClient client;
  client.filters = 2;
  clients.push_back(&client);
  bool allowed = false;
  transport.suback = [&](const std::string& filter) { return filter == "commands/a/1" && !allowed ? 0x87 : 1; };
  Create({Thing("a")});
  AdvanceUntil([&] { return client.online == 1; });
  loop.Advance(10min);
  EXPECT_EQ(client.online, 1);
  const std::size_t tries = transport.subscribed.size();
  EXPECT_GE(tries, 2u + 3u);
  EXPECT_LE(tries, 2u + 5u);
  allowed = true;
  AdvanceUntil([&] { return client.online == 2; }, 20min);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
  loop.Advance(1h);
  EXPECT_EQ(transport.subscribed.size(), tries + 1);
  EXPECT_EQ(transport.connects.size(), 1u);
}

// A server that is wrong about what it has kept would leave us deaf.
TEST_F(Filters, ThatTheCloudHasKeptSubscribesEverythingAllTheSame) {
  RecordingClient client;
  client.filters = 2;
  clients.push_back(&client);
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(transport.subscribed.size(), 2u);
  transport.session.present = true;
  transport.subscribed.clear();
  transport.CloseAll();
  loop.Advance(1ms);
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(transport.subscribed.size(), 2u);
  EXPECT_EQ(client.online, 2);
}

}  // namespace
}  // namespace penumbra
