// The glue: effects in their order, a store in trouble, a bus that goes away. Decisions are tested elsewhere.
#include "shadow/shadows.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "support/virtual_loop.hpp"

namespace penumbra::shadow {
namespace {

using namespace std::chrono_literals;

class FakeShadowStore : public ShadowStore {
 public:
  void Load(std::function<void(Result<StoredShadows>)> done) override {
    ++loads;
    if (load_failures-- > 0) return done(Fail(load_action, "busy"));
    done(stored);
  }
  void Save(shadow::Batch batch, std::function<void(Status)> done) override {
    if (failing) return done(Fail(Action::kBackOff, "disk full"));
    saved.push_back(std::move(batch));
    if (!hold) return done({});
    held.push_back(std::move(done));
  }
  void Release() {
    for (auto& done : std::exchange(held, {})) done({});
  }
  StoredShadows stored;
  int loads = 0, load_failures = 0;
  Action load_action = Action::kBackOff;
  bool failing = false, hold = false;
  std::vector<shadow::Batch> saved;
  std::deque<std::function<void(Status)>> held;
};

class FakeBuses : public BusManager {
 public:
  struct Written {
    std::string thing, point;
    Value value;
    std::function<void(Status)> done;
    std::function<bool()> wanted;
  };
  void Start(std::vector<BusSettings>, std::vector<ThingSettings>) override {}
  void Reconfigure(std::vector<BusSettings>, std::vector<ThingSettings>) override {}
  bool SetSampleInterval(const std::string& thing, Duration interval) override {
    intervals[thing] = interval;
    return true;
  }
  void ReadNow(const std::string&, std::function<void(Result<Reading>)> done) override {
    reads.push_back(std::move(done));
  }
  void Write(const std::string& thing, const std::string& point, const Value& value, std::function<void(Status)> done,
             std::function<bool()> wanted = {}) override {
    writes.push_back({thing, point, value, std::move(done), std::move(wanted)});
  }
  void Ask(const std::string&, const Json&, Duration, AskDone done) override {
    done(Fail(Action::kGiveUp, "nothing to ask"));
  }
  std::vector<BusStatus> Buses() const override { return {}; }
  std::optional<ThingStatus> Thing(const std::string&) const override { return status; }

  std::map<std::string, Duration> intervals;
  std::vector<std::function<void(Result<Reading>)>> reads;
  std::vector<Written> writes;
  std::optional<ThingStatus> status;
};

class FakeLink : public ThingLink {
 public:
  const std::string& thing() const override { return name; }
  bool online() const override { return true; }
  Duration MayHaveWaited() const override { return Duration::zero(); }
  std::shared_ptr<mqtt::PendingAck> TakeAck() override { return nullptr; }
  void Publish(std::string topic, std::string payload, std::function<void(Status)> done) override {
    published.push_back({std::move(topic), std::move(payload)});
    dones.push_back(std::move(done));
  }
  std::string name = "t1";
  std::vector<std::pair<std::string, std::string>> published;
  std::vector<std::function<void(Status)>> dones;
};

struct ShadowsTest : testing::Test {
  ShadowsTest() {
    thing.name = "t1";
    PointSettings point;
    point.name = "setpoint";
    point.driver_options = {{"type", "s16"}};
    point.writable.emplace();
    point.writable->max = 30;
    thing.points = {point};
    status.thing = "t1";
    status.state = "ok";
  }
  void Start() {
    shadows = std::make_unique<Shadows>(Shadows::Options{{}, "s1", 1, {}}, loop, trust, store, buses);
    shadows->Start({thing}, [this] { started = true; });
    loop.RunReady();
  }
  void Reload(Duration interval) {
    thing.sample_interval = interval;
    shadows->Reconfigure({thing}, [this] { reloaded = true; });
    loop.RunReady();
  }
  Status Set(const Json& desired) {
    const auto result = std::make_shared<std::optional<Status>>();  // the answer may come long after this
    shadows->Set("t1", "", desired, [result](const Status& answer) { *result = answer; });
    loop.RunReady();
    return result->value_or(Fail(Action::kRetry, "no answer yet"));
  }
  Reading Read(std::int64_t value) {
    Reading reading;
    reading.thing = "t1";
    reading.values = {{"setpoint", value, Quality::kGood, {}}};
    return reading;
  }
  CommandState State() { return shadows->Find("t1")->commands().rows().at("setpoint").state; }

