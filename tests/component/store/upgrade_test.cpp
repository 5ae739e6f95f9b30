// A database that an older version left, opened by this one: at every older schema, filled, with and without a WAL.
//
// How one is made: this version fills a store; then a file is made by the older migrations alone, and every row that
// has a place in it is copied over. So what is in the file is what an older version would have left, as long as
// schema/ is forward only. What older files cannot hold (packed blocks, thinned ones) is not in it.
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>
#include <tuple>

#include "base/log.hpp"
#include "disk_bench.hpp"
#include "store/migrations.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::BytesOn;
using test::DiskBench;
using test::DiskImage;
using test::ModelDisk;
using test::PowerCut;
using ::testing::HasSubstr;

constexpr const char* kFullName = "/store/full.db";
constexpr const char* kThings[] = {"boiler", "pump"};
using Lines = std::vector<std::string>;

Lines Column(Database& database, const std::string& sql) {
  Lines lines;
  auto rows = database.Prepare(sql);
  EXPECT_TRUE(rows) << sql;
  while (rows && rows->Step().value_or(false)) lines.emplace_back(rows->Bytes(0));
  return lines;
}

Lines TablesOf(Database& database) {
  return Column(database, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
}

std::string ColumnsOf(Database& database, const std::string& table) {
  std::string columns;
  for (const std::string& column : Column(database, "SELECT name FROM pragma_table_info('" + table + "')")) {
    columns += (columns.empty() ? "" : ", ") + column;
  }
  return columns;
}

// What an older version would have of it: tables, columns, contents.
struct Contents {
  std::map<std::string, std::string> columns;  // by table
  std::map<std::string, Lines> rows;
};

Lines RowsOf(Database& database, const std::string& table, const std::string& columns) {
  std::string quoted;
  for (const char c : "quote(" + columns + ")") quoted += c == ',' ? ") || ',' || quote(" : std::string(1, c);
  return Column(database, "SELECT " + quoted + " FROM " + table + " ORDER BY 1");
}

Contents ContentsOf(Database& database) {
  Contents contents;
  for (const std::string& table : TablesOf(database)) {
    contents.columns[table] = ColumnsOf(database, table);
    contents.rows[table] = RowsOf(database, table, contents.columns[table]);
  }
  return contents;
}

Lines SchemaOf(Database& database) {
  return Column(database, "SELECT type || name || sql FROM sqlite_schema ORDER BY 1");
}

std::unique_ptr<Database> OpenOn(ModelDisk& disk, const char* file = DiskBench::kFile) {
  auto database = Database::Open({.file = file, .vfs = disk.vfs()}, nullptr);
  EXPECT_TRUE(database);
  return std::move(*database);
}

int NewestVersion() {
  return EmbeddedMigrations().back().version;
}

// What each version's file looks like that was never upgraded.
const Lines& FreshSchema(int version) {
  static std::map<int, Lines> known;
  const auto [schema, fresh] = known.try_emplace(version);
  if (!fresh) return schema->second;
  ModelDisk disk;
  const auto database = OpenOn(disk);
  EXPECT_TRUE(Migrate(*database, EmbeddedMigrations().first(static_cast<std::size_t>(version))));
  schema->second = SchemaOf(*database);
  return schema->second;
}

constexpr const char* kOtherModules =
    "INSERT INTO shadow VALUES('boiler', '', 1, 7, 1700000000, 7, '{\"desired\":{\"setpoint\":21}}', '{}', "
    "'{\"setpoint\":20}', '{}', '{\"setpoint\":22}', '{\"setpoint\":21}', 3, 2, 0);"
    "INSERT INTO command VALUES('boiler', 'setpoint', '21', 7, 1700000000, 0, 'boot-1', 5, 0, 0, 1, '');"
    "INSERT INTO boot_time VALUES('boot-0', 1, 1000, 2000, 1);"
    "INSERT INTO remote_order VALUES('boiler', 1, 'job-1', 0, 1, 4, 'reboot', '{}', 1, 0, '', '{}', 0, 0, 'boot-1', "
    "9, 0, 0, 'boot-1', 10, 2)";

struct Old {
  DiskImage image;
  Contents contents;
  std::map<std::string, std::vector<StoredReading>> readings;
  std::map<std::string, std::string> settings;
};

// A store of this version with readings, half of them acknowledged (of no block all: it would be packed), settings, and
// rows of the other modules.
Old Fill(ModelDisk& disk) {
  Old old;
  DiskBench bench(disk);
  EXPECT_TRUE(bench.Open());
  bench.worker().PushSetting("bus/a/fact/x", "learned", {});
  for (int i = 0; i < 300; ++i) {
    for (const char* thing : kThings) bench.Push(thing, i);
    bench.Run(100ms);
    for (const Reading& reading : bench.committed) {
      if ((i < 150 && i % 3 != 0) || i % 7 == 0) bench.worker().PushAck(reading.thing, reading.seq);
    }
    bench.committed.clear();
  }
  bench.worker().PushWork(
      {.run = [](Database& database) { return database.Execute(kOtherModules); }, .done = {}, .result = {}});
  bench.Run(2s);
  for (const char* thing : kThings) old.readings[thing] = bench.All(thing).value();
  old.settings = bench.worker().Settings().value();
  EXPECT_EQ(bench.stats().packed_blocks, 0u);
  bench.worker().Close();
  return old;
}

void CopyRows(Database& to) {
  ASSERT_TRUE(to.Execute(std::string("ATTACH '") + kFullName + "' AS full"));
  for (const std::string& table : TablesOf(to)) {
    const std::string columns = ColumnsOf(to, table);
    ASSERT_TRUE(to.Execute("INSERT INTO " + table + "(" + columns + ") SELECT " + columns + " FROM full." + table));
  }
  ASSERT_TRUE(to.Execute("DETACH full"));
}

// `with_wal`: as after a crash of the old version; everything but the schema's number is in the WAL.
Old MakeOld(int version, bool with_wal) {
  ModelDisk disk;
  Old old = Fill(disk);
  EXPECT_TRUE(disk.Rename(DiskBench::kFile, kFullName));
  {
    const auto database = OpenOn(disk);
    EXPECT_TRUE(Migrate(*database, EmbeddedMigrations().first(static_cast<std::size_t>(version))));
    CopyRows(*database);
    old.contents = ContentsOf(*database);
    if (with_wal) old.image = disk.Contents();
  }
  if (!with_wal) old.image = disk.Contents();
  for (const char* ending : {"", "-wal", "-shm"}) old.image.erase(std::string(kFullName) + ending);
  EXPECT_EQ(!old.image[std::string(DiskBench::kFile) + "-wal"].empty(), with_wal);
  return old;
}

// All that the old version had is there, under its names.
void ExpectContents(const Old& old, Database& database, const std::string& but = "") {
  for (const auto& [table, columns] : old.contents.columns) {
    if (table == but) continue;
    EXPECT_EQ(RowsOf(database, table, columns), old.contents.rows.at(table)) << table;
  }
}

void ExpectStore(const Old& old, DiskBench& bench) {
  for (const auto& [thing, readings] : old.readings) {
    const auto all = bench.All(thing);
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), readings.size());
    for (std::size_t i = 0; i < readings.size(); ++i) {
      EXPECT_TRUE((*all)[i].reading == readings[i].reading) << thing << " " << readings[i].reading.seq;
      EXPECT_EQ((*all)[i].sent, readings[i].sent) << thing << " " << readings[i].reading.seq;
    }
  }
  EXPECT_EQ(bench.worker().Settings().value(), old.settings);
}

