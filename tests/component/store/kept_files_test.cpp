// What was set aside beside the database does not fill the disk, and does not go while it may be wanted.
#include "store/kept_files.hpp"

#include <gmock/gmock.h>

#include "base/log.hpp"
#include "disk_bench.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::BytesOn;
using test::DiskBench;
using test::ModelDisk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::int64_t kDayMs = 24 * 3600 * 1000;
// 2026-11-26T14:00:00Z
constexpr std::int64_t kNowMs = 1'795'701'600'000;

struct KeptFilesTest : testing::Test {
  // As if set aside on that day of November 2026.
  void Put(int day, const std::string& ending = "damaged", std::size_t bytes = 1000, const std::string& tail = "") {
    const std::string date = (day < 10 ? "2026110" : "202611") + std::to_string(day);
    ASSERT_TRUE(
        disk.WriteSynced(DiskBench::kFile + ("." + ending + "-" + date + "T120000Z" + tail), std::string(bytes, 'x')));
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names = disk.List("/store");
    std::erase_if(names, [](const std::string& name) {
      return name.find(".damaged-") == std::string::npos && name.find(".foreign-") == std::string::npos;
    });
    return names;
  }
  void LookAndKeep(std::set<std::string> in_use = {}, Duration known = 25h) {
    kept.Look(in_use, {});
    kept.Look(in_use, KeptFiles::Time() + known);
    kept.KeepWithinBounds(now_ms, KeptFiles::Time() + known);
  }

  ModelDisk disk;
  KeptFiles kept{DiskBench::kFile, 1 << 20, disk};
  std::int64_t now_ms = kNowMs;
};

TEST_F(KeptFilesTest, NamesThatTheStoreDidNotGiveAreNotIts) {
  for (const char* name : {"penumbra.db", "penumbra.db-wal", "penumbra.db.damaged-", "penumbra.db.damaged-mine",
                           "penumbra.db.damaged-20261126T120000", "penumbra.db.damaged-20261126X120000Z",
                           "penumbra.db.damaged-20261399T120000Z", "penumbra.db.damaged-20261126T120000Z.copy",
                           "penumbra.db.damaged-20261126T120000Z-", "penumbra.db.damaged-20261126T120000Z-123",
                           "penumbra.db.broken-20261126T120000Z", "other.db.damaged-20261126T120000Z", ""}) {
    EXPECT_FALSE(KeptFiles::ParseName("penumbra.db", name)) << name;
  }
}

TEST_F(KeptFilesTest, WhatBelongsToADatabaseCountsWithIt) {
  const std::string whole = "penumbra.db.damaged-20261126T140000Z";
  for (const std::string& first : {whole, whole + "-1", whole + "-99"}) {
    for (const char* tail : {"", "-wal", "-shm", ".words"}) {
      const auto name = KeptFiles::ParseName("penumbra.db", first + tail);
      ASSERT_TRUE(name) << first << tail;
      EXPECT_EQ(name->name, first);
      EXPECT_EQ(name->ms, kNowMs);
    }
  }
}

TEST_F(KeptFilesTest, TheOldestBeyondFourGoWithTheirWal) {
  for (int day = 1; day <= 6; ++day) Put(day);
  Put(1, "damaged", 500, "-wal");
  Put(2, "foreign");
  LookAndKeep();
  EXPECT_EQ(kept.count(), KeptFiles::kMost);
  EXPECT_EQ(kept.bytes(), 4000u);
  EXPECT_THAT(Names(), ElementsAre(HasSubstr("damaged-20261103"), HasSubstr("damaged-20261104"),
                                   HasSubstr("damaged-20261105"), HasSubstr("damaged-20261106")));
}

