// One thing's link: connecting, failing, coming back, going.
#include "event/receipt.hpp"
#include "unit/uplink/uplink_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using mqtt::Failure;
using test::RecordingClient;

class Session : public test::UplinkFixture {
 protected:
  // The refusal of the credentials is not repeated meanwhile; from then on nothing is refused any more.
  void IsUnprovisionedFor(Duration time) {
    Create({Thing("a")});
    loop.Advance(time);
    EXPECT_EQ(Link("a").link, "unprovisioned");
    EXPECT_EQ(transport.connects.size(), 1u);
    transport.refuse_connect.reset();
  }
};

TEST_F(Session, WithoutAnEndpointStaysOffline) {
  upstream.endpoint.clear();
  Create({Thing("a")});
  loop.Advance(1min);
  EXPECT_EQ(Link("a").link, "offline");
  EXPECT_TRUE(transport.connects.empty());
}

TEST_F(Session, ThatIsHeldStaysClosedUntilItIsReleasedAndLosesNothing) {
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  bool closed = false;
  uplink->Hold("a", [&] { closed = true; });
  loop.Advance(1s);
  EXPECT_TRUE(closed);
  EXPECT_EQ(transport.disconnects, std::vector<std::string>{"a"}) << "with a proper goodbye";
  const std::uint64_t seq = Read("a");
  loop.Advance(1min);
  EXPECT_FALSE(Online("a"));
  EXPECT_TRUE(Online("b"));
  EXPECT_EQ(store.Outbox("a").unsent, 1u);
  uplink->Release("a");
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  EXPECT_EQ(Sent("a"), std::vector<std::uint64_t>{seq});
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
}

// Two connections with one client id throw each other out.
TEST_F(Session, ThatIsHeldIsNotStartedByAReload) {
  const ThingSettings thing = Thing("a");
  Create({thing});
  AdvanceUntil([&] { return Online("a"); });
  uplink->Hold("a", [] {});
  loop.Advance(1s);
  upstream.keep_alive = 2min;  // which would have it connect anew
  uplink->Reconfigure(upstream, {thing});
  loop.Advance(1min);
  EXPECT_EQ(transport.connects.size(), 1u);
  uplink->Release("a");
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(transport.connects.back().options.keep_alive, 2min);
}

TEST_F(Session, ThatIsHeldDoesNotComeBackWhileTheDaemonStops) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  uplink->Hold("a", [] {});
  loop.Advance(1s);
  bool done = false;
  uplink->Shutdown([&] { done = true; });
  uplink->Release("a");
  loop.Advance(1min);
  EXPECT_TRUE(done);
  EXPECT_EQ(transport.connects.size(), 1u);
  bool nobody = false;
  uplink->Hold("nobody", [&] { nobody = true; });
  EXPECT_TRUE(nobody);
}

TEST_F(Session, BacksOffWithinTheConfiguredBoundsAndNeverConnectsTwiceInASecond) {
  transport.reachable = false;
  upstream.connect_rate = 100;
  Create({Thing("a")});
  loop.Advance(10min);
  const auto& connects = transport.connects;
  ASSERT_GE(connects.size(), 10u);
  ASSERT_LE(connects.size(), 80u);  // the mean wait becomes 16 s
  for (std::size_t i = 1; i < connects.size(); ++i) {
    EXPECT_GE(connects[i].at - connects[i - 1].at, 1s);
    EXPECT_LE(connects[i].at - connects[i - 1].at, 34s);
  }
  EXPECT_EQ(Link("a").last_error, "connection refused");
  EXPECT_EQ(Link("a").link, "waiting");
}

TEST_F(Session, AnImmediateKickDoesNotResetTheBackoff) {
  Create({Thing("a")});
  for (int i = 0; i < 8; ++i) {
    AdvanceUntil([&] { return transport.online() == 1; });
    transport.CloseAll();
  }
  const BootTime last = transport.connects.back().at, first = transport.connects.front().at;
  EXPECT_GT(last - first, 20s) << "eight connects with a reset backoff would take eight seconds";
}

