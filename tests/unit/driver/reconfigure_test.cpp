// BusManager::Reconfigure: what changed changes, and nothing else notices.
#include <gmock/gmock.h>

#include <random>
#include <set>

#include "driver/bus_manager_impl.hpp"
#include "driver/catalog.hpp"
#include "fake_host.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

BusSettings Bus(const std::string& name) {
  BusSettings bus;
  bus.name = name;
  bus.driver = "fake";
  return bus;
}

ThingSettings Thing(const std::string& name, const std::string& bus, Duration interval = 1s, int unit = 0) {
  ThingSettings thing;
  thing.name = name;
  thing.bus = bus;
  thing.sample_interval = interval;
  thing.points.resize(2);
  thing.points[0].name = "a";
  thing.points[1].name = "b";
  if (unit > 0) thing.driver_options["unit"] = unit;
  return thing;
}

class ReconfigureTest : public ::testing::Test {
 protected:
  void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
    auto owner = std::make_unique<FakeLauncher>(loop);
    launcher = owner.get();
    launcher->on_start = [this](FakeHost& host) {
      hosts[host.spec.bus] = host.spec;
      ++starts[host.spec.bus];
      if (opens) host.OpenOk();
    };
    manager = std::make_unique<BusManagerImpl>(
        std::move(owner), loop, trust, [this](const Reading& reading) { readings[reading.thing].push_back(reading); },
        1, FactKeeper{});
    manager->Start(std::move(buses), std::move(things));
    loop.RunReady();
  }
  void Reconfigure(std::vector<BusSettings> buses, std::vector<ThingSettings> things) {
    manager->Reconfigure(std::move(buses), std::move(things));
  }
  // From one reading of a thing to the next, beginning with number `from`.
  std::set<std::int64_t> Gaps(const std::string& thing, std::size_t from = 1) {
    std::set<std::int64_t> gaps;
    const auto& all = readings[thing];
    for (std::size_t i = std::max<std::size_t>(from, 1); i < all.size(); ++i) {
      gaps.insert((all[i].boot_ns - all[i - 1].boot_ns) / 1'000'000);
    }
    return gaps;
  }
  std::string State(const std::string& thing) { return manager->Thing(thing)->state; }

  VirtualLoop loop;
  TimeTrust trust{loop.virtual_clock, true, 0};
  FakeLauncher* launcher = nullptr;
  bool opens = true;
  std::map<std::string, HostSpec> hosts;  // the newest, by bus
  std::map<std::string, int> starts;
  std::map<std::string, std::vector<Reading>> readings;
  std::unique_ptr<BusManagerImpl> manager;
};

TEST_F(ReconfigureTest, LeavesABusAloneOfWhichNothingChanged) {
  Start({Bus("a"), Bus("b")}, {Thing("t", "a", 200ms), Thing("u", "b", 200ms)});
  loop.Advance(5s);
  Reconfigure({Bus("b"), Bus("a")}, {Thing("t", "a", 200ms), Thing("u", "b", 200ms), Thing("v", "b", 200ms)});
  loop.Advance(5s);
  EXPECT_EQ(starts["a"], 1);
  EXPECT_EQ(starts["b"], 2);
  EXPECT_EQ(Gaps("t"), (std::set<std::int64_t>{200}));
}

TEST_F(ReconfigureTest, AThingLosesNoPollWhenOthersComeToItsBus) {
  Start({Bus("a")}, {Thing("t", "a", 200ms), Thing("u", "a", 200ms)});
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 20ms); };
  loop.Advance(5s);
  const std::size_t before = readings["t"].size();
  Reconfigure({Bus("a")},
              {Thing("v", "a", 200ms), Thing("t", "a", 200ms), Thing("w", "a", 200ms), Thing("u", "a", 200ms)});
  loop.Advance(5s);
  EXPECT_EQ(starts["a"], 2);
  EXPECT_EQ(readings["t"].size(), before + 25);
  EXPECT_GE(readings["v"].size(), 24U);
  EXPECT_EQ(manager->Buses()[0].overruns, 0U);
  EXPECT_EQ(manager->Buses()[0].restarts, 0U);
}

