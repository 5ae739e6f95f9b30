#include "store/migrations.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <span>

namespace penumbra {
namespace {

struct MigrationsTest : testing::Test {
  MigrationsTest() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-mig-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    database = Database::Open({.file = folder / "test.db"}, nullptr).value();
  }
  ~MigrationsTest() override {
    database.reset();
    std::filesystem::remove_all(folder);
  }
  std::filesystem::path folder;
  std::unique_ptr<Database> database;
};

TEST_F(MigrationsTest, AFailingMigrationLeavesNothingBehind) {
  const Migration good{1, "0001_a.sql", "CREATE TABLE a(x); INSERT INTO a VALUES(1);"};
  const Migration bad{2, "0002_b.sql", "CREATE TABLE b(x); INSERT INTO missing VALUES(1);"};
  const Migration both[] = {good, bad};
  const Status migrated = Migrate(*database, both);
  ASSERT_FALSE(migrated);
  EXPECT_NE(migrated.error().message.find("0002_b.sql"), std::string::npos);
  EXPECT_EQ(database->Integer("PRAGMA user_version").value(), 1);
  EXPECT_EQ(database->Integer("SELECT count(*) FROM sqlite_schema WHERE name = 'b'").value(), 0);
}

TEST_F(MigrationsTest, RefusesAFileFromANewerVersion) {
  ASSERT_TRUE(database->Execute("PRAGMA user_version=2"));
  const Migration one[] = {{1, "0001_a.sql", "CREATE TABLE a(x);"}};
  const Status migrated = Migrate(*database, one);
  ASSERT_FALSE(migrated);
  EXPECT_EQ(migrated.error().action, Action::kFixConfig);
}

TEST_F(MigrationsTest, AppliesEachOnceAndInOrder) {
  const Migration first[] = {{1, "0001_a.sql", "CREATE TABLE a(x);"}};
  ASSERT_TRUE(Migrate(*database, first));
  const Migration both[] = {first[0], {2, "0002_b.sql", "INSERT INTO a VALUES(5);"}};
  ASSERT_TRUE(Migrate(*database, both));
  ASSERT_TRUE(Migrate(*database, both));
  EXPECT_EQ(database->Integer("SELECT count(*) FROM a").value(), 1);
}

TEST_F(MigrationsTest, ANewSchemaIsSeenInTheFileItself) {
  const Migration both[] = {{1, "0001_a.sql", "CREATE TABLE a(x);"}, {2, "0002_b.sql", "CREATE TABLE b(x);"}};
  // As packaging/debian/penumbra.preinst reads it, while the database is in use.
  const auto in_the_file = [this] {
    std::ifstream file(folder / "test.db", std::ios::binary);
    file.seekg(60);
    std::array<char, 4> version{};
    file.read(version.data(), version.size());
    return version;
  };
  ASSERT_TRUE(Migrate(*database, std::span(both).first(1)));
  EXPECT_EQ(in_the_file(), (std::array<char, 4>{0, 0, 0, 1})) << "of a new database";
  ASSERT_TRUE(Migrate(*database, both));
  EXPECT_EQ(in_the_file(), (std::array<char, 4>{0, 0, 0, 2})) << "of one that was upgraded";
}

TEST_F(MigrationsTest, TheEmbeddedOnesAreNumberedFromOne) {
  const auto embedded = EmbeddedMigrations();
  ASSERT_FALSE(embedded.empty());
  for (std::size_t i = 0; i < embedded.size(); ++i) EXPECT_EQ(embedded[i].version, static_cast<int>(i) + 1);
  EXPECT_TRUE(Migrate(*database, embedded));
}

TEST_F(MigrationsTest, TheDatabaseHasTheSettingsThatDurabilityNeeds) {
  EXPECT_EQ(database->Integer("PRAGMA auto_vacuum").value(), 2);
  EXPECT_EQ(database->Integer("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(database->Integer("PRAGMA page_size").value(), Database::kPageSize);
  EXPECT_EQ(database->Integer("PRAGMA wal_autocheckpoint").value(), 0);
}

}  // namespace
}  // namespace penumbra
