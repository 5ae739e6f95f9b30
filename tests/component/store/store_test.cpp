#include <gmock/gmock.h>

#include <limits>

#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;
using testing::ElementsAre;

struct StoreTest : test::StoreFixture {};

std::vector<std::uint64_t> Seqs(const std::vector<Reading>& readings) {
  std::vector<std::uint64_t> seqs;
  for (const Reading& reading : readings) seqs.push_back(reading.seq);
  return seqs;
}

TEST_F(StoreTest, RefusesAFolderThatDoesNotExist) {
  options.file = folder.path() / "missing" / "penumbra.db";
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().action, Action::kFixConfig);
  EXPECT_NE(opened.error().message.find("missing"), std::string::npos);
}

TEST_F(StoreTest, RefusesASecondWriter) {
  MustOpen();
  const auto second = Store::Open(options, loop);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().action, Action::kFixConfig);
}

TEST_F(StoreTest, RefusesADatabaseOfANewerPenumbra) {
  MustOpen();
  store.reset();
  {
    auto database = Database::Open({.file = options.file}, nullptr);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->Execute("PRAGMA user_version=9999"));
  }
  const Status opened = Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().action, Action::kFixConfig);
  EXPECT_NE(opened.error().message.find("newer Penumbra"), std::string::npos);
}

TEST_F(StoreTest, GivesBackEveryKindOfValueExactly) {
  Reading reading = MakeReading("sensor-001", 1'700'000'000'123, 22.5);
  reading.boot_ns = -5;
  reading.time_trusted = false;
  reading.values = {{"b", true, Quality::kGood, ""},
                    {"i", std::numeric_limits<std::int64_t>::min(), Quality::kGood, ""},
                    {"u", std::numeric_limits<std::uint64_t>::max(), Quality::kUncertain, "from cache"},
                    {"d", -0.0, Quality::kGood, ""},
                    {"e", 4.9406564584124654e-324, Quality::kGood, ""},
                    {"s", std::string("a\0b", 3), Quality::kGood, ""},
                    {"n", std::monostate(), Quality::kBad, "timeout"}};
  MustOpen();
  store->Append(reading);
  MustFlush();
  MustOpen();
  const auto found = Unsent("sensor-001");
  ASSERT_EQ(found.size(), 1u);
  reading.seq = found[0].seq;
  EXPECT_EQ(found[0], reading);
  EXPECT_TRUE(std::signbit(std::get<double>(found[0].values[3].value)));
}

TEST_F(StoreTest, GivesSeqsInOrderAndGoesOnAfterReopening) {
  MustOpen();
  Fill("sensor-001", 3);
  const std::uint64_t first = committed[0].seq;
  EXPECT_EQ(first, static_cast<std::uint64_t>(loop.virtual_clock.UnixMs()));
  EXPECT_THAT(Seqs(committed), ElementsAre(first, first + 1, first + 2));
  MustOpen();
  EXPECT_EQ(store->Outbox("sensor-001").newest_seq, first + 2);
  Fill("sensor-001", 1);
  EXPECT_EQ(committed.back().seq, first + 3);
}

TEST_F(StoreTest, TellsCommittedReadingsInTheOrderOfAppend) {
  MustOpen();
  store->Append(MakeReading("b", 1, 1));
  store->Append(MakeReading("a", 2, 2));
  store->Append(MakeReading("b", 3, 3));
  MustFlush();
  ASSERT_EQ(committed.size(), 3u);
  EXPECT_EQ(committed[0].unix_ms, 1);
  EXPECT_EQ(committed[1].unix_ms, 2);
  EXPECT_EQ(committed[2].unix_ms, 3);
  EXPECT_EQ(committed[2].seq, committed[0].seq + 1);
}

TEST_F(StoreTest, CommitsEachReadingAtOnceWhenTheIntervalIsZero) {
  MustOpen();
  store->Append(MakeReading("a", 1, 1));
  EXPECT_TRUE(loop.RunUntil([this] { return committed.size() == 1; }));
}

TEST_F(StoreTest, CommitsWhatIsQueuedWhenItIsClosed) {
  options.settings.commit_interval = std::chrono::hours(1);
  MustOpen();
  store->Append(MakeReading("a", 1, 1));
  MustOpen();
  EXPECT_EQ(Unsent("a").size(), 1u);
}

TEST_F(StoreTest, RemembersAcksOutOfOrder) {
  MustOpen();
  Fill("a", 5, 5);
  const std::uint64_t first = committed[0].seq;
  store->Acked("a", first + 4);
  store->Acked("a", first + 1);
  store->Acked("a", first + 1);
  store->Acked("a", first + 99);
  store->Acked("unknown", 1);
  EXPECT_EQ(store->Outbox("a").unsent, 3u);
  EXPECT_EQ(store->Outbox("a").oldest_unsent_seq, first);
  MustOpen();
  EXPECT_EQ(store->Outbox("a").unsent, 3u);
  EXPECT_THAT(Seqs(Unsent("a")), ElementsAre(first, first + 2, first + 3));
  EXPECT_THAT(Seqs(Unsent("a", first)), ElementsAre(first + 2, first + 3));
  EXPECT_THAT(Seqs(Unsent("a", 0, 2)), ElementsAre(first, first + 2));
}

