// Topics that the cloud refuses.
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

class Refused : public test::UplinkFixture {
 protected:
  // With this code, said of one reading, while others on its topic are taken.
  void RefusesOneReading(int code) {
    std::vector<std::uint64_t> seqs;
    for (int i = 0; i < 200; ++i) seqs.push_back(Read("a"));
    const std::uint64_t bad = seqs[60];
    transport.judge = [&](const test::FakeTransport::Published& message) {
      return message.topic == "sensors/a/temperature" &&
                     message.payload.find("\"seq\":" + std::to_string(bad)) != std::string::npos
                 ? code
                 : 0;
    };
    Create({Thing("a")});
    loop.Advance(1min);
    EXPECT_EQ(store.Outbox("a").unsent, 1u) << "what lies behind it goes";
    EXPECT_EQ(store.Outbox("a").oldest_unsent_seq, bad);
    EXPECT_TRUE(Link("a").suspended_topics.empty());
    EXPECT_EQ(Link("a").set_aside, 1u);
    EXPECT_NE(uplink->Explain("a", bad).find("set aside"), std::string::npos) << uplink->Explain("a", bad);
    EXPECT_EQ(SentCounts("a")[bad], 2) << "with the others, and alone";
    transport.judge = {};
    loop.Advance(16min);
    EXPECT_EQ(store.Outbox("a").unsent, 0u) << "tried again";
  }
  int SentOn(const std::string& topic) const {
    return static_cast<int>(std::count_if(transport.published.begin(), transport.published.end(),
                                          [&](const auto& message) { return message.topic == topic; }));
  }
};

TEST_F(Refused, ATopicIsSetAsideProbedMoreAndMoreSeldomAndResumedWhenAProbePasses) {
  bool allowed = false;
  transport.puback = [&](const std::string&, const std::string& topic) {
    return !allowed && topic == "sensors/a/temperature" ? 0x87 : 0;
  };
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  const std::uint64_t first = Read("a");
  loop.Advance(1s);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/temperature"});
  EXPECT_NE(Link("a").last_error.find("0x87"), std::string::npos);
  EXPECT_EQ(SentOn("sensors/a/temperature"), 1);

  for (int i = 0; i < 50; ++i) Read("a");
  const std::uint64_t other = Read("b");
  loop.Advance(50s);
  EXPECT_EQ(SentOn("sensors/a/temperature"), 1) << "no second try before the probe";
  EXPECT_EQ(store.acked["b"].count(other), 1u) << "other links go on";
  EXPECT_TRUE(store.acked["a"].empty());
  loop.Advance(15s);
  EXPECT_EQ(SentOn("sensors/a/temperature"), 2);
  loop.Advance(100s);
  EXPECT_EQ(SentOn("sensors/a/temperature"), 2) << "the second pause is two minutes";
  loop.Advance(1h);
  EXPECT_LE(SentOn("sensors/a/temperature"), 9);
  EXPECT_EQ(transport.connects.size(), 2u) << "the connections stay up";

  allowed = true;
  loop.Advance(16min);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
  EXPECT_EQ(store.Outbox("a").unsent, 0u) << "everything follows";
  EXPECT_EQ(store.acked["a"].count(first), 1u);
}

TEST_F(Refused, AQuotaAnswerOnlySlowsDown) {
  int refusals = 5;
  transport.puback = [&](const std::string&, const std::string& topic) {
    return topic == "sensors/a/temperature" && refusals-- > 0 ? 0x97 : 0;
  };
  for (int i = 0; i < 20; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; });
  EXPECT_TRUE(Link("a").suspended_topics.empty());
  EXPECT_EQ(transport.connects.size(), 1u);
}

TEST_F(Refused, AWholeWindowRefusedForQuotaIsOneReasonToSlowDown) {
  bool throttles = true;
  transport.puback = [&](const std::string&, const std::string&) { return throttles ? 0x97 : 0; };
  for (int i = 0; i < 100; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return Sent("a").size() >= 20; });
  loop.Advance(100ms);
  throttles = false;
  loop.Advance(1s + 2s);
  EXPECT_GE(store.acked["a"].size(), 20u) << "the first pause is a second at most";
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; });
  EXPECT_TRUE(Link("a").suspended_topics.empty());
}

TEST_F(Refused, AStatusRefusedForQuotaIsSaidAgain) {
  int refusals = 2;
  transport.puback = [&](const std::string&, const std::string& topic) {
    return topic == "status/a" && refusals-- > 0 ? 0x97 : 0;
  };
  Create({Thing("a")});
  loop.Advance(10s);
  EXPECT_EQ(SentOn("status/a"), 3);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{});
}

TEST_F(Refused, QuotaAnswersOfAnotherDayDoNotMakeTodaysPauseLonger) {
  bool throttles = false;
  transport.puback = [&](const std::string&, const std::string& topic) {
    return topic == "sensors/a/temperature" && throttles ? 0x97 : 0;
  };
  Create({Thing("a")});
  for (int day = 0; day < 10; ++day) {
    AdvanceUntil([&] { return Online("a"); });
    loop.Advance(24h);
    throttles = true;
    Read("a");
    loop.Advance(100ms);
    throttles = false;
    loop.Advance(1s + 100ms);
    EXPECT_EQ(store.Outbox("a").unsent, 0u) << day;
  }
}

TEST_F(Refused, ARefusedBatchTopicFallsBackToSingleMessages) {
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 1000;
  transport.puback = [](const std::string&, const std::string& topic) { return topic == "sensors/a/batch" ? 0x87 : 0; };
  for (int i = 0; i < 100; ++i) Read("a");
  Create({thing});
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; }, 30s);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/batch"});
}

