// Single messages that cost the connection, whatever MQTT version says why or says nothing.
#include "unit/uplink/uplink_fixture.hpp"
#include "uplink/suspect_memory.hpp"
#include "uplink/suspects.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr int kClosesSilently = -1;

bool Holds(const test::FakeTransport::Published& message, std::uint64_t seq) {
  return message.topic.rfind("sensors/", 0) == 0 && message.payload.find(std::to_string(seq)) != std::string::npos;
}

class Poison : public test::UplinkFixture {
 protected:
  // The server closes without a reason whenever one of these readings comes.
  void CloseOn(std::vector<std::uint64_t> seqs) {
    transport.judge = [seqs = std::move(seqs)](const test::FakeTransport::Published& message) {
      const bool bad = std::any_of(seqs.begin(), seqs.end(), [&](std::uint64_t seq) { return Holds(message, seq); });
      return bad ? kClosesSilently : 0;
    };
  }
  int Tries(std::uint64_t seq) const {
    return static_cast<int>(std::count_if(transport.published.begin(), transport.published.end(),
                                          [seq](const auto& message) { return Holds(message, seq); }));
  }
  std::vector<std::uint64_t> ReadMany(int count) {
    std::vector<std::uint64_t> seqs;
    for (int i = 0; i < count; ++i) seqs.push_back(Read("a"));
    return seqs;
  }
};

// Says the same again whenever it is online, until it is acknowledged.
struct Persistent : LinkClient {
  std::vector<std::string> Subscriptions(const std::string&) override { return {}; }
  void OnOnline(ThingLink& link) override {
    link.Publish("loose/good", "fine", [](const Status&) {});
    link.Publish("loose/topic", "good", [](const Status&) {});
    link.Publish("loose/topic", "poison", [this](const Status& status) {
      if (!status) last = status.error();
    });
  }
  void OnOffline(ThingLink&) override {}
  void OnMessage(ThingLink&, const std::string&, const std::string&) override {}
  std::optional<Error> last;
};

TEST_F(Poison, AReadingThatClosesAnMqtt5ConnectionIsSetAsideAndAllOthersGo) {
  const auto seqs = ReadMany(100);
  CloseOn({seqs[10]});
  Create({Thing("a")});
  loop.Advance(3min);
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  EXPECT_EQ(store.Outbox("a").oldest_unsent_seq, seqs[10]);
  EXPECT_TRUE(Online("a"));
  EXPECT_EQ(Link("a").set_aside, 1u);
  EXPECT_EQ(Link("a").set_aside_total, 1u);
  EXPECT_TRUE(Link("a").suspended_topics.empty()) << "its topic is innocent";
  EXPECT_NE(uplink->Explain("a", seqs[10]).find("set aside"), std::string::npos) << uplink->Explain("a", seqs[10]);
  EXPECT_EQ(transport.connects.size(), 4u);

  const std::uint64_t later = Read("a");
  loop.Advance(1s);
  EXPECT_EQ(store.acked["a"].count(later), 1u);
}

TEST_F(Poison, ItIsTriedAgainByItselfEverMoreSeldomAndFollowsOnceItIsTaken) {
  const auto seqs = ReadMany(5);
  CloseOn({seqs[2]});
  Create({Thing("a")});
  loop.Advance(5min);
  const int tries = Tries(seqs[2]);
  EXPECT_EQ(tries, 3);
  loop.Advance(15min);
  EXPECT_EQ(Tries(seqs[2]), tries + 1);
  EXPECT_EQ(Link("a").set_aside_total, 1u) << "told once";
  loop.Advance(10h);
  EXPECT_LE(Tries(seqs[2]), tries + 6);
  transport.judge = {};
  loop.Advance(25h);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
  EXPECT_EQ(Link("a").set_aside, 0u);
}

TEST_F(Poison, TwoOfThemAndThe311ProtocolMakeNoDifference) {
  upstream.protocol = MqttProtocol::k311;
  const auto seqs = ReadMany(200);
  CloseOn({seqs[3], seqs[120]});
  Create({Thing("a")});
  loop.Advance(5min);
  EXPECT_EQ(store.Outbox("a").unsent, 2u);
  EXPECT_EQ(Link("a").set_aside, 2u);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
}