TEST_F(Session, AStableConnectionResetsTheBackoffAndClearsTheLastError) {
  transport.reachable = false;
  Create({Thing("a")});
  loop.Advance(5min);
  transport.reachable = true;
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(Link("a").last_error, "connection refused");
  loop.Advance(upstream.reconnect_stable + 1s);
  EXPECT_EQ(Link("a").last_error, "");
  transport.CloseAll();
  const BootTime closed = loop.Now();
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_LT(loop.Now() - closed, 3s);
}

TEST_F(Session, MissingCredentialsAreReportedAndPickedUpWithoutARestart) {
  Create({Thing("a", false)});
  loop.Advance(1min);
  EXPECT_EQ(Link("a").link, "unprovisioned");
  EXPECT_NE(Link("a").last_error.find("a.pem.crt"), std::string::npos);
  EXPECT_TRUE(transport.connects.empty());
  Provision("a");
  loop.Advance(8s);
  EXPECT_TRUE(Online("a"));
}

TEST_F(Session, BadCredentialsAreTriedAgainWhenTheFilesChange) {
  transport.refuse_connect = Failure{Failure::Kind::kCredentials, 0, "the key does not belong to the certificate"};
  IsUnprovisionedFor(30s);
  std::ofstream(state / "credentials" / "a.pem.key") << "a repaired and longer key";
  loop.Advance(8s);
  EXPECT_TRUE(Online("a"));
}

TEST_F(Session, ReplacedCredentialsAreInUseWithinAMinuteAndNothingIsLost) {
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  loop.Advance(5min);
  ASSERT_EQ(transport.connects.size(), 2u);
  std::ofstream(state / "credentials" / "a.pem.crt") << "the next certificate";
  std::ofstream(state / "credentials" / "a.pem.key") << "the next key";
  const std::uint64_t seq = Read("a");
  loop.Advance(1min);
  EXPECT_EQ(transport.connects.size(), 3u);
  EXPECT_EQ(transport.connects.back().options.client_id, "a");
  EXPECT_EQ(transport.disconnects, std::vector<std::string>{"a"}) << "with a proper goodbye";
  EXPECT_TRUE(Online("a"));
  EXPECT_EQ(store.acked["a"].count(seq), 1u);
  loop.Advance(10min);
  EXPECT_EQ(transport.connects.size(), 3u);
}

TEST_F(Session, ReplacedCredentialsThatCannotBeUsedDoNotEndTheSession) {
  transport.credentials = [] { return Status(Fail(Action::kFixConfig, "the key belongs to another certificate")); };
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  std::ofstream(state / "credentials" / "a.pem.crt") << "half of";
  loop.Advance(10min);
  EXPECT_EQ(transport.connects.size(), 1u);
  EXPECT_TRUE(Online("a"));
  transport.credentials = {};
  std::ofstream(state / "credentials" / "a.pem.crt") << "the whole of it";
  loop.Advance(1min);
  EXPECT_EQ(transport.connects.size(), 2u);
}

TEST_F(Session, OneThatIsHeldForARotationDoesNotComeBackByItself) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  std::ofstream(state / "credentials" / "a.pem.crt") << "the next certificate";
  transport.acknowledges = false;  // so that the goodbye takes its time
  AdvanceUntil([&] { return transport.published.size() == 2; });
  bool closed = false;
  uplink->Hold("a", [&] { closed = true; });
  loop.Advance(1min);
  EXPECT_TRUE(closed);
  EXPECT_EQ(transport.connects.size(), 1u);
}

// In 1970 every certificate is "not yet valid", and after the synchronisation none is any more.
TEST_F(Session, CredentialsAreLookedAtAgainWhenTheClockHasStepped) {
  transport.refuse_connect = Failure{Failure::Kind::kCredentials, 0, "the certificate is not valid yet"};
  loop.virtual_clock.unix_epoch_ms = 0;
  loop.virtual_clock.synchronised = false;
  IsUnprovisionedFor(12s);
  loop.virtual_clock.unix_epoch_ms = 1'700'000'000'000;
  loop.virtual_clock.synchronised = true;
  loop.Advance(8s);
  EXPECT_TRUE(Online("a"));
}

