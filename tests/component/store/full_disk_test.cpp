// A disk that others keep full, for a while or from the start.
#include <random>

#include "disk_bench.hpp"
#include "store_fixture.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using test::BytesOn;
using test::DiskBench;
using test::ModelDisk;

bool WasSetAside(const ModelDisk& disk) {
  for (const auto& [name, bytes] : disk.Contents()) {
    if (name.find(".damaged-") != std::string::npos) return true;
  }
  return false;
}

TEST(FullDisk, ReadsGoOnAndNothingIsLostWhileOthersKeepItFull) {
  ModelDisk disk;
  DiskBench bench(disk);
  ASSERT_TRUE(bench.Open());
  for (int i = 0; i < 100; ++i) {
    bench.Push("a", i);
    bench.Run(100ms);
  }
  ASSERT_EQ(bench.committed.size(), 100u);
  // Whatever the store gives up, the reserve for one, somebody else takes at once.
  const auto keep_full = [&disk] { disk.capacity = BytesOn(disk); };
  int refused = 0;
  int answered = 0;
  for (int i = 0; i < 600; ++i) {
    keep_full();
    bench.Push("a", 1000 + i);
    bench.Run(100ms);
    if (bench.stats().trouble.empty()) continue;
    ++refused;
    const auto all = bench.All("a");
    answered += all && all->size() >= 100 ? 1 : 0;
  }
  EXPECT_GT(refused, 300);
  EXPECT_EQ(answered, refused);
  EXPECT_FALSE(WasSetAside(disk));
  disk.capacity = UINT64_MAX;
  bench.Run(20s);
  EXPECT_TRUE(bench.stats().trouble.empty()) << bench.stats().trouble;
  ASSERT_EQ(bench.committed.size(), 700u);
  for (std::size_t i = 1; i < bench.committed.size(); ++i) {
    EXPECT_EQ(bench.committed[i].seq, bench.committed[i - 1].seq + 1);
  }
  EXPECT_EQ(bench.All("a")->size(), 700u);
}

TEST(FullDisk, TriesAgainWithPausesAndNotInALoop) {
  ModelDisk disk;
  DiskBench bench(disk);
  ASSERT_TRUE(bench.Open());
  bench.Push("a", 1);
  bench.Run(1s);
  disk.capacity = 0;
  int writes = 0;
  disk.on_operation = [&writes](ModelDisk::Kind kind, const std::string&, std::size_t) {
    writes += kind == ModelDisk::Kind::kWrite ? 1 : 0;
    return ModelDisk::Fault::kNone;
  };
  for (int i = 0; i < 50; ++i) bench.Push("a", i);
  bench.Run(60s);
  EXPECT_LT(writes, 1000);  // six hundred turns
}

TEST(FullDisk, AFailedSyncWhileItIsFullIsStillSticky) {
  ModelDisk disk;
  DiskBench bench(disk);
  ASSERT_TRUE(bench.Open());
  bench.Push("a", 1);
  bench.Run(1s);
  bool failed = false;
  disk.on_operation = [&failed](ModelDisk::Kind kind, const std::string& name, std::size_t) {
    const bool now = !failed && kind == ModelDisk::Kind::kSync && name.ends_with("-wal");
    failed |= now;
    return now ? ModelDisk::Fault::kIoError : ModelDisk::Fault::kNone;
  };
  disk.capacity = BytesOn(disk) + 4096;
  bench.Push("a", 2);
  bench.worker().Turn();
  ASSERT_TRUE(failed);
  EXPECT_FALSE(bench.All("a"));  // the connection is closed until it has been recovered
  disk.capacity = UINT64_MAX;
  bench.Run(2s);
  EXPECT_EQ(bench.All("a")->size(), 2u);
}

// A reading of about a kilobyte that does not pack.
Reading Large(std::mt19937_64& random) {
  Reading reading = DiskBench::MakeReading("a", 0, 0);
  reading.values.clear();
  for (int point = 0; point < 128; ++point) {
    reading.values.push_back({"point-" + std::to_string(point), static_cast<double>(random()) / 3, Quality::kGood, ""});
  }
  return reading;
}

