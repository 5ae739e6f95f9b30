#include "shadow/shadow_store.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "store/database.hpp"
#include "store/migrations.hpp"

namespace penumbra::shadow {
namespace {

struct ShadowStoreTest : testing::Test {
  ShadowStoreTest() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-shadow-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    database = Database::Open({.file = folder / "test.db"}, nullptr).value();
    EXPECT_TRUE(Migrate(*database, EmbeddedMigrations()));
  }
  ~ShadowStoreTest() override {
    database.reset();
    std::filesystem::remove_all(folder);
  }

  static Batch Sample() {
    ShadowRow row;
    row.thing = "t1";
    row.name = "config";
    row.mirror.exists = true;
    row.mirror.version = 9007199254740993;
    row.mirror.timestamp = 1'700'000'000;
    row.mirror.delta_version = 5;
    row.mirror.state = Json::parse(R"({"desired":{"a":9007199254740993},"reported":{"":{"b":[1,2]}}})");
    row.mirror.desired_times = {{"a", 1'700'000'000}};
    row.reported_local = {{"text", "\"'; DROP TABLE shadow;--"}};
    row.reported_base = {{"x", 1}};
    row.desired_pending = {{"a", nullptr}};
    row.desired_base = {{"a", 1}};
    row.local_rev = 7;
    row.pushed_rev = 6;
    row.delete_intent = DeleteIntent::kSent;
    CommandRow command;
    command.key = "setpoint";
    command.value = 21.5;
    command.version = 12;
    command.desired_s = 1'700'000'000;
    command.received_ms = 1'700'000'001'000;
    command.received_boot = "boot-1";
    command.received_boot_ns = 77;
    command.received_age_s = 3;
    command.superseded = 2;
    command.state = CommandState::kWritten;
    command.reason = "written, not read back: timeout";
    Batch batch;
    batch.thing = "t1";
    batch.shadows = {row};
    batch.commands = {command};
    return batch;
  }

  std::filesystem::path folder;
  std::unique_ptr<Database> database;
};

TEST_F(ShadowStoreTest, LeavesOutARowThatCannotBeReadAndKeepsTheOthers) {
  Batch batch = Sample();
  batch.shadows.push_back(batch.shadows[0]);
  batch.shadows[1].name = "";
  ASSERT_TRUE(SaveBatch(*database, batch));
  ASSERT_TRUE(database->Execute("UPDATE shadow SET mirror='{' WHERE name='config'; UPDATE command SET state=99;"));
  const auto loaded = LoadShadows(*database);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->unreadable.size(), 2U);
  ASSERT_EQ(loaded->things.at("t1").shadows.size(), 1U);
  EXPECT_EQ(loaded->things.at("t1").shadows[0].name, "");
}

TEST_F(ShadowStoreTest, GivesBackExactlyWhatWasSaved) {
  const Batch batch = Sample();
  ASSERT_TRUE(SaveBatch(*database, batch));
  ASSERT_TRUE(SaveBatch(*database, batch)) << "a row is replaced";
  const auto loaded = LoadShadows(*database);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->unreadable.empty());
  const StoredThing& thing = loaded->things.at("t1");
  ASSERT_EQ(thing.shadows.size(), 1U);
  const ShadowRow& row = thing.shadows[0];
  const ShadowRow& saved = batch.shadows[0];
  EXPECT_EQ(row.name, saved.name);
  EXPECT_EQ(row.mirror.exists, saved.mirror.exists);
  EXPECT_EQ(row.mirror.version, saved.mirror.version);
  EXPECT_EQ(row.mirror.timestamp, saved.mirror.timestamp);
  EXPECT_EQ(row.mirror.delta_version, saved.mirror.delta_version);
  EXPECT_EQ(row.mirror.state, saved.mirror.state);
  EXPECT_EQ(row.mirror.desired_times, saved.mirror.desired_times);
  EXPECT_EQ(row.reported_local, saved.reported_local);
  EXPECT_EQ(row.reported_base, saved.reported_base);
  EXPECT_EQ(row.desired_pending, saved.desired_pending);
  EXPECT_EQ(row.desired_base, saved.desired_base);
  EXPECT_EQ(row.local_rev, saved.local_rev);
  EXPECT_EQ(row.pushed_rev, saved.pushed_rev);
  EXPECT_EQ(row.delete_intent, saved.delete_intent);
  EXPECT_EQ(thing.commands, batch.commands);
}

TEST_F(ShadowStoreTest, RemovesWhatIsToBeRemoved) {
  ASSERT_TRUE(SaveBatch(*database, Sample()));
  Batch removal;
  removal.thing = "t1";
  removal.removed_shadows = {"config", "never there"};
  removal.removed_commands = {"setpoint"};
  ASSERT_TRUE(SaveBatch(*database, removal));
  EXPECT_TRUE(LoadShadows(*database)->things.empty());
}

}  // namespace
}  // namespace penumbra::shadow
