// A database read from outside (store/archive.hpp), beside the daemon's own connection, and by the sqlite3 shell.
#include "store/archive.hpp"

#include <array>
#include <cstdio>

#include "store/database_reader.hpp"
#include "store/units.hpp"
#include "store_fixture.hpp"

namespace penumbra::test {
namespace {

class ArchiveTest : public StoreFixture {
 protected:
  std::vector<StoredReading> Read(Archive::Filter filter = {}) {
    auto opened = Database::OpenReadOnly(options.file);
    EXPECT_TRUE(opened) << opened.error().message;
    database = std::move(*opened);
    reader.emplace(*database);
    auto found = Archive::Open(*reader);
    EXPECT_TRUE(found) << found.error().message;
    archive.emplace(std::move(*found));
    Archive::Scan scan(*archive, std::move(filter));
    std::vector<StoredReading> all;
    for (std::size_t before = SIZE_MAX; before != all.size();) {
      before = all.size();
      const Status read = scan.Next(all);
      EXPECT_TRUE(read) << read.error().message;
    }
    EXPECT_EQ(scan.damaged_rows(), 0u);
    return all;
  }
  std::string Shell(const std::string& sql) {
    const std::string command =
        "sqlite3 -readonly -batch " + options.file.string() + " '.load " PENUMBRA_READING "' \"" + sql + "\" 2>&1";
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), got);
    EXPECT_EQ(::pclose(pipe), 0) << out;
    return out;
  }
  // Few and small blocks need few readings.
  void Small() { options.settings.max_size = 1 << 20; }

  std::unique_ptr<Database> database;
  std::optional<DatabaseReader> reader;
  std::optional<Archive> archive;
};

TEST_F(ArchiveTest, AFileThatIsNotThereOrNotOursIsAnErrorWithAReason) {
  const auto missing = Database::OpenReadOnly(folder.path() / "nothing.db");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().action, Action::kFixConfig);
  std::filesystem::create_symlink("loop.db", folder.path() / "loop.db");
  const auto hidden = Database::OpenReadOnly(folder.path() / "loop.db");
  ASSERT_FALSE(hidden);
  EXPECT_EQ(hidden.error().message.find("does not exist"), std::string::npos)
      << "nobody knows: " << hidden.error().message;
  std::ofstream(folder.path() / "text.db") << "this is no database, whatever its name says; it is long enough though";
  const auto text = Database::OpenReadOnly(folder.path() / "text.db");
  if (!text) return;
  DatabaseReader of_text(**text);
  EXPECT_FALSE(Archive::Open(of_text));
}

TEST_F(ArchiveTest, ReadsWhatTheDaemonHasCommittedWhileItRuns) {
  Small();
  MustOpen();
  for (int i = 0; i < 20; ++i) {
    Fill("a", 40);
    Fill("b", 40);
  }
  for (const Reading& reading : Unsent("a", 0, 100)) store->Acked("a", reading.seq);
  MustFlush();
  const auto all = Read();
  ASSERT_EQ(all.size(), committed.size());
  std::uint64_t sent = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].reading, committed[i]);
    sent += all[i].sent ? 1 : 0;
  }
  EXPECT_EQ(sent, 100u);
  EXPECT_EQ(archive->Things(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(ArchiveTest, SelectsByThingAndTimeAcrossBlocks) {
  Small();
  MustOpen();
  for (int i = 0; i < 20; ++i) {
    Fill("a", 40);
    Fill("b", 40);
  }
  const std::int64_t from = committed[300].unix_ms;
  const std::int64_t until = committed[900].unix_ms;
  std::size_t expected = 0;
  for (const Reading& r : committed) expected += r.thing == "b" && r.unix_ms >= from && r.unix_ms < until ? 1 : 0;
  const auto found = Read({.thing = "b", .since_ms = from, .until_ms = until});
  EXPECT_EQ(found.size(), expected);
  for (const StoredReading& row : found) EXPECT_EQ(row.reading.thing, "b");
  EXPECT_TRUE(Read({.thing = "nobody"}).empty());
}

TEST_F(ArchiveTest, ReadsADatabaseThatNobodyHasOpen) {
  MustOpen();
  Fill("a", 50);
  store.reset();
  EXPECT_EQ(Read().size(), 50u);
}

TEST_F(ArchiveTest, DatesReadingsByWhatIsKnownOfTheirBoot) {
  MustOpen();
  Reading reading = MakeReading("a", 5000, 20);  // 1970
  reading.boot_ns = 5'000'000'000;
  reading.time_trusted = false;
  store->Append(reading);
  MustFlush();
  store->PutWallHistory({"boot-1", {{0, 0, 1'700'000'000'000, true}}});
  MustFlush();
  const auto found = Read({.thing = "a", .since_ms = 1'700'000'000'000, .until_ms = 1'700'000'010'000});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].reading.unix_ms, 1'700'000'005'000);
  EXPECT_TRUE(found[0].reading.time_trusted);
}

