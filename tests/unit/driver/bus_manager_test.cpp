#include <gmock/gmock.h>

#include "driver/bus_manager_impl.hpp"
#include "driver/request_time.hpp"
#include "fake_host.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BusManagerTest : public ::testing::Test {
 protected:
  static BusSettings Bus(const std::string& name) {
    BusSettings bus;
    bus.name = name;
    bus.driver = "fake";
    return bus;
  }
  static ThingSettings Thing(const std::string& name, const std::string& bus, Duration interval,
                             std::optional<int> unit = std::nullopt) {
    ThingSettings thing;
    thing.name = name;
    thing.bus = bus;
    thing.sample_interval = interval;
    thing.points.resize(2);
    thing.points[0].name = "a";
    thing.points[1].name = "b";
    if (unit) thing.driver_options["unit"] = *unit;
    return thing;
  }
  void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
    auto launcher_owner = std::make_unique<FakeLauncher>(loop);
    launcher_owner->on_start = launcher_script.on_start;
    launcher_owner->on_read = launcher_script.on_read;
    launcher_owner->on_write = launcher_script.on_write;
    launcher_owner->on_ask = launcher_script.on_ask;
    launcher = launcher_owner.get();
    manager = std::make_unique<BusManagerImpl>(
        std::move(launcher_owner), loop, trust,
        [this](const Reading& reading) { readings[reading.thing].push_back(reading); }, 1, keeper);
    manager->Start(std::move(buses), std::move(things));
    loop.RunReady();
  }
  std::string Ask(const Json& question, const std::string& bus = "b") {
    std::string text = "nothing";
    manager->Ask(bus, question, 1s, [&text](const Result<OrderedJson>& answer) {
      text = answer ? answer->dump() : std::string(ToString(answer.error().action)) + ": " + answer.error().message;
    });
    loop.Advance(100ms);
    return text;
  }
  std::size_t Count(const std::string& thing) { return readings[thing].size(); }
  std::size_t Good(const std::string& thing) {
    std::size_t good = 0;
    for (const Reading& reading : readings[thing]) good += reading.AllBad() ? 0 : 1;
    return good;
  }

  VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  FakeLauncher launcher_script{loop};  // the behaviour; set before Start
  FakeLauncher* launcher = nullptr;
  FactKeeper keeper;
  std::map<std::string, std::vector<Reading>> readings;
  std::unique_ptr<BusManagerImpl> manager;
};

TEST_F(BusManagerTest, WhatIsNoThingHereIsRefused) {
  Start({Bus("b")}, {Thing("t", "b", 1s), Thing("lost", "no-such-bus", 1s)});
  EXPECT_FALSE(manager->SetSampleInterval("lost", 1s));
  EXPECT_FALSE(manager->Thing("lost"));
  std::string error;
  manager->ReadNow("lost", [&](const Result<Reading>& r) { error = r.error().message; });
  EXPECT_THAT(error, HasSubstr("no thing lost"));
}

TEST_F(BusManagerTest, PollsOnADriftFreeGridWhateverEachPollTakes) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 300ms); };
  Start({Bus("b")}, {Thing("t", "b", 1s)});
  loop.Advance(1000s);
  ASSERT_GE(Count("t"), 1000U);
  const auto& all = readings["t"];
  for (std::size_t i = 1; i < all.size(); ++i) ASSERT_EQ(all[i].boot_ns - all[i - 1].boot_ns, 1'000'000'000);
  EXPECT_EQ(manager->Buses()[0].overruns, 0U);
  EXPECT_NEAR(manager->Buses()[0].load, 0.3, 0.01);
}

TEST_F(BusManagerTest, SpreadsThePollsOfManyThingsOverTheInterval) {
  Start({Bus("b")}, [] {
    std::vector<ThingSettings> things;
    for (int i = 0; i < 1000; ++i) things.push_back(Thing("t" + std::to_string(i), "b", 1s));
    return things;
  }());
  loop.Advance(1s);
  std::size_t before = 0;
  for (int tenth = 0; tenth < 10; ++tenth) {
    before = manager->Buses()[0].polls;
    loop.Advance(100ms);
    EXPECT_NEAR(static_cast<double>(manager->Buses()[0].polls - before), 100, 3);
  }
}

