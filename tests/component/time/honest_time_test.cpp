// The whole way of a reading's time, on lying clocks: TimeTrust, the real store with its thread and file, the uplink,
// and a fake cloud that notes what it is told. The truth is known here: the machine has run since kBoot, whatever its
// wall clock says. Virtual time.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/json.hpp"
#include "store/time_keeper.hpp"
#include "support/fake_transport.hpp"
#include "support/virtual_loop.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::test {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kTruthAtZero = 1'700'000'000'000;  // true Unix time when BootTime was 0
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kYearMs = 365 * 24 * kHourMs;

class HonestTime : public ::testing::Test {
 protected:
  HonestTime() {
    std::string name = std::filesystem::temp_directory_path() / "penumbra-time-XXXXXX";
    state = ::mkdtemp(name.data());
    std::filesystem::create_directories(state / "credentials");
    std::ofstream(state / "credentials" / "a.pem.crt") << "certificate";
    std::ofstream(state / "credentials" / "a.pem.key") << "key";
    upstream.endpoint = "broker.test";
    settings.commit_interval = Duration::zero();
    settings.min_free = 0;
    clock.unix_epoch_ms = kTruthAtZero;
    clock.synchronised = false;
  }
  ~HonestTime() override {
    Stop();
    std::filesystem::remove_all(state);
  }