TEST_F(ArchiveTest, TheShellSeesATableOfReadings) {
  Small();
  MustOpen();
  ThingSettings thing;
  thing.name = "a";
  thing.points.resize(2);
  thing.points[0].name = "temperature";
  thing.points[0].unit = "Cel";
  thing.points[1].name = "humidity";
  RememberUnits(*store, {thing});
  for (int i = 0; i < 10; ++i) Fill("a", 100);
  Reading bad = MakeReading("b", next_ms, 1);
  bad.values = {{"temperature", std::monostate{}, Quality::kBad, "timeout"},
                {"name", std::string("x'y"), Quality::kGood, ""}};
  store->Append(bad);
  MustFlush();
  store->Acked("a", committed.front().seq);
  MustFlush();
  EXPECT_EQ(Shell("SELECT count(*), count(DISTINCT seq) FROM reading WHERE thing = 'a'"), "2000|1000\n");
  EXPECT_EQ(Shell("SELECT sum(sent) FROM reading"), "2\n");
  EXPECT_EQ(Shell("SELECT unit, quality, value, time FROM reading WHERE thing = 'a' AND point = 'temperature' LIMIT 1"),
            "Cel|good|20.0|" + std::to_string(committed.front().unix_ms) + "\n");
  EXPECT_EQ(Shell("SELECT point, quality, reason, value IS NULL FROM reading WHERE thing = 'b'"),
            "temperature|bad|timeout|1\nname|good||0\n");
  const std::int64_t middle = committed[500].unix_ms;
  const std::string edge = std::to_string(middle);
  EXPECT_EQ(Shell("SELECT count(*) FROM reading WHERE thing = 'a' AND point = 'humidity' AND time >= " + edge),
            "500\n");
  EXPECT_EQ(Shell("SELECT count(*) FROM reading WHERE thing = 'a' AND point = 'humidity' AND time < " + edge + ".5"),
            "501\n");
  EXPECT_EQ(Shell("SELECT count(*) FROM reading WHERE time = " + edge + " AND point = 'humidity'"), "1\n");
  EXPECT_EQ(Shell("SELECT count(*) FROM reading WHERE thing = 'A'"), "0\n");
  EXPECT_EQ(Shell("SELECT count(*) FROM reading WHERE thing = 'A' COLLATE NOCASE"), "2000\n");
}

TEST_F(ArchiveTest, VacuumGivesFreePagesBackWhileCommitsGoOn) {
  Small();
  options.settings.max_size = 8 << 20;
  MustOpen();
  for (int i = 0; i < 40; ++i) Fill("a", 100);
  for (const Reading& reading : committed) store->Acked("a", reading.seq);
  MustFlush();
  std::optional<Status> emptied;
  store->Transact([](Database& open) { return open.Execute("DELETE FROM journal WHERE id < 200"); },
                  [&](Status status) { emptied = status; });
  ASSERT_TRUE(loop.RunUntil([&] { return emptied.has_value(); }));
  const std::uint64_t before = store->Stats().file_bytes;
  std::optional<Result<std::uint64_t>> given_back;
  store->Vacuum([&](Result<std::uint64_t> bytes) { given_back = bytes; });
  EXPECT_TRUE(store->Stats().vacuuming);
  Fill("a", 20);
  ASSERT_TRUE(loop.RunUntil([&] { return given_back.has_value(); }));
  ASSERT_TRUE(*given_back);
  MustFlush();
  EXPECT_FALSE(store->Stats().vacuuming);
  EXPECT_GT(**given_back, 0u);
  EXPECT_LT(store->Stats().file_bytes, before);
  EXPECT_EQ(store->Stats().free_bytes, 0u);
}

}  // namespace
}  // namespace penumbra::test