class Upgrade : public testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  Upgrade() : old_(MakeOld(std::get<0>(GetParam()), std::get<1>(GetParam()))) {
    log::SetLevel(static_cast<log::Level>(0));
  }
  ~Upgrade() override { log::SetLevel(log::Level::kInfo); }
  int version() const { return std::get<0>(GetParam()); }

  const Old old_;
};

TEST_P(Upgrade, NothingIsLostAndTheSeqsGoOn) {
  ModelDisk disk(old_.image);
  DiskBench bench(disk);
  const Status opened = bench.Open();
  ASSERT_TRUE(opened) << opened.error().message;
  ExpectStore(old_, bench);
  {
    const auto database = OpenOn(disk);
    EXPECT_EQ(SchemaOf(*database), FreshSchema(NewestVersion())) << "as of a file that was never upgraded";
    ExpectContents(old_, *database, "meta");  // which says that it is in use
    EXPECT_EQ(bench.stats().readings, old_.readings.at("boiler").size() + old_.readings.at("pump").size());
  }
  for (const char* thing : kThings) {
    const std::uint64_t last = old_.readings.at(thing).back().reading.seq;
    bench.Push(thing, 1);
    bench.Run(1s);
    ASSERT_FALSE(bench.committed.empty());
    EXPECT_EQ(bench.committed.back().seq, last + 1);
  }
}