TEST_F(Poison, OneInABatchIsFoundAndTheBatchGoes) {
  const auto seqs = ReadMany(300);
  CloseOn({seqs[77]});
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 2000;
  Create({thing});
  loop.Advance(10min);
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  EXPECT_EQ(Link("a").set_aside, 1u);
}

TEST_F(Poison, ATopicThatAlwaysClosesIsStillSuspendedAsATopic) {
  ReadMany(20);
  transport.judge = [](const test::FakeTransport::Published& message) {
    return message.topic == "sensors/a/temperature" ? kClosesSilently : 0;
  };
  Create({Thing("a")});
  loop.Advance(50s);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/temperature"});
  EXPECT_TRUE(Online("a"));
  transport.judge = {};
  loop.Advance(20min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

TEST_F(Poison, AReadingThatTheServerSwallowsIsSetAsideToo) {
  const auto seqs = ReadMany(50);
  transport.judge = [&](const test::FakeTransport::Published& message) {
    return Holds(message, seqs[7]) ? test::FakeTransport::kSilence : 0;
  };
  Create({Thing("a")});
  for (int i = 0; i < 30; ++i) {
    Read("a");
    loop.Advance(10s);
  }
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  EXPECT_EQ(Link("a").set_aside, 1u);
  const std::size_t connects = transport.connects.size();
  loop.Advance(10min);
  EXPECT_EQ(transport.connects.size(), connects) << "no reconnecting for ever";
}

TEST_F(Poison, ATopicThatTheServerSwallowsIsSuspendedAsATopic) {
  ReadMany(50);
  transport.judge = [](const test::FakeTransport::Published& message) {
    return message.topic == "sensors/a/temperature" ? test::FakeTransport::kSilence : 0;
  };
  Create({Thing("a")});
  for (int i = 0; i < 30 && Link("a").suspended_topics.empty(); ++i) {
    loop.Advance(10s);
    uplink->SetSensor("a", {i % 2 == 0 ? "ok" : "stale", "", 1});
  }
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/temperature"});
  transport.judge = {};
  loop.Advance(20min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

TEST_F(Poison, ANetworkThatBreaksUnderTheSameReadingTwiceSetsNothingAside) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  transport.acknowledges = false;
  ReadMany(10);
  for (int i = 0; i < 2; ++i) {
    loop.Advance(1s);
    transport.CloseAll();
    transport.acknowledges = true;
    AdvanceUntil([&] { return Online("a"); });
    transport.acknowledges = i != 0;
  }
  transport.acknowledges = true;
  loop.Advance(60s);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
  EXPECT_EQ(Link("a").set_aside_total, 0u);
}

TEST_F(Poison, AReasonThatSpeaksOfTheServerBlamesNoReading) {
  const auto seqs = ReadMany(3);
  transport.judge = [&](const test::FakeTransport::Published& message) { return Holds(message, seqs[0]) ? -0x8B : 0; };
  Create({Thing("a")});
  loop.Advance(5min);
  EXPECT_EQ(Link("a").set_aside_total, 0u);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
}

TEST_F(Poison, ARestartDoesNotPayForItAgainAndTriesItAfterTheFirstPause) {
  const auto seqs = ReadMany(20);
  CloseOn({seqs[4], seqs[9]});
  Create({Thing("a")});
  loop.Advance(3min);
  ASSERT_EQ(Link("a").set_aside, 2u);
  const int tries = Tries(seqs[4]);

  uplink.reset();
  const std::size_t connects = transport.connects.size();
  Create({Thing("a")});
  const std::uint64_t later = Read("a");
  loop.Advance(10min);
  EXPECT_EQ(transport.connects.size(), connects + 1) << "nothing ended the connection";
  EXPECT_EQ(Tries(seqs[4]), tries);
  EXPECT_EQ(store.acked["a"].count(later), 1u);
  EXPECT_EQ(Link("a").set_aside, 2u);
  EXPECT_NE(uplink->Explain("a", seqs[4]).find("set aside"), std::string::npos) << uplink->Explain("a", seqs[4]);

  transport.judge = {};
  loop.Advance(6min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
  uplink.reset();
  Create({Thing("a")});
  EXPECT_EQ(Link("a").set_aside, 0u) << "forgotten in the store, too";
}

TEST_F(Poison, AMessageOfAnotherModuleStaysSetAsideOverARestart) {
  Persistent client;
  clients.push_back(&client);
  transport.judge = [](const test::FakeTransport::Published& message) {
    return message.payload == "poison" ? kClosesSilently : 0;
  };
  Create({Thing("a")});
  loop.Advance(2min);
  uplink.reset();
  const std::size_t connects = transport.connects.size();
  Create({Thing("a")});
  loop.Advance(2min);
  EXPECT_EQ(transport.connects.size(), connects + 1);
  EXPECT_EQ(Link("a").set_aside, 1u);
}

TEST(SuspectMemory, KeepsNoMoreThanItMaySurvivesGarbageAndForgetsWhatIsTooLarge) {
  test::VirtualLoop loop;
  test::FakeStore store(loop);
  SuspectMemory memory(store, "key");
  Suspects suspects;
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    for (int i = 0; i < Suspects::kSetAside; ++i) suspects.Struck(seq, {});
  }
  suspects.Blamed(1000, true, {});
  memory.Keep(suspects);
  Suspects again;
  memory.Recall(again, {});
  EXPECT_EQ(again.set_aside(), SuspectMemory::kMax);
  EXPECT_TRUE(again.SetAside(100));
  EXPECT_FALSE(again.SetAside(1000));
  EXPECT_FALSE(again.SetAside(1)) << "the oldest are found out anew";
  for (const char* garbage : {"", "{}", "[1]", "[[1]]", "[[-1,2]]", "[[\"a\",2]]", "[[1,0]]", "[[1,1e99]]"}) {
    store.PutSetting("key", garbage, {});
    Suspects none;
    memory.Recall(none, {});
    EXPECT_EQ(none.set_aside(), 0u) << garbage;
  }
  store.PutSetting("key", "[[1,18446744073709551615]]", {});
  Suspects far;
  memory.Recall(far, {});
  EXPECT_EQ(far.Wait(1, {}), Suspects::kFirstPause);
}

TEST_F(Poison, AMessageOfAnotherModuleIsRefusedAfterThreeClosesAndItsTopicGoesOn) {
  Persistent client;
  clients.push_back(&client);
  transport.judge = [](const test::FakeTransport::Published& message) {
    return message.payload == "poison" ? kClosesSilently : 0;
  };
  Create({Thing("a")});
  loop.Advance(2min);
  EXPECT_TRUE(Online("a"));
  EXPECT_EQ(transport.connects.size(), 4u);
  ASSERT_TRUE(client.last);
  EXPECT_EQ(client.last->action, Action::kGiveUp);
  EXPECT_NE(client.last->message.find("set aside"), std::string::npos) << client.last->message;
  EXPECT_EQ(Link("a").set_aside, 1u);
}

TEST(Suspects, OnlyAnAnswerClearsOneAndPausesGrowToADay) {
  Suspects suspects;
  BootTime now{1'000'000'000};
  EXPECT_FALSE(suspects.Struck(7, now));
  EXPECT_FALSE(suspects.Apart(7)) << "once is an accident";
  EXPECT_FALSE(suspects.Struck(7, now));
  EXPECT_TRUE(suspects.Apart(7));
  EXPECT_EQ(suspects.Wait(7, now), Suspects::kApartPause);
  EXPECT_TRUE(suspects.Struck(7, now));
  EXPECT_EQ(suspects.Wait(7, now), Suspects::kFirstPause);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(suspects.Struck(7, now));
  EXPECT_EQ(suspects.Wait(7, now), Suspects::kMaxPause);
  EXPECT_EQ(suspects.set_aside(), 1u);
  EXPECT_TRUE(suspects.Clear(7));
  EXPECT_EQ(suspects.set_aside(), 0u);
  EXPECT_FALSE(suspects.First());
}

TEST(Suspects, AreBounded) {
  Suspects suspects;
  for (std::uint64_t message = 1; message <= Suspects::kMax + 10; ++message) suspects.Blamed(message, true, {});
  EXPECT_EQ(suspects.set_aside(), Suspects::kMax);
  EXPECT_FALSE(suspects.Struck(Suspects::kMax + 5, {}));
}

}  // namespace
}  // namespace penumbra