TEST_F(ReconfigureTest, WaitsForTheReadInFlight) {
  Start({Bus("a")}, {Thing("t", "a")});
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 600ms); };
  loop.Advance(1100ms);  // in the middle of a read
  const std::size_t before = readings["t"].size();
  Reconfigure({Bus("a")}, {Thing("t", "a"), Thing("u", "a")});
  loop.RunReady();
  EXPECT_EQ(starts["a"], 1);
  EXPECT_EQ(State("u"), "waiting");
  loop.Advance(600ms);
  EXPECT_EQ(starts["a"], 2);
  EXPECT_EQ(readings["t"].size(), before + 1);
}

TEST_F(ReconfigureTest, DoesNotWaitForALongQuestion) {
  Start({Bus("a")}, {Thing("t", "a")});
  FakeHost* asked = nullptr;
  std::uint32_t id = 0;
  launcher->on_ask = [&](FakeHost& host, const wire::AskRequest& r) {
    asked = &host;
    id = r.id;
  };
  std::string answer;
  manager->Ask("a", Json{{"ask", "plan"}}, 10min,
               [&](const Result<OrderedJson>& r) { answer = r ? "ok" : r.error().message; });
  loop.Advance(100ms);
  ASSERT_NE(asked, nullptr);
  Reconfigure({Bus("a")}, {Thing("t", "a"), Thing("u", "a")});
  EXPECT_EQ(asked->cancels, 1);
  asked->Say(wire::AskAnswer{id, wire::Code::kCancelled, "cancelled"});
  loop.Advance(10ms);
  EXPECT_EQ(starts["a"], 2);
  EXPECT_THAT(answer, HasSubstr("cancelled"));
}

TEST_F(ReconfigureTest, AHostThatDoesNotLetItselfBeCancelledIsKilledAndTheBusGoesOn) {
  Start({Bus("a")}, {Thing("t", "a")});
  launcher->on_ask = [](FakeHost&, const wire::AskRequest&) {};
  manager->Ask("a", Json{{"ask", "plan"}}, 10min, [](const Result<OrderedJson>&) {});
  loop.Advance(100ms);
  Reconfigure({Bus("a")}, {Thing("t", "a"), Thing("u", "a")});
  loop.Advance(HostSupervisor::kGrace + 5s);
  EXPECT_EQ(State("u"), "ok");
}

TEST_F(ReconfigureTest, TakesWhatTheDriverDoesNotKnowWithoutOpeningAnew) {
  Start({Bus("a")}, {Thing("t", "a")});
  loop.Advance(5s);
  ThingSettings changed = Thing("t", "a");
  changed.points[0].scaled = true;
  changed.points[0].scale = 2;
  changed.points[0].report.deadband = 1;
  Reconfigure({Bus("a")}, {changed});
  loop.Advance(2s);
  EXPECT_EQ(starts["a"], 1);
  EXPECT_EQ(readings["t"].back().values[0].value, Value(2.0));
  EXPECT_EQ(Gaps("t"), (std::set<std::int64_t>{1000}));
}

TEST_F(ReconfigureTest, KeepsTheIntervalThatWasSetAtRunTime) {
  Start({Bus("a")}, {Thing("t", "a", 1s)});
  manager->SetSampleInterval("t", 300ms);
  loop.Advance(3s);
  const std::size_t before = readings["t"].size();
  Reconfigure({Bus("a"), Bus("b")}, {Thing("t", "a", 5s), Thing("u", "a")});
  loop.Advance(3s);
  EXPECT_EQ(readings["t"].size(), before + 10);
  Reconfigure({Bus("a"), Bus("b")}, {Thing("t", "b", 5s), Thing("u", "a")});
  loop.Advance(1s);
  EXPECT_EQ(manager->Thing("t")->sample_interval, Duration(300ms));
  EXPECT_EQ(manager->Thing("t")->bus, "b");
}