TEST_F(Session, FallsBackTo311OnlyWhenTheServerSaysSoAndTries5AgainAfterAnHour) {
  transport.on_connect = [](const mqtt::ConnectOptions& options) -> std::optional<Failure> {
    if (options.version == mqtt::Version::k311) return std::nullopt;
    return Failure{Failure::Kind::kProtocolVersion, 0x84, "no MQTT 5"};
  };
  Create({Thing("a"), Thing("b")});
  AdvanceUntil([&] { return Online("a") && Online("b"); });
  EXPECT_EQ(Link("a").protocol, "3.1.1");
  EXPECT_EQ(transport.connects.size(), 3u) << "what one thing has learned holds for the others";
  loop.Advance(61min);
  transport.on_connect = {};
  transport.Close("a");
  loop.Advance(1s);
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(Link("a").protocol, "5");
}

TEST_F(Session, OtherRefusalsDoNotChangeTheProtocol) {
  transport.refuse_connect = Failure{Failure::Kind::kRefused, 0x87, "not authorized"};
  Create({Thing("a")});
  loop.Advance(2min);
  for (const auto& connect : transport.connects) EXPECT_EQ(connect.options.version, mqtt::Version::k5);
}

TEST_F(Session, SaysConnectedAndLeavesAWillBehind) {
  Create({Thing("a")});
  AdvanceUntil([&] { return !transport.published.empty(); });
  const auto& will = transport.connects.front().options.will;
  ASSERT_TRUE(will);
  EXPECT_EQ(will->topic, "status/a");
  const Json gone = *ParseJson(will->payload);
  EXPECT_EQ(gone["connected"], false);
  EXPECT_EQ(gone["thing"], "a");
  const auto& first = transport.published.front();
  EXPECT_EQ(first.topic, "status/a");
  EXPECT_FALSE(first.retain);
  const Json here = *ParseJson(first.payload);
  EXPECT_EQ(here["connected"], true);
  EXPECT_EQ(here["timestamp"], loop.virtual_clock.UnixMs() - (loop.Now() - first.at).count() / 1'000'000);
}

TEST_F(Session, TellsWhenTheSensorBehindAThingDiesAndLives) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  uplink->SetSensor("a", {"ok", "", 1});
  loop.Advance(1s);
  const std::size_t before = transport.published.size();
  uplink->SetSensor("a", {"unreachable", "timeout", 1'700'000'000'000});
  uplink->SetSensor("a", {"unreachable", "another reason", 1'700'000'000'000});
  uplink->SetSensor("nobody", {"ok", "", 1});
  loop.Advance(1s);
  ASSERT_EQ(transport.published.size(), before + 1) << "once a change";
  const Json dead = *ParseJson(transport.published.back().payload);
  EXPECT_EQ(dead["connected"], true);
  EXPECT_EQ(dead["sensor"], "unreachable");
  EXPECT_EQ(dead["since"], 1'700'000'000'000);
  transport.Close("a");
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  EXPECT_EQ((*ParseJson(transport.published.back().payload))["sensor"], "unreachable") << "also after a reconnect";
}

TEST_F(Session, ShutdownSaysGoodbyeAndDisconnects) {
  Create({Thing("a"), Thing("b", false)});
  AdvanceUntil([&] { return Online("a"); });
  bool done = false;
  uplink->Shutdown([&] { done = true; });
  loop.Advance(1s);
  EXPECT_TRUE(done);
  EXPECT_EQ(transport.disconnects, std::vector<std::string>{"a"});
  EXPECT_EQ((*ParseJson(transport.published.back().payload))["connected"], false);
  EXPECT_EQ(transport.online(), 0u);
}

TEST_F(Session, ShutdownEndsAfterTheOperationTimeoutWhenNobodyAnswers) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  transport.acknowledges = false;
  bool done = false;
  uplink->Shutdown([&] { done = true; });
  loop.Advance(upstream.operation_timeout + 100ms);
  EXPECT_TRUE(done);
}