  test::VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  FakeShadowStore store;
  FakeBuses buses;
  FakeLink link;
  ThingSettings thing;
  ThingStatus status;
  bool started = false, reloaded = false;
  std::unique_ptr<Shadows> shadows;
};

TEST_F(ShadowsTest, AStoreThatIsBusyAtTheStartIsAskedAgainAndNothingStartsEmpty) {
  store.load_failures = 3;
  Start();
  EXPECT_FALSE(started);
  loop.Advance(5s);
  EXPECT_TRUE(started);
  EXPECT_EQ(store.loads, 4);
}

TEST_F(ShadowsTest, ADamagedStoreStartsEmptyRatherThanNever) {
  store.load_failures = 1;
  store.load_action = Action::kFatal;
  Start();
  EXPECT_TRUE(started);
}

TEST_F(ShadowsTest, NothingReachesTheDeviceBeforeItIsDurable) {
  Start();
  store.hold = true;
  EXPECT_FALSE(Set({{"setpoint", 21}}));
  EXPECT_TRUE(buses.writes.empty());
  store.Release();
  ASSERT_EQ(buses.writes.size(), 1U);
  EXPECT_EQ(buses.writes[0].value, Value(std::int64_t{21}));
}

TEST_F(ShadowsTest, AValueThatIsOvertakenDuringItsCommitIsNotWritten) {
  Start();
  store.hold = true;
  (void)Set({{"setpoint", 21}});
  (void)Set({{"setpoint", 22}});
  while (!store.held.empty()) {
    store.Release();
    loop.RunReady();
  }
  ASSERT_EQ(buses.writes.size(), 1U);
  EXPECT_EQ(buses.writes[0].value, Value(std::int64_t{22}));
}

TEST_F(ShadowsTest, AWishThatIsTakenBackWhileItWaitsForTheBusIsNotWanted) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  ASSERT_EQ(buses.writes.size(), 1U);
  EXPECT_TRUE(buses.writes[0].wanted());
  ASSERT_TRUE(Set({{"setpoint", nullptr}}));
  EXPECT_FALSE(buses.writes[0].wanted());
  buses.writes[0].done(Fail(Action::kRetry, "not wanted any more"));
  loop.Advance(std::chrono::minutes(1));
  EXPECT_EQ(buses.writes.size(), 1U);
}

TEST_F(ShadowsTest, AStoreThatFailsHoldsTheDeviceBackAndThenGoesOn) {
  Start();
  store.failing = true;
  EXPECT_FALSE(Set({{"setpoint", 21}, {"sample_interval", 7}}));
  loop.Advance(10s);
  EXPECT_TRUE(buses.writes.empty());
  EXPECT_TRUE(buses.intervals.empty()) << buses.intervals.size();
  store.failing = false;
  loop.Advance(30s);
  EXPECT_EQ(buses.writes.size(), 1U);
  EXPECT_EQ(buses.intervals["t1"], Duration(7s));
}

TEST_F(ShadowsTest, TellsWhoFollowsAWishHowItEnded) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  std::optional<Status> end;
  shadows->Follow("t1", {{"setpoint", 21}}, [&end](const Status& how) { end = how; });
  loop.RunReady();
  EXPECT_FALSE(end);
  buses.writes[0].done({});
  loop.RunReady();
  buses.reads[0](Read(21));
  loop.RunReady();
  ASSERT_TRUE(end);
  EXPECT_TRUE(*end);
  shadows->Follow("t1", {{"setpoint", 22}}, [&end](const Status& how) { end = how; });
  loop.RunReady();
  ASSERT_FALSE(*end);
  EXPECT_NE(end->error().message.find("overtaken"), std::string::npos);
}

TEST_F(ShadowsTest, TheVerySameWishOnceMoreIsWrittenOnceMore) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  buses.writes[0].done({});
  loop.RunReady();
  buses.reads[0](Read(21));
  loop.RunReady();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  EXPECT_EQ(buses.writes.size(), 2U) << "the device may have been moved by hand";
}