struct Filled {
  int refused = 0;  // commits that did not succeed at once
  std::uint64_t committed = 0;
  std::uint64_t newest = 0;  // seq
  bool in_order = true;
};

// Commits of so many large readings, one size after the other, that nobody sends, on a disk of our own.
Filled FillForLong(ModelDisk& disk, DiskBench& bench, int commits, const std::vector<std::size_t>& sizes) {
  std::mt19937_64 random(1);
  Filled filled;
  for (int commit = 0; commit < commits; ++commit) {
    const std::size_t readings = sizes[static_cast<std::size_t>(commit) % sizes.size()];
    for (std::size_t i = 0; i < readings; ++i) bench.Push(Large(random));
    bench.worker().Turn();
    filled.refused += bench.committed.size() == readings ? 0 : 1;
    bench.Run(20s);
    for (const Reading& reading : bench.committed) {
      filled.in_order &= filled.newest == 0 || reading.seq == filled.newest + 1;
      filled.newest = reading.seq;
    }
    filled.committed += bench.committed.size();
    bench.committed.clear();
    disk.ForgetLog();
  }
  return filled;
}

TEST(FullDisk, CommitsThatAreLargeForTheDiskGoOnForEverAndTheNewestIsKept) {
  ModelDisk disk;
  disk.capacity = 4 << 20;
  DiskBench bench(disk, 1 << 30, std::nullopt);
  ASSERT_TRUE(bench.Open());
  const Filled filled = FillForLong(disk, bench, 100, {100, 400});  // up to a tenth of the disk
  EXPECT_LT(filled.refused, 3);
  EXPECT_TRUE(bench.stats().trouble.empty()) << bench.stats().trouble;
  EXPECT_GT(bench.stats().dropped_unsent, 0u);
  EXPECT_EQ(filled.committed, 50 * 500u);
  EXPECT_TRUE(filled.in_order);
  const auto all = bench.All("a");
  ASSERT_TRUE(all && !all->empty());
  EXPECT_EQ(all->back().reading.seq, filled.newest);
  EXPECT_FALSE(WasSetAside(disk));
}

TEST(FullDisk, ACommitThatDoesNotFitAtAllGoesInParts) {
  ModelDisk disk;
  disk.capacity = 4 << 20;
  DiskBench bench(disk, 1 << 30, std::nullopt);
  ASSERT_TRUE(bench.Open());
  const Filled filled = FillForLong(disk, bench, 2, {6144});
  EXPECT_GT(filled.refused, 0);
  EXPECT_TRUE(bench.stats().trouble.empty()) << bench.stats().trouble;
  EXPECT_EQ(filled.committed, 2 * 6144u);
  EXPECT_TRUE(filled.in_order);
  const auto all = bench.All("a");
  ASSERT_TRUE(all && !all->empty());
  EXPECT_EQ(all->back().reading.seq, filled.newest);
}

TEST(FullDisk, ItsSizeIsKnownBeforeTheFirstStart) {
  const Files::Space space = Files::Platform().SpaceAt(std::filesystem::path(testing::TempDir()) / "not-there.db");
  EXPECT_NE(space.total, UINT64_MAX);
}

TEST(FullDisk, AStartUsesTheReserve) {
  test::DiskImage image;
  {
    ModelDisk disk;
    DiskBench bench(disk);
    ASSERT_TRUE(bench.Open());
    for (int i = 0; i < 50; ++i) bench.Push("a", i);
    bench.Run(3s);
    bench.worker().Close();
    image = disk.Contents();
  }
  ModelDisk disk(image);
  disk.capacity = BytesOn(disk);
  DiskBench bench(disk);
  const Status opened = bench.Open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(bench.All("a")->size(), 50u);
  bench.Push("a", 51);
  bench.Run(1s);
  EXPECT_EQ(bench.committed.size(), 1u);
  // With room again the reserve comes back.
  disk.capacity = UINT64_MAX;
  bench.Push("a", 52);
  bench.Run(5s);
  EXPECT_GT(disk.Size(std::string(DiskBench::kFile) + ".reserve"), 0u);
}