TEST_F(Refused, AReadingWhosePayloadTheCloudRefusesIsSetAsideAndItsTopicGoesOn) {
  RefusesOneReading(0x99);
}

TEST_F(Refused, AReadingThatTheCloudRefusesWithoutAReasonLikewise) {
  RefusesOneReading(0x80);
}

// It has taken others on this topic before, and does again: nothing is wrong with any reading.
TEST_F(Refused, TroubleOfTheCloudsOwnIsWaitedOutByTheTopicAndBlamesNoReading) {
  bool trouble = false;
  transport.puback = [&](const std::string&, const std::string& topic) {
    return trouble && topic == "sensors/a/temperature" ? 0x80 : 0;
  };
  Create({Thing("a")});
  const auto run = [&](int seconds) {
    for (int i = 0; i < seconds; ++i) {
      Read("a");
      loop.Advance(1s);
    }
  };
  run(10);
  ASSERT_EQ(store.acked["a"].size(), 10u);
  trouble = true;
  run(30);
  trouble = false;
  run(35);
  EXPECT_EQ(store.Outbox("a").unsent, 0u) << "within a minute of the first refusal and some seconds";
  EXPECT_EQ(Link("a").set_aside, 0u);
}

TEST_F(Refused, OneReadingOfABatchIsFoundAndTheOthersGo) {
  ThingSettings thing = Thing("a");
  thing.batch_bytes = 2000;
  std::vector<std::uint64_t> seqs;
  for (int i = 0; i < 200; ++i) seqs.push_back(Read("a"));
  const std::string bad = "\"seq\":" + std::to_string(seqs[100]);
  transport.judge = [&](const test::FakeTransport::Published& message) {
    return message.payload.find(bad) != std::string::npos ? 0x99 : 0;
  };
  Create({thing});
  loop.Advance(2min);
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  EXPECT_EQ(store.Outbox("a").oldest_unsent_seq, seqs[100]);
  EXPECT_EQ(transport.connects.size(), 1u);
}

TEST_F(Refused, A311ConnectionThatClosesOnATopicSuspendsThatTopicAndNoOther) {
  upstream.protocol = MqttProtocol::k311;
  transport.puback = [](const std::string&, const std::string& topic) {
    return topic == "sensors/a/temperature" ? -1 : 0;
  };
  for (int i = 0; i < 30; ++i) Read("a");
  Create({Thing("a")});
  loop.Advance(50s);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/temperature"});
  EXPECT_TRUE(Online("a")) << "the link stays up without the topic";
  const std::size_t connects = transport.connects.size();
  EXPECT_GE(connects, 4u);
  EXPECT_LE(connects, 6u);
  transport.puback = {};
  loop.Advance(5min);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

TEST_F(Refused, AnMqtt5DisconnectThatBlamesTheMessageCountsLikewiseAndAnyOtherDoesNot) {
  int reason = 0x95;  // packet too large
  transport.puback = [&](const std::string&, const std::string& topic) {
    return topic == "sensors/a/temperature" ? -reason : 0;
  };
  for (int i = 0; i < 30; ++i) Read("a");
  Create({Thing("a")});
  loop.Advance(50s);
  EXPECT_EQ(Link("a").suspended_topics, std::vector<std::string>{"sensors/a/temperature"});
  EXPECT_TRUE(Online("a"));
  transport.puback = {};
  loop.Advance(5min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);

  reason = 0x8B;  // server shutting down
  transport.puback = [&](const std::string&, const std::string&) { return -reason; };
  for (int i = 0; i < 30; ++i) Read("a");
  loop.Advance(50s);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
}

// Three topics before telemetry cost nine connections, which took it two minutes to get through.
TEST_F(Refused, A311ServerThatForbidsEverythingButTelemetryGetsItAfterAFewConnections) {
  struct Talkative : test::RecordingClient {
    void OnOnline(ThingLink& l) override {
      for (const char* topic : {"one", "two", "three"}) l.Publish(topic, std::to_string(++said), [](const Status&) {});
    }
    int said = 0;
  } client;
  client.filters = 0;
  clients.push_back(&client);
  upstream.protocol = MqttProtocol::k311;
  transport.puback = [](const std::string&, const std::string& topic) {
    return topic == "sensors/a/temperature" ? 0 : -1;
  };
  store.latency = 20ms;  // slower than the server's answer
  for (int i = 0; i < 300; ++i) Read("a");
  Create({Thing("a")});
  AdvanceUntil([&] { return !store.acked["a"].empty(); }, 10s);
  EXPECT_LE(transport.connects.size(), 2u);
  AdvanceUntil([&] { return store.Outbox("a").unsent == 0; }, 40s);
  EXPECT_LE(transport.connects.size(), 7u);
  loop.Advance(5min);
  EXPECT_TRUE(Online("a"));
  EXPECT_EQ(Link("a").suspended_topics, (std::vector<std::string>{"one", "status/a", "three", "two"}));
}

TEST_F(Refused, A311ConnectionThatJustBreaksSuspendsNothing) {
  upstream.protocol = MqttProtocol::k311;
  Create({Thing("a")});
  for (int i = 0; i < 10; ++i) {
    AdvanceUntil([&] { return Online("a"); });
    loop.Advance(1s);
    Read("a");
    loop.Advance(1s);
    transport.acknowledges = false;
    Read("a");
    loop.Advance(100ms);
    transport.CloseAll();
    transport.acknowledges = true;
  }
  EXPECT_TRUE(Link("a").suspended_topics.empty());
}

}  // namespace
}  // namespace penumbra