TEST_F(ShadowsTest, AWishThatIsOldWhenItComesIsNotWritten) {
  Start();
  bool durable = false;
  shadows->Set(
      "t1", "", {{"setpoint", 21}}, [&durable](const Status& how) { durable = how.has_value(); }, 601'000);
  loop.RunReady();
  EXPECT_TRUE(durable);
  EXPECT_TRUE(buses.writes.empty());
  EXPECT_EQ(State(), CommandState::kExpired);
}

TEST_F(ShadowsTest, TheGatewaysOwnThingHasANamedShadowAndNoDevice) {
  shadows = std::make_unique<Shadows>(Shadows::Options{{}, "s1", 1, {}, "t1"}, loop, trust, store, buses);
  shadows->Start({thing}, [this] { started = true; });
  loop.RunReady();
  EXPECT_TRUE(shadows->Report("t1", "health", {{"status", "ok"}}, Urgency::kPrompt));
  EXPECT_FALSE(shadows->Report("t2", "health", {{"status", "ok"}}, Urgency::kPrompt));
  EXPECT_EQ(shadows->Find("t1")->Find("health")->row().reported_local["status"], "ok");
  EXPECT_TRUE(shadows->Find("t1")->Find("")->row().reported_local.empty()) << "no sample_interval: it samples nothing";
}

TEST_F(ShadowsTest, RefusesAtOnceWhatNoDeviceWouldTake) {
  Start();
  for (const Json& wrong : {Json{{"setpoint", 31}}, Json{{"setpoint", "x"}}, Json{{"nonsense", 1}}, Json(5),
                            Json{{"sample_interval", 0}}, Json{{"setpoint", {1, nullptr}}}}) {
    const Status refused = Set(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().action, Action::kGiveUp);
  }
  EXPECT_TRUE(buses.writes.empty());
  EXPECT_FALSE(shadows->Find("t1")->Find("")->row().desired_pending.contains("setpoint"));
}

TEST_F(ShadowsTest, AHostThatDiesDuringTheWriteIsAskedAgain) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  ASSERT_EQ(buses.writes.size(), 1U);
  buses.writes[0].done(Fail(Action::kBackOff, "bus hall is in backoff: the driver crashed"));
  loop.Advance(3s);
  ASSERT_EQ(buses.writes.size(), 2U);
  EXPECT_EQ(buses.writes[1].value, Value(std::int64_t{21}));
  buses.writes[1].done({});
  loop.RunReady();
  ASSERT_EQ(buses.reads.size(), 1U);
  buses.reads[0](Read(21));
  EXPECT_EQ(State(), CommandState::kVerified);
}

TEST_F(ShadowsTest, AfterTheBusesAreGoneNothingIsDoneAndTheCommandStays) {
  Start();
  shadows->BusesGone();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  loop.Advance(10s);
  EXPECT_TRUE(buses.writes.empty());
  EXPECT_EQ(State(), CommandState::kPending) << "the next start goes on from here";
}

TEST_F(ShadowsTest, TheThingsStateIsReportedWhenItChanges) {
  Start();
  buses.status = status;
  loop.Advance(6s);
  EXPECT_EQ(shadows->Find("t1")->Find("")->row().reported_local["status"], "ok");
  buses.status->state = "unreachable";
  loop.Advance(6s);
  EXPECT_EQ(shadows->Find("t1")->Find("")->row().reported_local["status"], "unreachable");
}

TEST_F(ShadowsTest, EveryConnectAsksTheCloudFirstAndNeverTalksToAnEndedSession) {
  Start();
  EXPECT_EQ(shadows->Subscriptions("t1").size(), 16U);
  EXPECT_TRUE(shadows->Subscriptions("gateway").empty());
  shadows->OnOnline(link);
  ASSERT_EQ(link.published.size(), 1U);
  EXPECT_EQ(link.published[0].first, "$aws/things/t1/shadow/get");
  shadows->OnOffline(link);
  loop.Advance(2min);
  EXPECT_EQ(link.published.size(), 1U);
}

TEST_F(ShadowsTest, AHundredReadingsDoNotCostAHundredCommits) {
  thing.points[0].writable.reset();
  Start();
  store.saved.clear();
  for (int i = 0; i < 100; ++i) {
    shadows->OnReading(Read(i));
    loop.Advance(1s);
  }
  EXPECT_LE(store.saved.size(), 3U);
}