TEST_F(ReconfigureTest, AnIntervalSetWhileItWaitsCounts) {
  Start({Bus("a")}, {Thing("t", "a")});
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 600ms); };
  loop.Advance(1100ms);
  Reconfigure({Bus("a")}, {Thing("t", "a"), Thing("u", "a")});
  EXPECT_TRUE(manager->SetSampleInterval("u", 7s));
  loop.Advance(3s);
  EXPECT_EQ(manager->Thing("u")->sample_interval, Duration(7s));
}

TEST_F(ReconfigureTest, ARemovedThingIsNotHeardOfAgain) {
  Start({Bus("a")}, {Thing("t", "a"), Thing("u", "a")});
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r, 100ms); };
  loop.Advance(10s);
  std::string written = "no answer";
  manager->Write("u", "a", Value(std::int64_t{1}), [&](const Status& s) { written = s ? "ok" : s.error().message; });
  const std::size_t before = readings["u"].size();
  Reconfigure({Bus("a")}, {Thing("t", "a")});
  loop.Advance(10s);
  EXPECT_EQ(readings["u"].size(), before);
  EXPECT_FALSE(manager->Thing("u"));
  EXPECT_NE(written, "no answer");
  EXPECT_EQ(manager->Thing("t")->overruns, 0U);
}

TEST_F(ReconfigureTest, AQueuedWriteOfAThingThatDidNotChangeReachesItsDevice) {
  Start({Bus("a")}, {Thing("t", "a", 30s), Thing("u", "a", 30s)});
  loop.Advance(10s);
  FakeHost* busy = nullptr;
  wire::ReadRequest request;
  launcher->on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    busy = &host;
    request = r;
  };
  std::vector<std::uint32_t> written;
  launcher->on_write = [&](FakeHost& host, const wire::WriteRequest& r) {
    written.push_back(r.thing);
    host.Say(wire::WriteAnswer{r.id, wire::Code::kOk, ""});
  };
  manager->ReadNow("t", [](const Result<Reading>&) {});
  loop.RunReady();
  ASSERT_NE(busy, nullptr);
  std::string kept, changed;
  manager->Write("u", "b", Value(std::int64_t{1}), [&](const Status& s) { kept = s ? "ok" : s.error().message; });
  manager->Write("t", "b", Value(std::int64_t{1}), [&](const Status& s) { changed = s ? "ok" : s.error().message; });
  ThingSettings other = Thing("t", "a", 30s);
  other.points[1].driver_options["address"] = 7;
  Reconfigure({Bus("a")}, {Thing("u", "a", 30s), other});
  busy->AnswerOk(request);
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) { host.AnswerOk(r); };
  loop.Advance(1s);
  EXPECT_EQ(kept, "ok");
  EXPECT_THAT(changed, HasSubstr("new configuration"));
  EXPECT_EQ(written, (std::vector<std::uint32_t>{1}));
}

TEST_F(ReconfigureTest, ASilentUnitStaysSilentAndCostsTheOthersNothing) {
  Start({Bus("a")}, {Thing("t", "a", 200ms, 1), Thing("dead", "a", 200ms, 2)});
  launcher->on_read = [](FakeHost& host, const wire::ReadRequest& r) {
    r.thing == 1 ? host.AnswerTimeout(r, 900ms) : host.AnswerOk(r);
  };
  loop.Advance(60s);
  ASSERT_EQ(manager->Thing("dead")->breaker, "open");
  const std::uint64_t overruns = manager->Thing("t")->overruns;
  Reconfigure({Bus("a")}, {Thing("t", "a", 200ms, 1), Thing("dead", "a", 200ms, 2), Thing("u", "a", 200ms, 3)});
  loop.RunReady();
  EXPECT_EQ(manager->Thing("dead")->breaker, "open");
  loop.Advance(3s);
  EXPECT_LE(manager->Thing("t")->overruns, overruns + 5);
}

TEST_F(ReconfigureTest, ANewBusWaitsForTheEndOfOneThatWent) {
  Start({Bus("old")}, {Thing("t", "old")});
  loop.Advance(1s);
  launcher->newest->takes_to_close = 80ms;
  Reconfigure({Bus("new")}, {Thing("t", "new")});
  loop.RunReady();
  EXPECT_EQ(starts["new"], 0);
  loop.Advance(100ms);
  EXPECT_EQ(starts["new"], 1);
  loop.Advance(2s);
  EXPECT_EQ(State("t"), "ok");
}