TEST_F(Session, ACertificateThatWasNotValidYetIsTriedAgainAsSoonAsTheClockIsSet) {
  loop.virtual_clock.synchronised = false;
  loop.virtual_clock.unix_epoch_ms = 0;
  transport.on_connect = [&](const mqtt::ConnectOptions&) -> std::optional<Failure> {
    if (loop.virtual_clock.UnixMs() > 1'600'000'000'000) return std::nullopt;
    return Failure{Failure::Kind::kCredentials, 0, "valid only from 2026-11-25"};
  };
  Create({Thing("a")});
  loop.Advance(10s);
  EXPECT_EQ(Link("a").link, "unprovisioned");
  loop.virtual_clock.unix_epoch_ms = 1'700'000'000'000;
  loop.virtual_clock.synchronised = true;
  AdvanceUntil([&] { return Online("a"); }, 8s);
}

TEST_F(Session, APublishOfAClientIsAnsweredExactlyOnce) {
  RecordingClient client;
  clients.push_back(&client);
  transport.puback = [](const std::string&, const std::string& topic) { return topic == "no" ? 0x87 : 0; };
  Create({Thing("a")});
  AdvanceUntil([&] { return client.link != nullptr; });
  std::vector<std::string> answers;
  const auto note = [&](const std::string& name) {
    return [&answers, name](Status status) {
      answers.push_back(name + (status ? " ok" : " " + std::string(ToString(status.error().action))));
    };
  };
  client.link->Publish("yes", "1", note("yes"));
  client.link->Publish("no", "1", note("no"));
  loop.Advance(1s);
  transport.acknowledges = false;
  client.link->Publish("lost", "1", note("lost"));
  loop.Advance(100ms);
  transport.CloseAll();
  client.link->Publish("offline", "1", note("offline"));
  EXPECT_EQ(answers, (std::vector<std::string>{"yes ok", "no " + std::string(ToString(Action::kGiveUp)),
                                               "lost " + std::string(ToString(Action::kRetry)),
                                               "offline " + std::string(ToString(Action::kRetry))}));
}

TEST_F(Session, AnOverdueAckForcesAReconnectAndEverythingIsSentAgain) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  loop.Advance(1s);
  transport.acknowledges = false;
  const std::uint64_t seq = Read("a");
  loop.Advance(upstream.operation_timeout * 2 - 100ms);
  EXPECT_EQ(transport.connects.size(), 1u);
  loop.Advance(200ms);
  EXPECT_NE(Link("a").last_error.find("acknowledgement"), std::string::npos);
  transport.acknowledges = true;
  AdvanceUntil([&] { return store.acked["a"].count(seq) == 1; });
  EXPECT_EQ(transport.connects.size(), 2u);
  EXPECT_EQ(SentCounts("a")[seq], 2);
}

TEST_F(Session, AServerThatTakesLongerThanThatForEveryAnswerIsWaitedFor) {
  RecordingClient client;
  clients.push_back(&client);
  transport.latency = upstream.operation_timeout * 2 + 3s;
  Create({Thing("a")});
  for (int i = 0; i < 10; ++i) Read("a");
  loop.Advance(5min);
  EXPECT_EQ(store.Outbox("a").unsent, 0u);
  EXPECT_TRUE(Link("a").suspended_topics.empty());
  const std::size_t connects = transport.connects.size();
  EXPECT_LE(connects, 4u);
  // As soon as it is quick again it is left as soon as before.
  transport.latency = 5ms;
  Read("a");
  loop.Advance(20s);
  transport.acknowledges = false;
  Read("a");
  loop.Advance(upstream.operation_timeout * 2 + 100ms);
  EXPECT_NE(Link("a").last_error.find("acknowledgement"), std::string::npos) << Link("a").last_error;
}

// --- a session that the cloud keeps ---

TEST_F(Session, AsksTheCloudToKeepItForAsLongAsConfigured) {
  upstream.session_expiry = 10min;
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(transport.connects.back().options.session_expiry, 10min);
}