TEST_F(BusManagerTest, HasOneRequestInFlightAndCountsWhatItMissedAsOverruns) {
  int in_flight = 0;
  int most = 0;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    most = std::max(most, ++in_flight);
    host.AnswerOk(r, 400ms);
  };
  Start({Bus("b")}, {Thing("t1", "b", 1s), Thing("t2", "b", 1s), Thing("t3", "b", 1s), Thing("t4", "b", 1s)});
  for (int i = 0; i < 1000; ++i) {
    loop.Advance(100ms);
    in_flight = 0;  // at most one began in each step, for each takes four
  }
  EXPECT_EQ(most, 1);
  const BusStatus bus = manager->Buses()[0];
  EXPECT_NEAR(static_cast<double>(bus.polls), 250, 2);  // 100 s of 400 ms each
  EXPECT_NEAR(static_cast<double>(bus.polls + bus.overruns), 400, 8);
  EXPECT_NEAR(bus.load, 1, 0.02);  // the newest second is not over
  for (const char* thing : {"t1", "t2", "t3", "t4"}) EXPECT_GE(Count(thing), 60U) << thing;  // nobody starves
}

TEST_F(BusManagerTest, AThingWithALongIntervalIsReadSoonAfterTheStart) {
  Start({Bus("b")}, {Thing("t1", "b", 1h), Thing("t2", "b", 1h), Thing("t3", "b", 1h)});
  loop.Advance(2s);
  for (const char* thing : {"t1", "t2", "t3"}) EXPECT_EQ(Count(thing), 1U) << thing;
  loop.Advance(10h);
  for (const char* thing : {"t1", "t2", "t3"}) EXPECT_NEAR(static_cast<double>(Count(thing)), 11, 1) << thing;
}

TEST_F(BusManagerTest, ANewIntervalCountsFromNow) {
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  loop.Advance(10s);
  readings.clear();
  EXPECT_TRUE(manager->SetSampleInterval("t", 100ms));
  loop.Advance(99ms);
  EXPECT_EQ(Count("t"), 0U);
  loop.Advance(901ms);
  EXPECT_EQ(Count("t"), 10U);
  EXPECT_TRUE(manager->SetSampleInterval("t", 1ms));
  EXPECT_EQ(manager->Thing("t")->sample_interval, 50ms);
}

TEST_F(BusManagerTest, WritesGoBeforeReadsAndReadsBeforeWhatIsDue) {
  std::string order;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    order += std::to_string(r.thing);
    host.AnswerOk(r, 100ms);
  };
  launcher_script.on_write = [&](FakeHost& host, const wire::WriteRequest& w) {
    order += 'w';
    host.Say(wire::WriteAnswer{w.id, wire::Code::kOk, ""}, 100ms);
  };
  Start({Bus("b")}, {Thing("t0", "b", 50ms), Thing("t1", "b", 1h)});
  loop.Advance(2s);
  order.clear();
  bool read = false;
  bool written = false;
  manager->ReadNow("t1", [&](const Result<Reading>& r) { read = r.has_value(); });
  manager->Write("t1", "a", Value(1.0), [&](const Status& s) { written = s.has_value(); });
  loop.Advance(300ms);
  EXPECT_TRUE(read);
  EXPECT_TRUE(written);
  EXPECT_EQ(order.substr(0, 2), "w1");
}

TEST_F(BusManagerTest, AReadAskedTwiceIsDoneOnceAndAlsoGoesTheNormalWay) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 10ms); };
  Start({Bus("b")}, {Thing("t0", "b", 1h), Thing("t1", "b", 1h)});
  loop.Advance(5s);
  readings.clear();
  int answers = 0;
  manager->ReadNow("t0", [&](const Result<Reading>&) { ++answers; });  // in flight
  manager->ReadNow("t1", [&](const Result<Reading>&) { ++answers; });
  manager->ReadNow("t1", [&](const Result<Reading>&) { ++answers; });
  loop.Advance(1s);
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(Count("t1"), 1U);
}

TEST_F(BusManagerTest, TheQueueOfWritesIsBounded) {
  launcher_script.on_write = [](FakeHost& host, const wire::WriteRequest& w) {
    host.Say(wire::WriteAnswer{w.id, wire::Code::kOk, ""}, 500ms);
  };
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  loop.Advance(5s);
  std::map<std::string, int> outcomes;
  for (int i = 0; i < 70; ++i) {
    manager->Write("t", "a", Value(1.0), [&](const Status& s) { ++outcomes[s ? "ok" : s.error().message]; });
  }
  EXPECT_EQ(outcomes["bus b has 64 writes waiting"], 5);
  loop.Advance(40s);
  EXPECT_GT(outcomes["ok"], 55);
  EXPECT_EQ(outcomes["ok"] + outcomes["waited too long for the bus"], 65);
}