TEST_F(ShadowsTest, AThingThatComesLaterIsLoadedBeforeItsSessionMayBegin) {
  Start();
  ThingSettings second = thing;
  second.name = "t2";
  store.load_failures = 2;
  bool ready = false;
  shadows->Reconfigure({thing, second}, [&ready] { ready = true; });
  loop.RunReady();
  EXPECT_FALSE(ready);
  EXPECT_EQ(shadows->Find("t2"), nullptr);
  loop.Advance(5s);
  EXPECT_TRUE(ready);
  EXPECT_NE(shadows->Find("t2"), nullptr);
  EXPECT_NE(shadows->Find("t1"), nullptr);
}

TEST_F(ShadowsTest, AThingThatGoesIsForgottenAndOneThatComesAgainIsLoaded) {
  Start();
  shadows->Reconfigure({}, [] {});
  loop.RunReady();
  EXPECT_EQ(shadows->Find("t1"), nullptr);
  shadows->OnReading(Read(5));
  shadows->OnOnline(link);
  const int loads = store.loads;
  bool ready = false;
  shadows->Reconfigure({thing}, [&ready] { ready = true; });
  loop.RunReady();
  EXPECT_TRUE(ready);
  EXPECT_EQ(store.loads, loads + 1);
  EXPECT_NE(shadows->Find("t1"), nullptr);
}

TEST_F(ShadowsTest, TheAnswerToAThingThatIsGoneIsNotTakenForItsSuccessors) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  ASSERT_EQ(buses.writes.size(), 1U);
  shadows->Reconfigure({}, [] {});
  loop.RunReady();
  shadows->Reconfigure({thing}, [] {});
  loop.RunReady();
  (void)Set({{"setpoint", 22}});
  ASSERT_EQ(buses.writes.size(), 2U);
  buses.writes[0].done({});
  loop.RunReady();
  EXPECT_EQ(State(), CommandState::kPending);
}

TEST_F(ShadowsTest, WhoFollowsACommandOfAThingThatGoesIsTold) {
  Start();
  ASSERT_TRUE(Set({{"setpoint", 21}}));
  std::optional<Status> end;
  shadows->Follow("t1", {{"setpoint", 21}}, [&end](const Status& how) { end = how; });
  shadows->Reconfigure({}, [] {});
  loop.RunReady();
  ASSERT_TRUE(end && !*end);
  EXPECT_EQ(end->error().action, Action::kGiveUp);
}

TEST_F(ShadowsTest, AnotherIntervalOfTheFileHoldsUnlessOneIsDesired) {
  Start();
  thing.sample_interval = 7s;
  shadows->Reconfigure({thing}, [] {});
  EXPECT_EQ(buses.intervals["t1"], Duration(7s));
  ASSERT_TRUE(Set({{"sample_interval", 3}}));
  EXPECT_EQ(buses.intervals["t1"], Duration(3s));
  thing.sample_interval = 9s;
  shadows->Reconfigure({thing}, [] {});
  EXPECT_EQ(buses.intervals["t1"], Duration(3s));
  ASSERT_TRUE(Set({{"sample_interval", nullptr}}));
  EXPECT_EQ(buses.intervals["t1"], Duration(9s));
}

TEST_F(ShadowsTest, AReloadIsOverWhenItsIntervalsAreInForce) {
  Start();
  store.hold = true;
  Reload(7s);
  EXPECT_FALSE(reloaded) << "the store is still at it";
  store.Release();
  EXPECT_TRUE(reloaded);
  EXPECT_EQ(buses.intervals["t1"], Duration(7s));
}

TEST_F(ShadowsTest, AReloadWithAFullDiskIsOver) {
  Start();
  store.failing = true;
  Reload(7s);
  EXPECT_TRUE(reloaded);
  store.failing = false;
  loop.Advance(10s);
  EXPECT_EQ(buses.intervals["t1"], Duration(7s)) << "and is in force when the disk has room";
}

TEST_F(ShadowsTest, TheDesiredIntervalHasTheBoundsOfTheFile) {
  Start();
  EXPECT_TRUE(Set({{"sample_interval", 30 * 24 * 3600}}));
  EXPECT_EQ(buses.intervals["t1"], kMaxSampleInterval);
  EXPECT_FALSE(Set({{"sample_interval", 30 * 24 * 3600 + 1}}));
  EXPECT_TRUE(Set({{"sample_interval", 0.05}}));
  EXPECT_FALSE(Set({{"sample_interval", 0.049}}));
  EXPECT_EQ(buses.intervals["t1"], kMinSampleInterval);
}

