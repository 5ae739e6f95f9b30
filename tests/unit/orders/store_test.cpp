#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "orders/order_store.hpp"
#include "store/database.hpp"
#include "store/migrations.hpp"

namespace penumbra::orders {
namespace {

struct OrderStoreTest : testing::Test {
  OrderStoreTest() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-orders-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    database = Database::Open({.file = folder / "test.db"}, nullptr).value();
    EXPECT_TRUE(Migrate(*database, EmbeddedMigrations()));
  }
  ~OrderStoreTest() override {
    database.reset();
    std::filesystem::remove_all(folder);
  }

  static OrderRow Sample() {
    OrderRow row;
    row.channel = Channel::kJob;
    row.id = "job-1'; DROP TABLE remote_order;--";
    row.anonymous = true;
    row.number = 2;
    row.seq = 9007199254740993;
    row.action = "set";
    row.arguments = {{"valve", 9007199254740993}};
    row.phase = Phase::kActing;
    row.verdict = Verdict::kFailed;
    row.reason = "why";
    row.result = {{"a", true}};
    row.receipt = {1, 2, "boot-1", 3, 4};
    row.ttl_ms = 5;
    row.acting_boot = "boot-2";
    row.acting_ns = 6;
    row.version = 7;
    return row;
  }

  std::filesystem::path folder;
  std::unique_ptr<Database> database;
};

TEST_F(OrderStoreTest, GivesBackWhatWasPutAndForgetsWhatIsForgotten) {
  OrderRow other = Sample();
  other.channel = Channel::kCommand;
  ASSERT_TRUE(SaveOrders(*database, "t1", {Sample(), other}, {}));
  auto loaded = LoadOrders(*database);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->things["t1"].size(), 2U);
  EXPECT_EQ(loaded->things["t1"][1], Sample());
  ASSERT_TRUE(SaveOrders(*database, "t1", {}, {{other.channel, other.id}}));
  EXPECT_EQ(LoadOrders(*database)->things["t1"].size(), 1U);
}

TEST_F(OrderStoreTest, LeavesOutARowThatIsDamagedAndSaysSo) {
  ASSERT_TRUE(SaveOrders(*database, "t1", {Sample()}, {}));
  for (const char* damage : {"phase=4", "phase=-1", "channel=3", "verdict=9", "arguments='[]'", "result='{'"}) {
    ASSERT_TRUE(database->Execute(std::string("BEGIN; UPDATE remote_order SET ") + damage));
    const auto loaded = LoadOrders(*database);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->unreadable.size(), 1U) << damage;
    EXPECT_TRUE(loaded->things.empty()) << damage;
    ASSERT_TRUE(database->Execute("ROLLBACK"));
  }
}

}  // namespace
}  // namespace penumbra::orders