struct KeptSession : Session {
  KeptSession() { clients.push_back(&client); }
  // Online, and everything that the cloud may have kept before has come.
  void Settle() {
    AdvanceUntil([&] { return Online("a"); });
    loop.Advance(2min);
  }
  void Away(Duration time) {
    transport.reachable = false;
    transport.CloseAll();
    loop.Advance(time);
    transport.reachable = true;
    transport.session.present = true;
    AdvanceUntil([&] { return Online("a"); });
  }
  // The daemon does, into a session that the cloud has kept.
  void ComesBackAfterTwentyMinutes() {
    uplink.reset();
    loop.Advance(20min);
    transport.session.present = true;
    Create({Thing("a")});
    AdvanceUntil([&] { return Online("a"); });
    EXPECT_GE(client.link->MayHaveWaited(), 20min);
    EXPECT_LE(client.link->MayHaveWaited(), 24min);
  }
  RecordingClient client;
};

TEST_F(KeptSession, SaysHowLongAMessageMayHaveWaitedUntilAllOfThemMustHaveCome) {
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(client.link->MayHaveWaited(), Duration::zero()) << "nothing was kept";
  Settle();
  Away(20min);
  EXPECT_GE(client.link->MayHaveWaited(), 20min);
  EXPECT_LE(client.link->MayHaveWaited(), 24min);
  loop.Advance(1min);
  EXPECT_EQ(client.link->MayHaveWaited(), Duration::zero());
  Away(10h);
  EXPECT_EQ(client.link->MayHaveWaited(), 90min) << "the cloud keeps nothing for longer";
}

// Kept messages come ten a second: those that did not come before it was cut again are as old as they were.
TEST_F(KeptSession, ThatIsCutAtOnceDoesNotMakeItsMessagesYounger) {
  Create({Thing("a")});
  Settle();
  Away(20min);
  loop.Advance(2s);
  Away(1s);
  EXPECT_GE(client.link->MayHaveWaited(), 20min);
}

TEST_F(KeptSession, KnowsAfterARestartSinceWhenItWasAway) {
  Create({Thing("a")});
  Settle();
  bool closed = false;
  uplink->Shutdown([&] { closed = true; });
  AdvanceUntil([&] { return closed; });
  ComesBackAfterTwentyMinutes();
}

TEST_F(KeptSession, CountsAfterACrashFromTheLastSignOfLife) {
  Create({Thing("a")});
  Settle();
  store.newest_trusted_ms = loop.virtual_clock.UnixMs();
  ComesBackAfterTwentyMinutes();
  // Without one nothing is known.
  store.newest_trusted_ms = 0;
  loop.Advance(2min);
  uplink.reset();
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(client.link->MayHaveWaited(), 90min);
}

struct CountedAck : mqtt::PendingAck {
  explicit CountedAck(int& c) : count(c) {}
  void Acknowledge() override { ++count; }
  int& count;
};

TEST_F(Session, AcknowledgesWhatNobodyTakesOverAndLeavesTheRestToWhoDoes) {
  struct Taker : RecordingClient {
    std::vector<std::string> CommitFirst(const std::string& thing) override { return {"commands/" + thing + "/"}; }
    void OnMessage(ThingLink& l, const std::string& topic, const std::string&) override {
      if (topic == "commands/a/taken") taken = l.TakeAck();
    }
    std::shared_ptr<mqtt::PendingAck> taken;
  } taker;
  clients.push_back(&taker);
  Create({Thing("a")});
  AdvanceUntil([&] { return Online("a"); });
  EXPECT_EQ(transport.connects.at(0).options.commit_first, std::vector<std::string>{"commands/a/"});
  int nobodys = 0, takers = 0;
  transport.Deliver("a", "commands/a/left", "{}", false, std::make_shared<CountedAck>(nobodys));
  transport.Deliver("a", "commands/a/taken", "{}", false, std::make_shared<CountedAck>(takers));
  EXPECT_EQ(nobodys, 1);
  EXPECT_EQ(takers, 0);
  ASSERT_TRUE(taker.taken);
  transport.Deliver("a", "commands/a/plain", "{}");
}

}  // namespace
}  // namespace penumbra