TEST_F(BusManagerTest, AWriteSaysWhatToDoWhenItFails) {
  wire::Code code = wire::Code::kTimeout;
  launcher_script.on_write = [&](FakeHost& host, const wire::WriteRequest& w) {
    host.Say(wire::WriteAnswer{w.id, code, ""});
  };
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  std::vector<Action> actions;
  for (const wire::Code c : {wire::Code::kTimeout, wire::Code::kNoDevice, wire::Code::kRefused}) {
    code = c;
    manager->Write("t", "a", Value(1.0), [&](const Status& s) { actions.push_back(s.error().action); });
    loop.Advance(1ms);
  }
  EXPECT_THAT(actions, ElementsAre(Action::kRetry, Action::kBackOff, Action::kGiveUp));
}

TEST_F(BusManagerTest, AHostThatDiesCostsTheOtherBusNothing) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    if (host.spec.bus == "bad") return host.End("killed by SIGSEGV");
    host.AnswerOk(r);
  };
  Start({Bus("bad"), Bus("good")}, {Thing("t", "bad", 1s), Thing("healthy", "good", 100ms)});
  loop.Advance(600s);
  EXPECT_NEAR(static_cast<double>(Good("healthy")), 6000, 1);
  const BusStatus bad = manager->Buses()[0];
  EXPECT_EQ(bad.state, "quarantined");
  EXPECT_EQ(bad.reason, "killed by SIGSEGV in read");
  EXPECT_EQ(Good("t"), 0U);
}

TEST_F(BusManagerTest, ABusThatIsDownTellsItOnceAndThenEveryMaxSilence) {
  launcher_script.on_start = [](FakeHost& host) { host.End("exited 1"); };
  ThingSettings thing = Thing("t", "b", 1s);
  thing.points[1].report.max_silence = 1min;
  Start({Bus("b")}, {thing});
  loop.Advance(10min - 1ms);
  EXPECT_NEAR(static_cast<double>(Count("t")), 10, 1);
  const Reading& reading = readings["t"].front();
  ASSERT_EQ(reading.values.size(), 2U);
  EXPECT_EQ(reading.values[0].reason, "bus down");
  EXPECT_EQ(manager->Thing("t")->state, "unreachable");
  EXPECT_THAT(manager->Thing("t")->reason, HasSubstr("bus b is quarantined: exited 1"));
  Result<Reading> asked = Fail(Action::kFatal, "");
  manager->ReadNow("t", [&](Result<Reading> r) { asked = std::move(r); });
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().action, Action::kBackOff);
}

TEST_F(BusManagerTest, AsksADeadUnitLessAndLessWhileTheOthersKeepTheirRate) {
  int probes = 0;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    if (r.thing == 0) {
      if (r.points.size() == 1) ++probes;
      return host.AnswerTimeout(r, 1s);
    }
    host.AnswerOk(r, 20ms);
  };
  std::vector<ThingSettings> things = {Thing("dead", "b", 1s, 1)};
  for (int i = 1; i < 10; ++i) things.push_back(Thing("t" + std::to_string(i), "b", 1s, 10 + i));
  Start({Bus("b")}, things);
  loop.Advance(1000s);
  EXPECT_LT(manager->Buses()[0].errors, 30U);
  EXPECT_GE(probes, 6);
  EXPECT_GE(Good("t1"), 980U);
  EXPECT_EQ(Count("dead"), 2U);  // at the beginning and after ten minutes
  const ThingStatus status = *manager->Thing("dead");
  EXPECT_EQ(status.breaker, "open");
  EXPECT_THAT(status.reason, HasSubstr("unit not answering (next try in"));
  EXPECT_EQ(readings["dead"].back().values[0].reason, "timeout");
}

TEST_F(BusManagerTest, AUnitThatFallsSilentCostsItsQuickNeighboursNextToNothing) {
  bool dead = false;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    if (r.thing > 0 || !dead) return host.AnswerOk(r, 2ms);
    // As a driver does: its time-out twice, but not past the deadline.
    host.AnswerTimeout(r, std::min<Duration>(600ms, BootTime{r.deadline_ns} - loop.Now()));
  };
  BusSettings bus = Bus("b");
  bus.timeout = 300ms;
  std::vector<ThingSettings> things = {Thing("dead", "b", 200ms, 1)};
  for (int i = 1; i < 10; ++i) things.push_back(Thing("t" + std::to_string(i), "b", 200ms, 10 + i));
  Start({bus}, things);
  loop.Advance(10s);
  const std::size_t before = Good("t1");
  dead = true;
  loop.Advance(20s);
  EXPECT_EQ(manager->Thing("dead")->breaker, "open");
  EXPECT_GE(Good("t1") - before, 97U);
}