TEST_F(ReconfigureTest, ABusWhoseHostNeverEndsHoldsNobodyUp) {
  Start({Bus("old")}, {Thing("t", "old")});
  launcher->newest->unkillable = true;
  Reconfigure({Bus("new")}, {Thing("t", "new")});
  loop.Advance(5s);
  EXPECT_EQ(State("t"), "ok");
}

TEST_F(ReconfigureTest, AMendedBusStartsAtOnce) {
  Start({Bus("a")}, {Thing("t", "a")});
  launcher->newest->Say(wire::Loaded{"1", 0});
  opens = false;
  launcher->newest->End("exited with status 1");
  loop.Advance(50ms);
  ASSERT_EQ(manager->Buses()[0].state, "backoff");
  opens = true;
  BusSettings mended = Bus("a");
  mended.driver_options["host"] = "192.0.2.1";
  Reconfigure({mended}, {Thing("t", "a")});
  loop.Advance(10ms);
  EXPECT_EQ(manager->Buses()[0].state, "running");
}

// Random configurations one after another, also while requests are in flight: in the end the manager is what a fresh
// one with the last configuration would be.
TEST_F(ReconfigureTest, ApplyingAnyDifferenceGivesTheNewConfiguration) {
  std::mt19937 random(7);
  const auto pick = [&random](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  Start({}, {});
  launcher->on_read = [&](FakeHost& host, const wire::ReadRequest& r) {
    host.AnswerOk(r, std::chrono::milliseconds(pick(80)));
  };
  for (int round = 0; round < 80; ++round) {
    std::vector<BusSettings> buses;
    std::vector<ThingSettings> things;
    for (const char* name : {"a", "b", "c"}) {
      if (pick(4) == 0) continue;
      buses.push_back(Bus(name));
      if (pick(4) == 0) buses.back().driver_options["baud"] = 9600 * (1 + pick(2));
    }
    for (int i = 0; i < 6 && !buses.empty(); ++i) {
      if (pick(3) == 0) continue;
      things.push_back(Thing("t" + std::to_string(i),
                             buses[static_cast<std::size_t>(pick(static_cast<int>(buses.size())))].name,
                             std::chrono::milliseconds(100 + 100 * pick(3)), pick(4)));
      if (pick(3) == 0) things.back().points[1].driver_options["address"] = pick(3);
      if (pick(5) == 0) things.back().points.pop_back();
    }
    std::shuffle(things.begin(), things.end(), random);
    Reconfigure(buses, things);
    if (pick(3) == 0) continue;  // the next comes while this one is under way
    loop.Advance(std::chrono::milliseconds(300 + pick(700)));
    ASSERT_EQ(manager->Buses().size(), buses.size());
    for (const BusSettings& bus : buses) {
      const auto opened = ParseJson(hosts[bus.name].configuration);
      std::vector<ThingSettings> on_bus;
      for (const Json& thing : (*opened)["things"]) {
        const auto known =
            std::find_if(things.begin(), things.end(), [&](const ThingSettings& t) { return t.name == thing["name"]; });
        ASSERT_NE(known, things.end()) << round << ": host of " << bus.name << " knows a thing that is gone";
        on_bus.push_back(*known);
      }
      EXPECT_EQ(*opened, DriverConfiguration(bus, on_bus)) << round;
      EXPECT_EQ(on_bus.size(),
                static_cast<std::size_t>(std::count_if(things.begin(), things.end(),
                                                       [&](const ThingSettings& t) { return t.bus == bus.name; })))
          << round;
    }
    for (const ThingSettings& thing : things) {
      ASSERT_TRUE(manager->Thing(thing.name)) << round;
      EXPECT_EQ(manager->Thing(thing.name)->bus, thing.bus) << round;
      EXPECT_EQ(manager->Thing(thing.name)->points.size(), thing.points.size()) << round;
    }
  }
}

}  // namespace
}  // namespace penumbra::test