TEST_F(StoreTest, KnowsTheTimeOfTheOldestUnsentReading) {
  MustOpen();
  Fill("a", 3, 3);
  const std::uint64_t first = committed[0].seq;
  EXPECT_EQ(store->Outbox("a").oldest_unsent_ms, committed[0].unix_ms);
  store->Acked("a", first);
  MustFlush();
  EXPECT_EQ(store->Outbox("a").oldest_unsent_ms, committed[1].unix_ms);
  store->Acked("a", first + 1);
  store->Acked("a", first + 2);
  EXPECT_EQ(store->Outbox("a").oldest_unsent_ms, 0);
}

TEST_F(StoreTest, SurvivesManyBlocksOfJournalAndKeepsEveryAck) {
  MustOpen();
  for (int i = 0; i < 3000; ++i) {
    store->Append(MakeReading(i % 3 == 0 ? "slow" : "fast", next_ms += 1000, i * 0.1));
    MustFlush();
    if (i % 2 == 0) store->Acked(committed.back().thing, committed.back().seq);
  }
  MustOpen();
  std::map<std::string, std::vector<std::uint64_t>> expected;
  for (std::size_t i = 0; i < committed.size(); ++i) {
    if (i % 2 != 0) expected[committed[i].thing].push_back(committed[i].seq);
  }
  for (const auto& [thing, seqs] : expected) {
    EXPECT_EQ(Seqs(AllUnsent(thing)), seqs) << thing;
    EXPECT_EQ(store->Outbox(thing).unsent, seqs.size()) << thing;
  }
  EXPECT_EQ(store->Stats().readings, 3000u);
}

TEST_F(StoreTest, QueriesByTimeFromEitherEnd) {
  MustOpen();
  Fill("a", 100, 7);
  Fill("b", 10);
  store->Acked("a", committed[20].seq);
  MustFlush();
  ReadingQuery query{.thing = "a", .since_ms = committed[10].unix_ms, .until_ms = committed[30].unix_ms};
  auto found = Query(query);
  ASSERT_EQ(found.size(), 20u);
  EXPECT_EQ(found.front().reading, committed[10]);
  EXPECT_EQ(found.back().reading, committed[29]);
  EXPECT_TRUE(found[10].sent);
  EXPECT_FALSE(found[11].sent);
  query.limit = 5;
  query.newest_first = true;
  found = Query(query);
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found.front().reading, committed[25]);
  EXPECT_EQ(found.back().reading, committed[29]);
}

TEST_F(StoreTest, KeepsSettings) {
  MustOpen();
  bool durable = false;
  store->PutSetting("interval.a", "5s", [&durable](Status status) { durable = status.has_value(); });
  store->PutSetting("interval.b", "7s", {});
  EXPECT_EQ(store->Setting("interval.a"), "5s");
  EXPECT_TRUE(loop.RunUntil([&durable] { return durable; }));
  store->PutSetting("interval.b", std::nullopt, {});
  MustOpen();
  EXPECT_EQ(store->Setting("interval.a"), "5s");
  EXPECT_EQ(store->Setting("interval.b"), std::nullopt);
}

TEST_F(StoreTest, ATransactionOfAnotherModuleIsAllOrNothing) {
  MustOpen();
  std::vector<bool> results;
  const auto note = [&results](Status status) { results.push_back(status.has_value()); };
  store->Transact([](Database& db) { return db.Execute("CREATE TABLE other(x INTEGER)"); }, note);
  store->Transact(
      [](Database& db) -> Status {
        if (const Status done = db.Execute("INSERT INTO other VALUES(1)"); !done) return done;
        return Fail(Action::kGiveUp, "changed its mind");
      },
      note);
  store->Transact([](Database& db) { return db.Execute("INSERT INTO other VALUES(2)"); }, note);
  store->Append(MakeReading("a", 1, 1));
  EXPECT_TRUE(loop.RunUntil([&results] { return results.size() == 3; }));
  EXPECT_THAT(results, ElementsAre(true, false, true));
  store.reset();
  auto database = Database::Open({.file = options.file}, nullptr);
  ASSERT_TRUE(database);
  EXPECT_EQ((*database)->Integer("SELECT count(*) FROM other").value_or(-1), 1);
  EXPECT_EQ((*database)->Integer("SELECT x FROM other").value_or(-1), 2);
}

}  // namespace
}  // namespace penumbra