TEST_F(KeptFilesTest, TheOldestGoWhenTogetherTheyAreLargerThanTheStoreMayBe) {
  Put(1, "damaged", 700'000);
  Put(2, "damaged", 700'000);
  LookAndKeep();
  EXPECT_THAT(Names(), ElementsAre(HasSubstr("20261102")));
}

TEST_F(KeptFilesTest, NothingGoesThatIsYoungerThanAWeekOrKnownForLessThanADay) {
  for (int day = 20; day <= 26; ++day) Put(day);
  LookAndKeep();
  EXPECT_THAT(Names(), SizeIs(7));
  now_ms += 30 * kDayMs;
  LookAndKeep({}, 23h);
  EXPECT_THAT(Names(), SizeIs(7)) << "its name may be older than it is";
  LookAndKeep();
  EXPECT_THAT(Names(), SizeIs(4));
}

TEST_F(KeptFilesTest, WithoutATrustedTimeNothingIsOldEnough) {
  for (int day = 1; day <= 6; ++day) Put(day);
  now_ms = 0;
  LookAndKeep();
  EXPECT_THAT(Names(), SizeIs(6));
}

TEST_F(KeptFilesTest, WhatIsBeingSalvagedStays) {
  for (int day = 1; day <= 6; ++day) Put(day);
  LookAndKeep({"/store/penumbra.db.damaged-20261101T120000Z"});
  EXPECT_THAT(Names(), SizeIs(4));
  EXPECT_THAT(Names().front(), HasSubstr("20261101"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(kept.GiveUpOldest());
  EXPECT_FALSE(kept.GiveUpOldest());
  EXPECT_THAT(Names(), ElementsAre(HasSubstr("20261101")));
}

TEST_F(KeptFilesTest, AFileThatSomebodyElseRemovedIsPassedOver) {
  Put(1);
  Put(2);
  kept.Look({}, {});
  ASSERT_TRUE(disk.Remove("/store/penumbra.db.damaged-20261101T120000Z"));
  EXPECT_TRUE(kept.GiveUpOldest());
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_FALSE(kept.GiveUpOldest());
}

// A card that damages the database again and again, and others who want the room.
TEST_F(KeptFilesTest, AFullDiskTakesThemBeforeAnyReading) {
  for (int day = 20; day <= 25; ++day) Put(day, "damaged", 200'000);
  disk.capacity = 3 << 20;
  DiskBench bench(disk, 1 << 20, 300'000);
  ASSERT_TRUE(bench.Open());
  EXPECT_EQ(bench.stats().kept_files, 6u);
  EXPECT_EQ(bench.stats().kept_bytes, 1'200'000u);
  for (int i = 0; i < 200; ++i) bench.Push("a", i);
  bench.Run(5s);
  ASSERT_THAT(Names(), SizeIs(6)) << "there is room";
  disk.capacity = BytesOn(disk) + 50'000;  // others take it
  for (int i = 0; i < 20; ++i) {
    bench.Push("a", i);
    bench.Run(1s);
  }
  EXPECT_LT(Names().size(), 5u);
  EXPECT_GT(Names().size(), 2u) << "no more than the room that is needed";
  EXPECT_EQ(bench.stats().kept_files, Names().size());
  EXPECT_TRUE(bench.stats().trouble.empty()) << bench.stats().trouble;
  EXPECT_EQ(bench.All("a")->size(), 220u);
  EXPECT_EQ(bench.stats().dropped_unsent, 0u);
}

TEST_F(KeptFilesTest, ACardThatDamagesTheDatabaseEveryHourDoesNotFillTheDisk) {
  log::SetLevel(static_cast<log::Level>(0));
  disk.capacity = 2 << 20;
  std::size_t most = 0;
  for (int hour = 0; hour < 40; ++hour) {
    DiskBench bench(disk, 1 << 20, 300'000);
    ASSERT_TRUE(bench.Open()) << hour;
    bench.FinishSalvage();
    for (int i = 0; i < 300; ++i) bench.Push("a", hour * 300 + i);
    bench.Run(5s);
    ASSERT_TRUE(bench.stats().trouble.empty()) << bench.stats().trouble;
    EXPECT_EQ(bench.committed.size(), 300u) << hour;
    bench.worker().Close();
    most = std::max(most, Names().size());
    const auto file = disk.Find(DiskBench::kFile);
    static_cast<void>(disk.WriteAt(*file, 0, std::string(ModelDisk::kSector, 'x')));
    disk.ForgetLog();
  }
  log::SetLevel(log::Level::kInfo);
  EXPECT_GT(most, 3u);
  EXPECT_LT(most, 40u);
  EXPECT_GT(disk.SpaceAt("/store").free, 200'000u);
}

}  // namespace
}  // namespace penumbra