TEST_F(BusManagerTest, AUnitThatBecameSlowIsFoundByAProbeOfTheWholeTimeOut) {
  Duration takes = 2ms;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    if (r.thing > 0) return host.AnswerOk(r, 2ms);
    const Duration left = BootTime{r.deadline_ns} - loop.Now();
    if (left < takes) return host.AnswerTimeout(r, left);
    host.AnswerOk(r, takes);
  };
  BusSettings bus = Bus("b");
  bus.timeout = 300ms;
  Start({bus}, {Thing("slow", "b", 1s, 1), Thing("quick", "b", 200ms, 2)});
  loop.Advance(10s);
  takes = 20s;
  loop.Advance(10s);
  EXPECT_EQ(manager->Thing("slow")->breaker, "open");
  takes = 250ms;  // within the time-out, and longer than a gentle probe waits
  loop.Advance(120s);
  EXPECT_EQ(manager->Thing("slow")->breaker, "closed");
  EXPECT_EQ(manager->Thing("slow")->state, "ok");
}

TEST_F(BusManagerTest, ManyDeadUnitsTogetherCostATenthOfTheBus) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    if (r.thing > 0) return host.AnswerTimeout(r, 1s);
    host.AnswerOk(r, 1ms);
  };
  BusSettings bus = Bus("b");
  bus.breaker.max_open = 5s;
  std::vector<ThingSettings> things = {Thing("alive", "b", 1s)};
  for (int i = 1; i <= 20; ++i) things.push_back(Thing("dead" + std::to_string(i), "b", 1s));
  Start({bus}, things);
  loop.Advance(1000s);
  const std::uint64_t before = manager->Buses()[0].errors;
  loop.Advance(1000s);
  EXPECT_LE(manager->Buses()[0].errors - before, 105U);  // of a second each
  EXPECT_GE(manager->Buses()[0].errors - before, 80U);
}

TEST_F(BusManagerTest, AUnitThatAnswersAgainIsPolledAtOnce) {
  bool dead = true;
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    dead ? host.AnswerTimeout(r, 1s) : host.AnswerOk(r);
  };
  ThingSettings slow = Thing("slow", "b", 1h, 1);
  Start({Bus("b")}, {Thing("fast", "b", 1s, 1), slow});
  loop.Advance(20s);
  EXPECT_EQ(manager->Thing("fast")->breaker, "open");
  EXPECT_EQ(manager->Thing("slow")->breaker, "open");
  dead = false;
  loop.Advance(60s);
  EXPECT_EQ(manager->Thing("fast")->breaker, "closed");
  EXPECT_GT(Good("fast"), 0U);
  EXPECT_EQ(Good("slow"), 1U);
}

TEST_F(BusManagerTest, WhatASilentUnitGaveLastStaysTheReasonWhileItIsNotAsked) {
  std::string reason = "wrong unit in reply";
  launcher_script.on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    host.AnswerWith(r, {{}, Quality::kBad, wire::Code::kTimeout, reason});
  };
  Start({Bus("b")}, {Thing("t", "b", 1s)});
  loop.Advance(100s);
  EXPECT_EQ(manager->Thing("t")->breaker, "open");
  EXPECT_THAT(manager->Thing("t")->reason, HasSubstr("unit not answering (wrong unit in reply, next try in"));
  EXPECT_EQ(manager->Thing("t")->points.begin()->second.trouble, "wrong unit in reply");
  reason = "timeout";
  loop.Advance(10min);
  EXPECT_EQ(manager->Thing("t")->points.begin()->second.trouble, "timeout") << "as the last probe found it";
}

TEST_F(BusManagerTest, AnExceptionIsALifeSignAndOpensNoBreaker) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    host.AnswerWith(r, {{}, Quality::kBad, wire::Code::kRefused, "exception 2"});
  };
  Start({Bus("b")}, {Thing("t", "b", 1s)});
  loop.Advance(100s);
  EXPECT_EQ(manager->Thing("t")->breaker, "closed");
  EXPECT_EQ(manager->Buses()[0].errors, manager->Thing("t")->polls);
  EXPECT_GE(manager->Thing("t")->polls, 100U);
}

TEST_F(BusManagerTest, AHandlerMayCallBackIn) {
  int reads = 0;
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 1ms); };
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  std::function<void(const Result<Reading>&)> again = [&](const Result<Reading>&) {
    if (++reads < 100) manager->ReadNow("t", again);
    manager->SetSampleInterval("t", 1h);
  };
  manager->ReadNow("t", again);
  loop.Advance(1s);
  EXPECT_EQ(reads, 100);
}

