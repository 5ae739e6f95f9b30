// What a damaged file still gives back, page by page.
#include <cstdio>
#include <random>
#include <set>

#include "base/log.hpp"
#include "disk_bench.hpp"
#include "store/dictionary_copy.hpp"
#include "store/migrations.hpp"
#include "store/page_scan.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::DiskBench;
using test::DiskImage;
using test::ModelDisk;
using test::PowerCut;

constexpr std::uint64_t kMaxSize = 8 << 20;
constexpr const char* kThings[] = {"boiler", "pump", "roof"};
using Key = std::pair<std::string, std::uint64_t>;

struct Quiet {
  Quiet() { log::SetLevel(static_cast<log::Level>(0)); }
  ~Quiet() { log::SetLevel(log::Level::kInfo); }
};

struct Life {
  DiskImage image;
  std::map<Key, StoredReading> stored;
};

// A file with blocks, packed ones too, of which the older half is acknowledged; nothing in the WAL.
Life MakeLife(int steps = 2400) {
  Life life;
  ModelDisk disk;
  {
    DiskBench bench(disk, kMaxSize);
    EXPECT_TRUE(bench.Open());
    bench.worker().PushSetting("bus/a/fact/x", "learned", {});
    std::mt19937_64 random(5);
    for (int i = 0; i < steps; ++i) {
      for (const char* thing : kThings) bench.Push(thing, static_cast<double>(random() % 100'000));
      bench.Run(100ms);
      for (const Reading& reading : bench.committed) {
        if (i < steps / 2 || i % 7 == 0) bench.worker().PushAck(reading.thing, reading.seq);
      }
      bench.committed.clear();
    }
    bench.Run(60s);
    EXPECT_EQ(bench.stats().packed_blocks > 0, steps > 1000);
    for (const char* thing : kThings) {
      const auto all = bench.All(thing);
      if (!all) continue;
      for (const StoredReading& stored : *all) life.stored[{thing, stored.reading.seq}] = stored;
    }
    bench.worker().PushVacuum([](const Result<std::uint64_t>&) {});
    bench.Run(5s);
    bench.worker().Close();
  }
  life.image = disk.Contents();
  EXPECT_EQ(life.stored.size(), 3u * static_cast<std::size_t>(steps));
  return life;
}

struct Back {
  std::size_t wrong = 0;  // not as it was
  std::size_t again = 0;  // was sent, and is unsent
  std::size_t lost = 0;
  std::size_t lost_unsent = 0;
  std::size_t untold = 0;  // of these: in no gap
  std::size_t told = 0;    // lost by gap records
  std::map<std::string, std::string> settings;
};

Back Look(const Life& life, DiskBench& bench) {
  Back back;
  std::set<Key> found;
  for (const char* thing : kThings) {
    const auto all = bench.All(thing);
    if (!all) continue;
    for (const StoredReading& stored : *all) {
      const auto known = life.stored.find({thing, stored.reading.seq});
      const bool same = known != life.stored.end() && known->second.reading == stored.reading;
      if (!same || !found.insert({thing, stored.reading.seq}).second) ++back.wrong;
      if (same && known->second.sent && !stored.sent) ++back.again;
    }
  }
  for (const Gap& gap : bench.gaps) back.told += gap.lost;
  for (const auto& [key, stored] : life.stored) {
    if (found.contains(key)) continue;
    ++back.lost;
    if (stored.sent) continue;
    ++back.lost_unsent;
    const bool told = std::any_of(bench.gaps.begin(), bench.gaps.end(), [&key = key](const Gap& gap) {
      return gap.thing == key.first && gap.from_seq <= key.second && key.second <= gap.to_seq;
    });
    back.untold += told ? 0 : 1;
  }
  if (const auto settings = bench.worker().Settings()) back.settings = *settings;
  return back;
}

// Sets the file aside whatever is left of it, as its first page would have it.
Back Salvaged(const Life& life, DiskImage image) {
  ModelDisk disk(image);
  DiskBench bench(disk, kMaxSize);
  const Status opened = bench.Open();
  EXPECT_TRUE(opened) << opened.error().message;
  for (int i = 0; i < 100 && bench.stats().trouble.empty() && !bench.stats().salvaging; ++i) bench.Run(100ms);
  bench.FinishSalvage();
  EXPECT_FALSE(bench.stats().salvaging);
  return Look(life, bench);
}

void Destroy(std::string& file, std::size_t from, std::size_t size) {
  std::mt19937_64 random(from + 1);
  for (std::size_t i = from; i < std::min(file.size(), from + size); ++i) file[i] = static_cast<char>(random());
}

// What tells the tables of a file apart whose first page is gone.
TEST(SalvageTest, RootPagesAreWhereEveryFileHasThem) {
  const Quiet quiet;
  ModelDisk disk;
  const auto migrations = EmbeddedMigrations();
  const auto make = [&](const char* file, std::size_t before_data) {
    auto database = Database::Open({.file = file, .vfs = disk.vfs()}, nullptr);
    EXPECT_TRUE(database);
    EXPECT_TRUE(Migrate(**database, {migrations.begin(), migrations.begin() + static_cast<long>(before_data)}));
    if (before_data > 0) {
      EXPECT_TRUE((*database)->Execute(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
          "INSERT INTO journal SELECT i, randomblob(2000) FROM n; DELETE FROM journal WHERE id % 3 = 0; "
          "INSERT INTO thing(id, name) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
          "SELECT i, 'thing ' || i FROM n"));
    }
    EXPECT_TRUE(Migrate(**database, migrations));
    return PageScan::RootsOf(**database).value_or(PageScan::Roots());
  };
  const PageScan::Roots fresh = make("/store/fresh.db", 0);
  EXPECT_GE(fresh.size(), 14u);
  for (std::size_t i = 1; i <= migrations.size(); ++i) {
    EXPECT_EQ(make(("/store/upgraded" + std::to_string(i) + ".db").c_str(), i), fresh) << i;
  }
}

TEST(SalvageTest, AFileWithoutItsFirstPagesGivesEverythingBack) {
  const Quiet quiet;
  const Life life = MakeLife();
  for (const std::size_t size : {100u, 1024u, 4096u, 5120u}) {
    DiskImage image = life.image;
    Destroy(image[DiskBench::kFile], 0, size);
    const Back back = Salvaged(life, std::move(image));
    EXPECT_EQ(back.wrong, 0u) << size;
    EXPECT_EQ(back.lost, 0u) << size;
    EXPECT_EQ(back.again, 0u) << size;
    EXPECT_EQ(back.told, 0u) << size;
    EXPECT_EQ(back.settings.count("bus/a/fact/x"), 1u) << size;
  }
}

TEST(SalvageTest, AnyPageThatIsLostCostsOnlyWhatWasOnIt) {
  const Quiet quiet;
  const Life life = MakeLife();
  const std::size_t pages = life.image.at(DiskBench::kFile).size() / 1024;
  std::size_t tried = 0;
  std::size_t most = 0;
  std::size_t untold = 0;
  std::size_t again = 0;
  for (std::size_t page = 1; page < pages; page += page < 40 || page + 8 > pages ? 1 : 7) {
    ++tried;
    DiskImage image = life.image;
    Destroy(image[DiskBench::kFile], 0, 16);  // or SQLite might go on with the file
    Destroy(image[DiskBench::kFile], page * 1024, 1024);
    const Back back = Salvaged(life, std::move(image));
    EXPECT_EQ(back.wrong, 0u) << page;
    EXPECT_LE(back.lost, 1000u) << page;  // a row of a packed block holds many
    most = std::max(most, back.lost);
    untold += back.untold > 0 ? 1 : 0;
    again += back.again > 0 ? 1 : 0;
  }
  std::printf(
      "%zu of %zu pages, one at a time: at most %zu of %zu readings lost; some untold with %zu, sent again with %zu\n",
      tried, pages, most, life.stored.size(), untold, again);
  // Of the very last commits nothing else in the file knows.
  EXPECT_LE(untold, 1u);
  EXPECT_LE(again, tried / 10);
}

TEST(SalvageTest, ARestartInTheMiddleTellsOfNoLossThatIsNone) {
  const Quiet quiet;
  const Life life = MakeLife();
  DiskImage image = life.image;
  Destroy(image[DiskBench::kFile], 0, 1024);
  bool ended = false;
  for (int lives = 0; lives < 60 && !ended; ++lives) {
    ModelDisk disk(image);
    DiskBench bench(disk, kMaxSize);
    ASSERT_TRUE(bench.Open());
    for (int turn = 0; turn < 4; ++turn) bench.Run(100ms);
    image = disk.Contents();
    ended = !bench.stats().salvaging;
    if (!ended) continue;
    const Back back = Look(life, bench);
    EXPECT_GT(lives, 1);
    EXPECT_EQ(back.wrong, 0u);
    EXPECT_EQ(back.lost, 0u);
    EXPECT_EQ(back.told, 0u);
    EXPECT_EQ(back.again, 0u);
  }
  EXPECT_TRUE(ended);
}

// Readings that are only in the WAL.
void AddTwenty(DiskBench& bench, Life& life) {
  for (int i = 0; i < 20; ++i) bench.Push("roof", i);
  bench.Run(300ms);
  const auto all = bench.All("roof");
  ASSERT_TRUE(all);
  for (const StoredReading& stored : *all) life.stored[{"roof", stored.reading.seq}] = stored;
}

// Some of it is back, and more is to come.
DiskImage HalfSalvaged(DiskImage image) {
  Destroy(image[DiskBench::kFile], 0, 1024);
  ModelDisk disk(image);
  DiskBench bench(disk, kMaxSize);
  EXPECT_TRUE(bench.Open());
  for (int turn = 0; turn < 20 && bench.stats().salvaged == 0; ++turn) bench.Run(100ms);
  EXPECT_TRUE(bench.stats().salvaging);
  EXPECT_GT(bench.stats().salvaged, 0u);
  return disk.Contents();
}

TEST(SalvageTest, ASecondDamageDuringTheSalvageCostsNothingOfTheFirstFile) {
  const Quiet quiet;
  const Life life = MakeLife();
  const DiskImage half = HalfSalvaged(life.image);
  for (const bool with_wal : {true, false}) {
    DiskImage image = half;
    std::string& file = image[DiskBench::kFile];
    if (with_wal) {
      Destroy(file, 2 * 1024, 2 * 1024);
    } else {  // what is in the WAL is in the file, too
      ModelDisk disk(image);
      DiskBench bench(disk, kMaxSize);
      ASSERT_TRUE(bench.Open());
      bench.worker().Close();
      image = disk.Contents();
      Destroy(image[DiskBench::kFile], 0, 1024);
      image.erase(std::string(DiskBench::kFile) + "-wal");
    }
    const Back back = Salvaged(life, std::move(image));
    EXPECT_EQ(back.wrong, 0u) << with_wal;
    EXPECT_EQ(back.lost, 0u) << with_wal;
    EXPECT_EQ(back.told, 0u) << with_wal;
    EXPECT_EQ(back.again, 0u) << with_wal;
  }
}

TEST(SalvageTest, WithoutTheSequenceMarkEverythingComesBackAndNoSeqIsGivenTwice) {
  const Quiet quiet;
  const Life life = MakeLife();
  for (const char* mark : {"", "garbage"}) {
    DiskImage image = life.image;
    Destroy(image[DiskBench::kFile], 0, 1024);
    image[std::string(DiskBench::kFile) + ".seq"] = mark;
    ModelDisk disk(image);
    DiskBench bench(disk, kMaxSize);
    ASSERT_TRUE(bench.Open());
    bench.Push("boiler", 1);
    bench.FinishSalvage();
    bench.Push("pump", 2);
    bench.Run(200ms);
    ASSERT_EQ(bench.committed.size(), 2u);
    for (const Reading& reading : bench.committed) {
      for (const auto& [key, stored] : life.stored) {
        ASSERT_TRUE(key.first != reading.thing || key.second < reading.seq);
      }
    }
    const Back back = Look(life, bench);
    EXPECT_EQ(back.wrong, 2u) << "the new ones";
    EXPECT_EQ(back.lost, 0u);
    EXPECT_EQ(back.again, 0u);
  }
}

// A seq that damage made large would use all of them up for ever.
TEST(SalvageTest, AMarkIsNotRegainedFromADamagedRow) {
  const Quiet quiet;
  const Life life = MakeLife();
  DiskImage image;
  {
    ModelDisk disk(life.image);
    auto database = Database::Open({.file = DiskBench::kFile, .vfs = disk.vfs()}, nullptr);
    ASSERT_TRUE(database);
    ASSERT_GT((*database)->Integer("SELECT count(*) FROM outbox").value_or(0), 0);
    ASSERT_TRUE((*database)->Execute("UPDATE outbox SET last_seq = 9007199254740990"));
    ASSERT_TRUE((*database)->Checkpoint(true));
    image = disk.Contents();
  }
  Destroy(image[DiskBench::kFile], 0, 1024);
  image[std::string(DiskBench::kFile) + ".seq"].clear();
  image.erase(std::string(DiskBench::kFile) + "-wal");
  ModelDisk disk(image);
  DiskBench bench(disk, kMaxSize);
  ASSERT_TRUE(bench.Open());
  bench.Push("boiler", 1);
  bench.Run(1s);
  EXPECT_EQ(bench.committed.size(), 1u) << bench.stats().trouble;
  bench.FinishSalvage();
  EXPECT_EQ(Look(life, bench).lost, 0u);
}

// The names stand in the copy beside the file only, and the newest readings in its WAL only.
TEST(SalvageTest, APowerCutWhileAFileIsSetAsideCostsNothing) {
  const Quiet quiet;
  Life life = MakeLife(200);
  DiskImage began;
  {
    ModelDisk disk(life.image);
    DiskBench bench(disk, kMaxSize);
    ASSERT_TRUE(bench.Open());
    AddTwenty(bench, life);
    began = disk.Contents();
  }
  Destroy(began[DiskBench::kFile], 2 * 1024, 2 * 1024);
  ModelDisk disk(began);
  {
    DiskBench bench(disk, kMaxSize);
    ASSERT_TRUE(bench.Open());
    ASSERT_TRUE(bench.stats().salvaging);
  }
  PowerCut cut(disk, began);
  std::mt19937_64 random(7);
  for (std::size_t point = 0; point < disk.operations(); ++point) {
    cut.Advance(point);
    for (const auto survivors : {PowerCut::Survivors::kNothing, PowerCut::Survivors::kEverything}) {
      const Back back = Salvaged(life, cut.Image(survivors, random));
      EXPECT_EQ(back.wrong, 0u) << point;
      EXPECT_EQ(back.lost, 0u) << point;
    }
  }
}

TEST(SalvageTest, AFileCutToNothingGivesBackWhatIsInItsWal) {
  const Quiet quiet;
  ModelDisk disk;
  Life life;
  DiskImage image;
  {
    DiskBench bench(disk, kMaxSize);
    ASSERT_TRUE(bench.Open());
    AddTwenty(bench, life);
    image = disk.Contents();
  }
  ASSERT_EQ(life.stored.size(), 20u);
  for (const bool gone : {false, true}) {
    DiskImage cut = image;
    cut[DiskBench::kFile].clear();
    if (gone) cut.erase(DiskBench::kFile);
    const Back back = Salvaged(life, std::move(cut));
    EXPECT_EQ(back.wrong, 0u) << gone;
    EXPECT_EQ(back.lost, 0u) << gone;
  }
}

TEST(SalvageTest, TheNamesOfAnotherDatabaseAreNotBelieved) {
  const Quiet quiet;
  Dictionary other;
  other.Load(Dictionary::Kind::kThing, 1, "pump");
  other.Load(Dictionary::Kind::kThing, 2, "boiler");
  Dictionary same;
  same.Load(Dictionary::Kind::kThing, 1, "boiler");
  same.Load(Dictionary::Kind::kThing, 2, "pump");
  ModelDisk disk(
      {{"/store/other.words", DictionaryCopy::Encode(other)}, {"/store/same.words", DictionaryCopy::Encode(same)}});
  Dictionary words;
  words.Load(Dictionary::Kind::kThing, 1, "boiler");
  DictionaryCopy::LoadInto(words, "/store/other.words", disk);
  EXPECT_EQ(words.Find(Dictionary::Kind::kThing, 2), nullptr);
  DictionaryCopy::LoadInto(words, "/store/same.words", disk);
  ASSERT_NE(words.Find(Dictionary::Kind::kThing, 2), nullptr);
  EXPECT_EQ(*words.Find(Dictionary::Kind::kThing, 2), "pump");
}

}  // namespace
}  // namespace penumbra