TEST_P(Upgrade, APowerCutAnywhereLeavesOneSchemaOrTheNextAndAllOfItsRows) {
  ModelDisk disk(old_.image);
  { ASSERT_TRUE(Migrate(*OpenOn(disk), EmbeddedMigrations())); }
  std::set<std::int64_t> seen;
  std::set<std::uint64_t> checked;
  std::mt19937_64 random(1);
  PowerCut cut(disk, old_.image);
  for (std::size_t point = 0; point <= disk.operations(); ++point) {
    cut.Advance(point);
    for (int i = 0; i < 6; ++i) {
      const auto survivors = i == 0   ? PowerCut::Survivors::kNothing
                             : i == 1 ? PowerCut::Survivors::kEverything
                                      : PowerCut::Survivors::kArbitrary;
      const DiskImage image = cut.Image(survivors, random);
      if (!checked.insert(test::HashOf(image)).second) continue;
      ModelDisk left(image);
      {
        const auto database = OpenOn(left);
        const auto at = database->Integer("PRAGMA user_version").value();
        seen.insert(at);
        ASSERT_GE(at, version()) << point;
        ASSERT_EQ(SchemaOf(*database), FreshSchema(static_cast<int>(at))) << point;
        ExpectContents(old_, *database);
        database->KeepWal();
      }
      DiskBench bench(left);
      const Status opened = bench.Open();
      ASSERT_TRUE(opened) << point << ": " << opened.error().message;
      ExpectStore(old_, bench);
      if (HasFailure()) FAIL() << "power cut before operation " << point << ", survivors " << i;
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(NewestVersion() - version() + 1)) << "each version was met";
}

// The statements of a file of schema/.
std::vector<std::string> StatementsOf(std::string_view sql) {
  std::vector<std::string> statements(1);
  bool comment = false;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql.substr(i, 2) == "--") comment = true;
    if (sql[i] == '\n') comment = false;
    if (comment) continue;
    statements.back() += sql[i];
    if (sql[i] == ';') statements.emplace_back();
  }
  statements.pop_back();  // what follows the last one
  return statements;
}

TEST_P(Upgrade, AStatementThatFailsLeavesTheSchemaBefore) {
  const auto migrations = EmbeddedMigrations();
  for (int target = version() + 1; target <= NewestVersion(); ++target) {
    const Migration& whole = migrations[static_cast<std::size_t>(target) - 1];
    std::string sql;
    for (const std::string& statement : StatementsOf(whole.sql)) {
      ModelDisk disk(old_.image);
      const auto database = OpenOn(disk);
      sql += statement;
      const std::string broken = sql + "SELECT no_such_function();";
      std::vector<Migration> with_fault(migrations.begin(), migrations.begin() + target);
      with_fault.back().sql = broken;
      const Status migrated = Migrate(*database, with_fault);
      ASSERT_FALSE(migrated);
      EXPECT_THAT(migrated.error().message, HasSubstr(std::string(whole.name)));
      EXPECT_EQ(database->Integer("PRAGMA user_version").value(), target - 1) << statement;
      EXPECT_EQ(SchemaOf(*database), FreshSchema(target - 1)) << statement;
      ExpectContents(old_, *database);
    }
  }
}

TEST_P(Upgrade, WithoutRoomItIsRefusedAndTheOldFileStaysAsItIs) {
  DiskImage image = old_.image;
  image.erase(std::string(DiskBench::kFile) + ".reserve");  // which is there to make room for this
  int refused = 0;
  for (std::uint64_t room = 0; room < 96 * 1024; room += 1024) {
    ModelDisk disk(image);
    disk.capacity = BytesOn(disk) + room;
    const Status opened = DiskBench(disk).Open();
    refused += opened ? 0 : 1;
    const std::string said = opened ? "no space is left in /store" : opened.error().message;
    EXPECT_THAT(said, HasSubstr("no space is left in /store")) << room;
    for (const auto& [name, bytes] : disk.Contents()) EXPECT_EQ(name.find(".damaged-"), std::string::npos) << room;
    disk.capacity = UINT64_MAX;
    DiskBench bench(disk);
    ASSERT_TRUE(bench.Open()) << room;
    ExpectStore(old_, bench);
    if (HasFailure()) FAIL() << "with room for " << room << " bytes";
  }
  EXPECT_GT(refused, 3);
}

INSTANTIATE_TEST_SUITE_P(FromSchema, Upgrade, testing::Combine(testing::Range(1, NewestVersion()), testing::Bool()),
                         [](const auto& test) {
                           return std::to_string(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) ? "AfterACrash" : "Closed");
                         });

}  // namespace
}  // namespace penumbra