  void Start() {
    auto opened = Store::Open({state / "penumbra.db", settings, {}}, loop);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    keeper = std::make_unique<TimeKeeper>(loop, clock_settings, *store);
    Uplink::Options options;
    options.upstream = upstream;
    options.clock = clock_settings;
    options.state = state;
    options.seed = 42;
    uplink = Uplink::Create(options, loop, transport, *store, keeper->trust());
    store->OnCommitted([this](const std::vector<Reading>& readings) {
      for (const Reading& reading : readings) {
        truth[reading.seq] = taken.front();
        taken.erase(taken.begin());
      }
      uplink->OnCommitted(readings);
    });
    ThingSettings thing;
    thing.name = "a";
    thing.topic = "sensors/a/temperature";
    thing.primary = "temperature";
    thing.points.resize(1);
    thing.points[0].name = "temperature";
    uplink->Start({}, {thing});
  }
  void Stop() {
    uplink.reset();
    keeper.reset();
    store.reset();
  }
  void Reboot(std::int64_t wall_ms) {
    Stop();
    epoch_shift += clock.now.ns / 1'000'000 + 60'000;  // a minute of darkness
    clock.now = BootTime{1'000'000'000};
    clock.boot_id += "x";
    clock.unix_epoch_ms = wall_ms - 1000;
    clock.synchronised = false;
    Start();
  }

  std::int64_t TrueMs() const { return kTruthAtZero + epoch_shift + clock.now.ns / 1'000'000; }
  void StepWall(std::int64_t by_ms) { clock.unix_epoch_ms += by_ms; }
  void SetWallRight() { clock.unix_epoch_ms = kTruthAtZero + epoch_shift; }

  // As BusRunner dates a poll.
  void Read() {
    Reading reading;
    reading.thing = "a";
    reading.unix_ms = keeper->trust().UnixMs();
    reading.boot_ns = clock.now.ns;
    reading.boot_id = clock.boot_id;
    reading.time_trusted = keeper->trust().Trusted();
    reading.values.push_back({"temperature", 20.0, Quality::kGood, ""});
    taken.push_back(TrueMs());
    store->Append(std::move(reading));
    Settle();
  }
  // A reading every ten seconds.
  void ReadFor(Duration time) {
    for (Duration passed{}; passed < time; passed += 10s) {
      Read();
      Advance(10s);
    }
  }
  // The store's thread is real: what it answers has to come in between.
  void Settle() {
    bool done = false;
    store->Flush([&](const Status&) { done = true; });
    ASSERT_TRUE(loop.RunUntil([&] { return done; }));
  }
  void Advance(Duration time) {
    for (Duration passed{}; passed < time;) {
      const Duration step = std::min<Duration>(time - passed, 10s);
      loop.Advance(step);
      Settle();
      passed += step;
    }
  }
  void AdvanceUntilAllSent(Duration limit = 10min) {
    for (Duration passed{}; passed < limit && store->Outbox("a").unsent > 0; passed += 1s) Advance(1s);
    ASSERT_EQ(store->Outbox("a").unsent, 0u);
  }

  struct Told {
    std::int64_t timestamp;
    bool uncertain;
  };
  std::map<std::uint64_t, Told> WasTold() const {
    std::map<std::uint64_t, Told> told;
    for (const auto& message : transport.published) {
      if (message.topic != "sensors/a/temperature") continue;
      const Json json = *ParseJson(message.payload);
      told[json["seq"]] = {json["timestamp"], json.contains("time")};
    }
    return told;
  }
  // Every reading has reached the cloud, with its true time within a second, and said to be certain.
  void ExpectTheTruthWasTold() const {
    const auto told = WasTold();
    EXPECT_EQ(told.size(), truth.size());
    for (const auto& [seq, ms] : truth) {
      ASSERT_TRUE(told.contains(seq)) << seq;
      EXPECT_LE(std::abs(told.at(seq).timestamp - ms), 1000) << seq;
      EXPECT_FALSE(told.at(seq).uncertain) << seq;
    }
  }
  std::vector<StoredReading> Query(std::int64_t since_ms = 0, std::int64_t until_ms = INT64_MAX) {
    std::optional<std::vector<StoredReading>> found;
    store->Query({.thing = "a", .since_ms = since_ms, .until_ms = until_ms, .limit = 10'000},
                 [&](Result<std::vector<StoredReading>> rows) { found = rows ? *rows : std::vector<StoredReading>{}; });
    EXPECT_TRUE(loop.RunUntil([&] { return found.has_value(); }));
    return found.value_or(std::vector<StoredReading>{});
  }
  void ExpectHistoryIsTrue() {
    const auto rows = Query(TrueMs() - 30 * 24 * kHourMs, TrueMs() + 1000);
    EXPECT_EQ(rows.size(), truth.size());
    for (const StoredReading& row : rows) {
      EXPECT_LE(std::abs(row.reading.unix_ms - truth.at(row.reading.seq)), 1000);
      EXPECT_TRUE(row.reading.time_trusted);
    }
  }

  std::filesystem::path state;
  VirtualLoop loop;
  VirtualClock& clock = loop.virtual_clock;
  FakeTransport transport{loop};
  UpstreamSettings upstream;
  StoreSettings settings;
  ClockSettings clock_settings;
  std::int64_t epoch_shift = 0;  // what earlier boots took
  std::unique_ptr<Store> store;
  std::unique_ptr<TimeKeeper> keeper;
  std::unique_ptr<Uplink> uplink;
  std::vector<std::int64_t> taken;              // true times of readings not committed yet
  std::map<std::uint64_t, std::int64_t> truth;  // by seq
};

TEST_F(HonestTime, ABootIn1970IsToldTrulyOnceTheClockIsSynchronised) {
  clock.unix_epoch_ms = 0;
  Start();
  ReadFor(60s);
  EXPECT_TRUE(WasTold().empty());
  SetWallRight();
  clock.synchronised = true;
  ReadFor(20s);
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, AnUntrustedReadingWaitsNoLongerThanPatienceAndSaysSo) {
  clock.unix_epoch_ms = 0;
  Start();
  Advance(3s);
  Read();
  Advance(118s);
  EXPECT_TRUE(WasTold().empty());
  Advance(5s);
  ASSERT_EQ(WasTold().size(), 1u);
  EXPECT_TRUE(WasTold().begin()->second.uncertain);
}

TEST_F(HonestTime, SynchronisationAfterAnHourOfflineDatesTheWholeHour) {
  clock.unix_epoch_ms = 0;
  transport.reachable = false;
  Start();
  ReadFor(1h);
  transport.reachable = true;  // the network is back, and a little later NTP has its answer
  Advance(40s);
  EXPECT_TRUE(WasTold().empty()) << "nothing may go before the clock has had its chance";
  SetWallRight();
  clock.synchronised = true;
  AdvanceUntilAllSent();
  EXPECT_EQ(truth.size(), 360u);
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, AStepBackByAnHourDatesWhatWasNotSentAnew) {
  StepWall(kHourMs);  // synchronised, and an hour wrong
  clock.synchronised = true;
  transport.reachable = false;
  Start();
  ReadFor(5min);
  StepWall(-kHourMs);
  ReadFor(3min);
  transport.reachable = true;
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, AClockSetBackByHandWhileTheTruthIsKnownChangesNothing) {
  clock.synchronised = true;
  Start();
  ReadFor(60s);
  StepWall(-kHourMs);
  clock.synchronised = false;  // clock_settime(2) does that
  ReadFor(5min);
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, AStepAheadByAYearThatIsTakenBackNeverReachesTheCloud) {
  clock.synchronised = true;
  Start();
  ReadFor(60s);
  StepWall(kYearMs);
  ReadFor(90s);
  StepWall(-kYearMs);
  ReadFor(60s);
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, AYearAheadThatWasBelievedIsPutRightAndPoisonsNothing) {
  clock.synchronised = true;
  transport.reachable = false;
  Start();
  ReadFor(60s);
  StepWall(kYearMs);
  ReadFor(10min);  // long enough to be believed
  EXPECT_GT(store->NewestTrustedMs(), TrueMs() + kYearMs / 2);
  StepWall(-kYearMs);
  ReadFor(5min);
  EXPECT_LT(store->NewestTrustedMs(), TrueMs() + kHourMs);
  transport.reachable = true;
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
  // The next boot has a right battery clock, and that is enough again.
  clock.battery = true;
  Reboot(TrueMs() + 60'000);
  SetWallRight();
  EXPECT_LT(store->NewestTrustedMs(), TrueMs() + kHourMs);
  EXPECT_TRUE(keeper->trust().Trusted());
}

TEST_F(HonestTime, ABatteryClockBehindTheStoreIsNotBelieved) {
  clock.synchronised = true;
  Start();
  ReadFor(20s);
  AdvanceUntilAllSent();
  clock.battery = true;
  Reboot(TrueMs() - 10 * kHourMs);
  ReadFor(30s);
  EXPECT_FALSE(keeper->trust().Trusted());
  SetWallRight();
  clock.synchronised = true;
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
}

TEST_F(HonestTime, ARestartWithinTheBootForgetsNothing) {
  clock.unix_epoch_ms = 0;
  transport.reachable = false;
  Start();
  ReadFor(5min);
  Stop();
  clock.now = clock.now + 30s;
  Start();
  ReadFor(5min);
  SetWallRight();
  clock.synchronised = true;
  Advance(2s);
  ExpectHistoryIsTrue();
  Stop();
  clock.synchronised = false;  // and a third run relies on what the second one knew
  Start();
  EXPECT_TRUE(keeper->trust().Trusted());
  transport.reachable = true;
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
}

TEST_F(HonestTime, RowsOfAnEarlierBootWhoseTimeBecameKnownAreDatedAfterTheReboot) {
  clock.unix_epoch_ms = 0;
  transport.reachable = false;
  Start();
  ReadFor(5min);
  SetWallRight();
  clock.synchronised = true;
  Advance(2s);
  Reboot(5000);
  ReadFor(60s);
  SetWallRight();
  clock.synchronised = true;
  transport.reachable = true;
  AdvanceUntilAllSent();
  ExpectTheTruthWasTold();
  ExpectHistoryIsTrue();
}

TEST_F(HonestTime, RowsOfABootThatNeverKnewTheTimeSayThatTheyAreUncertain) {
  clock.unix_epoch_ms = 0;
  transport.reachable = false;
  Start();
  ReadFor(60s);
  Reboot(5000);
  const std::size_t lost = truth.size();
  ReadFor(60s);
  SetWallRight();
  clock.synchronised = true;
  transport.reachable = true;
  AdvanceUntilAllSent();
  std::size_t index = 0;
  for (const auto& [seq, told] : WasTold()) {
    EXPECT_EQ(told.uncertain, index < lost) << index;
    if (index++ < lost) continue;
    EXPECT_LE(std::abs(told.timestamp - truth.at(seq)), 1000);
  }
  EXPECT_EQ(index, truth.size());
}

TEST_F(HonestTime, JumpsDisturbNeitherTheOrderNorTheSentHistory) {
  clock.synchronised = true;
  settings.retention = 24h;
  settings.max_size = 1 << 20;  // small blocks, so that there is something to remove
  Start();
  for (int i = 0; i < 200; ++i) ReadFor(10s);
  AdvanceUntilAllSent();
  const std::size_t before = Query().size();
  StepWall(kYearMs);
  ReadFor(10min);
  StepWall(-2 * kYearMs);
  ReadFor(10min);
  SetWallRight();
  ReadFor(10min);
  AdvanceUntilAllSent();
  EXPECT_EQ(Query().size(), before + 180) << "a jump ahead must not age the history away";
  std::uint64_t last = 0;
  for (const StoredReading& row : Query()) {
    EXPECT_GT(row.reading.seq, last);
    last = row.reading.seq;
  }
}

}  // namespace
}  // namespace penumbra::test
