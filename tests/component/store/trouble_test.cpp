// The store when the disk, the file or the clock lets it down, and when space runs out.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>

#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;

struct TroubleTest : test::StoreFixture {
  std::vector<std::filesystem::path> SetAside() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().string().find(".damaged-") != std::string::npos) found.push_back(entry.path());
    }
    return found;
  }
  std::uint64_t FileSize() { return std::filesystem::file_size(options.file); }
};

// The kernel refuses every write beyond a file size, for this process: a disk that fails, and then works again.
class FailingDisk {
 public:
  FailingDisk() {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FailingDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(TroubleTest, ARejectedCommitIsTriedAgainWithoutLossOrDuplicates) {
  MustOpen();
  Fill("a", 3);
  {
    const FailingDisk disk;
    store->Append(MakeReading("a", next_ms += 1000, 42));
    EXPECT_FALSE(Flush());
    EXPECT_FALSE(store->Stats().trouble.empty());
    store->Append(MakeReading("a", next_ms += 1000, 43));
  }
  ASSERT_TRUE(loop.RunUntil([this] { return committed.size() == 5; }));
  EXPECT_TRUE(store->Stats().trouble.empty());
  for (std::size_t i = 1; i < committed.size(); ++i) EXPECT_EQ(committed[i].seq, committed[i - 1].seq + 1);
  MustOpen();
  EXPECT_EQ(AllUnsent("a"), committed);
}

// Whoever asks while commits fail already must not wait for the disk: an order that was to be journalled, a machine
// that is to be rebooted because of it.
TEST_F(TroubleTest, WhoAsksWhileTheDiskIsAwayHearsSo) {
  MustOpen();
  Fill("a", 1);
  {
    const FailingDisk disk;
    store->Append(MakeReading("a", next_ms += 1000, 42));
    ASSERT_TRUE(loop.RunUntil([this] { return !store->Stats().trouble.empty(); }));
    const Status flushed = Flush();
    ASSERT_FALSE(flushed);
    EXPECT_NE(flushed.error().message, kNoAnswer);
    const Status journalled = Answer<Status>([this](auto done) {
      store->Transact([](Database& database) { return database.Execute("CREATE TABLE mine(x)"); }, std::move(done));
    });
    ASSERT_FALSE(journalled);
    EXPECT_NE(journalled.error().message, kNoAnswer);
  }
  ASSERT_TRUE(loop.RunUntil([this] { return committed.size() == 2; }));
  // What was refused is not done later.
  EXPECT_TRUE(Answer<Status>([this](auto done) {
    store->Transact([](Database& database) { return database.Execute("CREATE TABLE mine(x)"); }, std::move(done));
  }));
}

TEST_F(TroubleTest, WhatOtherModulesKeepIsAskedForAgainWhenTheDiskIsAway) {
  MustOpen();
  const FailingDisk disk;
  store->Append(MakeReading("a", next_ms += 1000, 42));
  ASSERT_TRUE(loop.RunUntil([this] { return !store->Stats().trouble.empty(); }));
  const Status read =
      Answer<Status>([this](auto done) { store->Read([](Database&) { return Status(); }, std::move(done)); });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().action, Action::kBackOff);
}

TEST_F(TroubleTest, TheQueueDropsItsOldestWhenTheDiskStaysAway) {
  MustOpen();
  Fill("a", 1);
  {
    const FailingDisk disk;
    store->Append(MakeReading("a", 1, 1));
    EXPECT_FALSE(Flush());
    for (std::size_t i = 0; i < Store::kMaxQueued + 10; ++i) {
      store->Append(MakeReading("a", static_cast<std::int64_t>(i), 1));
    }
    EXPECT_EQ(store->Stats().dropped_queue_full, 10u);
  }
  ASSERT_TRUE(loop.RunUntil([this] { return committed.size() == Store::kMaxQueued + 2; }));
  EXPECT_EQ(committed[2].unix_ms, 10);
}

TEST_F(TroubleTest, ADamagedFileIsSetAsideAndSeqsGoOn) {
  MustOpen();
  Fill("a", 200);
  const std::uint64_t last = committed.back().seq;
  store.reset();
  {
    std::fstream file(options.file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(0);
    file << std::string(4096, 'x');
  }
  loop.virtual_clock.unix_epoch_ms = 0;  // and the clock is back in 1970
  MustOpen();
  EXPECT_EQ(SetAside().size(), 1u);
  EXPECT_TRUE(Unsent("a").empty());
  Fill("a", 1);
  EXPECT_GT(committed.back().seq, last);
}

TEST_F(TroubleTest, ADamagedRowCostsOnlyItself) {
  options.settings.commit_interval = std::chrono::hours(1);  // a row a flush, however slow the test
  MustOpen();
  Fill("a", 30);
  store.reset();
  {
    auto database = Database::Open({.file = options.file}, nullptr);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->Execute("UPDATE journal SET data = zeroblob(30) WHERE id = 2"));
  }
  MustOpen();
  const auto left = AllUnsent("a");
  EXPECT_EQ(left.size(), 20u);
  MustFlush();
  EXPECT_EQ(store->Outbox("a").unsent, 20u);
  Fill("a", 1);
  EXPECT_GT(committed[30].seq, committed[29].seq);
}

TEST_F(TroubleTest, WhatADamagedRowTookIsNotWaitedForForEver) {
  options.settings.max_size = 256 * 1024;                    // small blocks
  options.settings.commit_interval = std::chrono::hours(1);  // a row a flush, however slow the test
  MustOpen();
  Fill("a", 4000, 50);
  store.reset();
  {
    auto database = Database::Open({.file = options.file}, nullptr);
    ASSERT_TRUE(database);
    ASSERT_EQ((*database)->Integer("SELECT count(*) > 0 FROM block WHERE first_row <= 2 AND last_row >= 2").value(), 1);
    ASSERT_TRUE((*database)->Execute("UPDATE journal SET data = zeroblob(30) WHERE id = 2"));
  }
  MustOpen();
  ASSERT_EQ(AllUnsent("a").size(), 3950u);
  // The damaged row was in the middle: looking for the oldest unsent reading finds out.
  for (const Reading& reading : committed) {
    if (reading.seq < committed[50].seq || reading.seq > committed[99].seq) store->Acked("a", reading.seq);
  }
  MustFlush();
  EXPECT_TRUE(Unsent("a").empty());
  MustFlush();
  EXPECT_EQ(store->Outbox("a").unsent, 0u);
  MustOpen();
  EXPECT_EQ(store->Outbox("a").unsent, 0u);
}

TEST_F(TroubleTest, TheBytesWrittenAreCounted) {
  options.settings.commit_interval = std::chrono::hours(1);  // one commit, however slow the test
  MustOpen();
  const std::uint64_t before = store->Stats().written_bytes;
  EXPECT_GT(before, 0u);
  Fill("a", 100, 100);
  const std::uint64_t written = store->Stats().written_bytes - before;
  EXPECT_GT(written, Database::kPageSize);
  EXPECT_LT(written, 100 * 1024u);
}

TEST_F(TroubleTest, ALostDatabaseNeverReusesASeq) {
  loop.virtual_clock.unix_epoch_ms = 0;
  MustOpen();
  Fill("a", 50);
  const std::uint64_t last = committed.back().seq;
  store.reset();
  std::filesystem::remove(options.file);
  MustOpen();
  Fill("a", 1);
  EXPECT_GT(committed.back().seq, last);
  Fill("b", 1);
  EXPECT_LT(committed.back().seq, 1ULL << 53);
}

TEST_F(TroubleTest, AnOlderCopyOfTheDatabaseNeverReusesASeq) {
  MustOpen();
  Fill("a", 5);
  store.reset();
  const auto copy = folder.path() / "copy";
  std::filesystem::copy_file(options.file, copy);
  MustOpen();
  Fill("a", 50);
  const std::uint64_t last = committed.back().seq;
  store.reset();
  std::filesystem::copy_file(copy, options.file, std::filesystem::copy_options::overwrite_existing);
  MustOpen();
  Fill("a", 1);
  EXPECT_GT(committed.back().seq, last);
}

TEST_F(TroubleTest, ANewStoreStartsAtUnixTimeAndAClockStepBackChangesNothing) {
  MustOpen();
  Fill("a", 1);
  EXPECT_EQ(committed[0].seq, static_cast<std::uint64_t>(loop.virtual_clock.UnixMs()));
  loop.virtual_clock.unix_epoch_ms = 0;
  Fill("a", 1);
  EXPECT_EQ(committed[1].seq, committed[0].seq + 1);
}

TEST_F(TroubleTest, KeepsTheNewestWithinItsSizeAndGivesTheRestBack) {
  options.settings.max_size = 1 << 20;
  MustOpen();
  for (int i = 0; i < 400; ++i) {
    for (int k = 0; k < 500; ++k) store->Append(MakeReading("a", next_ms += 1000, k * 0.7));
    MustFlush();
  }
  ASSERT_TRUE(loop.RunUntil([this] {
    store->Append(MakeReading("a", next_ms += 1000, 1));
    EXPECT_TRUE(Flush());
    return store->Stats().dropped_unsent > 0 && store->Stats().file_bytes <= (1 << 20);
  }));
  EXPECT_EQ(store->Outbox("a").unsent + store->Stats().dropped_unsent, committed.size());
  // Opened again and without commits, retention keeps still.
  MustOpen();
  const OutboxState outbox = store->Outbox("a");
  const auto left = AllUnsent("a");
  ASSERT_EQ(left.size(), outbox.unsent);
  // The newest is there, and what is left of the older ones is what was committed.
  EXPECT_EQ(left.back(), committed.back());
  EXPECT_TRUE(std::includes(committed.begin(), committed.end(), left.begin(), left.end(),
                            [](const Reading& a, const Reading& b) { return a.seq < b.seq; }));
  for (const Reading& reading : left) {
    EXPECT_EQ(reading, committed[static_cast<std::size_t>(reading.seq - committed.front().seq)]);
  }
  EXPECT_LE(FileSize(), 1u << 20);
}

TEST_F(TroubleTest, GivesUpSentReadingsBeforeUnsentOnes) {
  options.settings.max_size = 1 << 20;
  MustOpen();
  Fill("waits", 200, 100);
  for (int i = 0; i < 300; ++i) {
    for (int k = 0; k < 500; ++k) store->Append(MakeReading("sent", next_ms += 1000, k * 0.7));
    MustFlush();
    for (std::size_t k = committed.size() - 500; k < committed.size(); ++k) store->Acked("sent", committed[k].seq);
  }
  MustFlush();
  ASSERT_TRUE(loop.RunUntil([this] {
    store->Append(MakeReading("sent", next_ms += 1000, 1));
    EXPECT_TRUE(Flush());
    return store->Stats().file_bytes <= (1 << 20);
  }));
  EXPECT_EQ(store->Stats().dropped_unsent, 0u);
  EXPECT_EQ(AllUnsent("waits").size(), 200u);
}

TEST_F(TroubleTest, RemovesSentReadingsByAgeCountedInTrustedTime) {
  options.settings.retention = std::chrono::hours(1);
  MustOpen();
  for (int i = 0; i < 1100; ++i) {
    store->Append(MakeReading("a", next_ms, 1));
    MustFlush();
    store->Acked("a", committed.back().seq);
  }
  MustFlush();
  ASSERT_GE(store->Stats().readings, 1100u);
  Reading jumped = MakeReading("a", next_ms + 1'000'000'000'000, 1);
  jumped.time_trusted = false;
  store->Append(jumped);
  next_ms += 7'200'000;
  ASSERT_TRUE(loop.RunUntil([this] {
    store->Append(MakeReading("a", next_ms, 1));
    EXPECT_TRUE(Flush());
    return store->Stats().readings < 1024;
  }));
  EXPECT_EQ(store->Stats().dropped_unsent, 0u);
}

}  // namespace
}  // namespace penumbra