TEST_F(BusManagerTest, AQuestionThatCannotBeAskedIsRefusedWithWhatCan) {
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  EXPECT_THAT(Ask({{"ask", "scan"}}), HasSubstr("does not answer \"scan\" (it answers plan)"));
  EXPECT_THAT(Ask({{"ask", 5}}), HasSubstr("a question looks like"));
  EXPECT_THAT(Ask({{"ask", "x"}, {"pad", std::string(20'000, 'x')}}), HasSubstr("longer than 16384 bytes"));
  EXPECT_THAT(Ask({{"ask", "plan"}}, "nowhere"), HasSubstr("no bus nowhere"));
}

TEST_F(BusManagerTest, AnAnswerKeepsItsOrderAndADriversRefusalIsAnError) {
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  EXPECT_EQ(Ask({{"ask", "plan"}}), R"([{"b":1,"a":2}])");
  launcher->on_ask = [](FakeHost& host, const wire::AskRequest& r) {
    host.Say(wire::AskAnswer{r.id, wire::Code::kTimeout, "nobody answers"});
  };
  EXPECT_EQ(Ask({{"ask", "other"}}), "retry: asking the driver for other: nobody answers");
}

TEST_F(BusManagerTest, QuestionsWaitBehindReadsAndFailWhenTheBusGoesDown) {
  launcher_script.on_read = [](FakeHost& host, const wire::ReadRequest&) { host.End("killed by SIGSEGV", 50ms); };
  Start({Bus("b")}, {Thing("t", "b", 1h)});
  manager->ReadNow("t", [](const Result<Reading>&) {});
  EXPECT_THAT(Ask({{"ask", "plan"}}), HasSubstr("bus b is backoff: killed by SIGSEGV in read"));
}

TEST_F(BusManagerTest, MoreQuestionsThanTheQueueHoldsAreRefused) {
  launcher_script.on_ask = [](FakeHost&, const wire::AskRequest&) {};
  Start({Bus("b")}, {});
  int refused = 0;
  for (std::size_t i = 0; i < BusQueues::kMaxQuestions + 2; ++i) {
    manager->Ask("b", {{"ask", "plan"}}, 1s,
                 [&refused](const Result<OrderedJson>& answer) { refused += answer ? 0 : 1; });
  }
  EXPECT_EQ(refused, 1);  // one is with the driver
  manager.reset();        // answers the rest, while `refused` still is
}

TEST_F(BusManagerTest, FactsReachTheKeeperOnceAndTheNextOpen) {
  std::vector<std::string> saved;
  keeper.load = [](const std::string&) { return std::map<std::string, std::string>{{"old", "1"}, {"bad key", "2"}}; };
  keeper.save = [&saved](const std::string& bus, const std::string& key, const std::optional<std::string>& json) {
    saved.push_back(bus + "/" + key + "=" + json.value_or("forgotten"));
  };
  Start({Bus("b")}, {});
  EXPECT_EQ(ParseJson(launcher->newest->spec.configuration)->at("facts"), Json({{"old", 1}}));
  for (const auto& [key, json] : std::vector<std::pair<std::string, std::string>>{
           {"a", "{\"ms\":80}"}, {"a", "{\"ms\": 80}"}, {"old", ""}, {"old", ""}, {"broken", "{"}}) {
    launcher->newest->Say(wire::Fact{key, json});
  }
  launcher->newest->End("exited 0", 1ms);
  loop.Advance(1s);
  EXPECT_THAT(saved, ElementsAre("b/a={\"ms\":80}", "b/old=forgotten"));
  EXPECT_EQ(ParseJson(launcher->newest->spec.configuration)->at("facts"), Json({{"a", {{"ms", 80}}}}));
}

TEST(BusFactsTest, AreBounded) {
  BusFacts facts;
  for (std::size_t i = 0; i < BusFacts::kMaxFacts; ++i) EXPECT_TRUE(facts.Set("k" + std::to_string(i), "1"));
  EXPECT_FALSE(facts.Set("one_more", "1"));
  EXPECT_TRUE(facts.Set("k0", "2"));
  EXPECT_TRUE(facts.Set("k0", ""));
  EXPECT_TRUE(facts.Set("one_more", "1"));
}

TEST(RequestTimeout, CoversEveryTransferWithItsRetriesWithinBounds) {
  BusSettings bus;
  ThingSettings thing;
  EXPECT_EQ(RequestTimeout(bus, thing, 1), 2s);
  EXPECT_EQ(RequestTimeout(bus, thing, 100), 10s);
  bus.timeout = 100ms;
  EXPECT_EQ(RequestTimeout(bus, thing, 2), 1s);
  thing.timeout = 20s;
  thing.retries = 0;
  EXPECT_EQ(RequestTimeout(bus, thing, 5), 20s);
}

}  // namespace
}  // namespace penumbra::test