TEST(FullDisk, WithoutRoomForAStartItSaysSoAndKeepsEverything) {
  test::DiskImage image;
  {
    ModelDisk disk;
    DiskBench bench(disk);
    ASSERT_TRUE(bench.Open());
    for (int i = 0; i < 50; ++i) bench.Push("a", i);
    bench.Run(3s);
    image = disk.Contents();  // as after a crash: the WAL is there
  }
  image.erase(std::string(DiskBench::kFile) + ".reserve");
  ModelDisk disk(image);
  disk.capacity = BytesOn(disk);
  for (int i = 0; i < 3; ++i) {
    DiskBench bench(disk);
    const Status opened = bench.Open();
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("no space is left in /store"), std::string::npos) << opened.error().message;
  }
  EXPECT_FALSE(WasSetAside(disk));
  disk.capacity = UINT64_MAX;
  DiskBench bench(disk);
  ASSERT_TRUE(bench.Open());
  EXPECT_EQ(bench.All("a")->size(), 50u);
}

// The smallest bound that can be configured. A step of retention gives up a block, so the bound must not be a few
// blocks.
TEST(FullDisk, TheSmallestStoreIsMostlyFullOfReadings) {
  ModelDisk disk;
  constexpr std::uint64_t kBound = 1 << 20;
  DiskBench bench(disk, kBound);
  ASSERT_TRUE(bench.Open());
  std::size_t fewest = SIZE_MAX;
  std::uint64_t largest = 0;
  std::mt19937_64 random(3);
  for (int second = 0; second < 8000; ++second) {
    for (const char* thing : {"a", "b", "c", "d", "e", "f", "g", "h"})
      bench.Push(thing, static_cast<double>(random() % 100'000));
    bench.Run(1s);
    disk.ForgetLog();
    if (second < 4000 || second % 20 != 0) continue;
    fewest = std::min<std::size_t>(fewest, bench.stats().readings);
    largest = std::max(largest, BytesOn(disk));
  }
  EXPECT_GT(bench.stats().dropped_unsent, 0u);
  // 14,332 measured: some 70 bytes each, with three values all of whose digits are random. Beyond the bound are a
  // reserve of 64 KiB and what one step of retention is late.
  EXPECT_GT(fewest, 13'000u);
  EXPECT_LT(largest, kBound + 64 * 1024 + kBound / 10);
}

using FullDiskStore = test::StoreFixture;

// Shadows and orders are loaded at the start. Were that refused with the commits, what is stored would count as lost.
TEST_F(FullDiskStore, WhatOtherModulesKeepIsReadWhileTheDiskIsFull) {
  ModelDisk disk;
  options.file = "/store/penumbra.db";
  options.vfs = disk.vfs();
  options.files = &disk;
  MustOpen();
  const auto transact = [this](std::function<Status(Database&)> work) {
    return Answer<Status>([&](auto done) { store->Transact(std::move(work), std::move(done)); });
  };
  ASSERT_TRUE(transact([](Database& database) { return database.Execute("CREATE TABLE mine(x)"); }));
  ASSERT_TRUE(transact([](Database& database) { return database.Execute("INSERT INTO mine VALUES(7)"); }));
  ASSERT_FALSE(transact([&disk](Database& database) {
    disk.capacity = 0;
    // More than there is room for in the WAL that is there.
    return database.Execute("INSERT INTO mine VALUES(zeroblob(1000000))");
  }));
  std::int64_t found = 0;
  const Status read = Answer<Status>([&](auto done) {
    const auto sum = [&found](Database& database) -> Status {
      const auto value = database.Integer("SELECT sum(x) FROM mine");
      found = value.value_or(0);
      return value ? Status() : Status(penumbra::Fail(value.error()));
    };
    store->Read(sum, std::move(done));
  });
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_EQ(found, 7);
  store.reset();
}

}  // namespace
}  // namespace penumbra