TEST_F(ShadowsTest, AnotherRangeHoldsFromTheReloadOn) {
  Start();
  EXPECT_FALSE(Set({{"setpoint", 35}}));
  thing.points[0].writable->max = 40;
  shadows->Reconfigure({thing}, [] {});
  EXPECT_TRUE(Set({{"setpoint", 35}}));
  ASSERT_EQ(buses.writes.size(), 1U);
}

TEST_F(ShadowsTest, WhatTheOldRangeRefusedIsJudgedAgain) {
  thing.points[0].writable->max = 40;
  Start();
  store.hold = true;
  (void)Set({{"setpoint", 35}});  // durable only later
  thing.points[0].writable->max = 30;
  shadows->Reconfigure({thing}, [] {});
  while (!store.held.empty()) {
    store.Release();
    loop.RunReady();
  }
  store.hold = false;
  loop.Advance(5s);
  EXPECT_EQ(State(), CommandState::kRefused);
  EXPECT_TRUE(buses.writes.empty()) << "beyond the range that is in force";
  thing.points[0].writable->max = 40;
  shadows->Reconfigure({thing}, [] {});
  loop.Advance(5s);
  EXPECT_EQ(State(), CommandState::kPending);
  EXPECT_EQ(buses.writes.size(), 1U);
}

// What the cloud answers to the newest request.
struct Rejected : ShadowsTest {
  void Answer(const std::string& outcome, Json body) {
    const auto [topic, payload] = link.published.back();
    body["clientToken"] = (*ParseJson(payload))["clientToken"];
    body["timestamp"] = 1'700'000'000;
    shadows->OnMessage(link, topic + "/" + outcome, Dump(body));
    loop.RunReady();
  }
  const std::string& Blocked() { return shadows->Find("t1")->Find("")->blocked(); }
  bool IsAsked(const char* what) { return link.published.back().first == std::string("$aws/things/t1/shadow/") + what; }
  void Online() {
    Start();
    shadows->OnOnline(link);
    loop.RunReady();
    ASSERT_TRUE(IsAsked("get"));
  }
};

TEST_F(Rejected, AQuestionThatIsForbiddenIsToldOfUntilItIsAnswered) {
  Online();
  Answer("rejected", {{"code", 403}, {"message", std::string(199, 'x') + "\u00e9"}});
  EXPECT_EQ(Blocked(), "get: 403 " + std::string(199, 'x')) << "bounded, and no half character";
  loop.Advance(61min);
  Answer("rejected", {{"code", 404}});
  EXPECT_EQ(Blocked(), "");
}

TEST_F(Rejected, ReportsThatAreRefusedComeLaterEachTimeAlsoWhenTheValueIsAnother) {
  Online();
  Answer("rejected", {{"code", 404}});
  int reports = 0;
  for (int second = 0; second < 600; ++second) {
    shadows->OnReading(Read(second % 20));
    loop.Advance(1s);
    if (!IsAsked("update")) continue;
    ++reports;
    Answer("rejected", {{"code", 413}, {"message", "too large"}});
    link.published.push_back({"", "{}"});
  }
  EXPECT_EQ(Blocked(), "413 too large");
  EXPECT_GE(reports, 10) << "another document may pass";
  EXPECT_LE(reports, 60) << "up to a minute apart, half of it on average";
}

TEST_F(Rejected, WhatAUserWantsAndTheCloudRefusesIsToldOfUntilItIsChanged) {
  Online();
  Answer("rejected", {{"code", 404}});
  shadows->OnReading(Read(5));
  loop.Advance(2s);
  while (IsAsked("update") && link.published.back().second.find("desired") == std::string::npos) {
    Answer("accepted", {{"state", Json::object()}, {"version", 1}});
    if (!Set({{"setpoint", 21}})) break;
    loop.Advance(2s);
  }
  ASSERT_NE(link.published.back().second.find("desired"), std::string::npos) << link.published.back().second;
  Answer("rejected", {{"code", 400}, {"message", "no"}});
  EXPECT_EQ(Blocked(), "desired: 400 no");
  ASSERT_TRUE(Set({{"setpoint", 22}}));
  EXPECT_EQ(Blocked(), "");
}

}  // namespace
}  // namespace penumbra::shadow
