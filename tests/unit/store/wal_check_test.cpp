#include "store/wal_check.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace penumbra {
namespace {

constexpr std::size_t kPage = 512;
constexpr std::size_t kFrame = 24 + kPage;

// A WAL of SQLite's own making with a few commits in it.
std::string MakeWal() {
  std::string folder = (std::filesystem::temp_directory_path() / "penumbra-wal-XXXXXX").string();
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string file = folder + "/x.db";
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db,
                         "PRAGMA page_size=512; PRAGMA journal_mode=WAL; CREATE TABLE t(x);"
                         "INSERT INTO t VALUES(1); INSERT INTO t VALUES(zeroblob(2000)); INSERT INTO t VALUES(3);",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  std::ifstream in(file + "-wal", std::ios::binary);
  std::string wal((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  sqlite3_close(db);
  std::filesystem::remove_all(folder);
  return wal;
}

TEST(WalCheck, DoubtsWhatIsNoWalAtAll) {
  EXPECT_TRUE(CheckWal("not a WAL").doubtful);
  EXPECT_TRUE(CheckWal(std::string(1000, 'x')).doubtful);
  EXPECT_FALSE(CheckWal("").doubtful);
}

TEST(WalCheck, TakesAWholeOne) {
  const std::string wal = MakeWal();
  ASSERT_GT(wal.size(), 5 * kFrame);
  const WalCheck check = CheckWal(wal);
  EXPECT_FALSE(check.doubtful);
  EXPECT_EQ(check.committed, (wal.size() - 32) / kFrame);
  EXPECT_EQ(check.behind, 0u);
}

TEST(WalCheck, DoubtsEveryFlippedBitButThoseThatNobodyReads) {
  const std::string wal = MakeWal();
  for (std::size_t at = 0; at < wal.size(); at += 7) {
    for (const int bit : {0, 5}) {
      std::string damaged = wal;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const WalCheck check = CheckWal(damaged);
      EXPECT_TRUE(check.doubtful) << "byte " << at << " bit " << bit;
      EXPECT_LT(check.committed, (wal.size() - 32) / kFrame);
    }
  }
}

TEST(WalCheck, DoubtsWhatWasCutInsideAFrameAndInsideACommit) {
  const std::string wal = MakeWal();
  EXPECT_TRUE(CheckWal(std::string_view(wal).substr(0, wal.size() - 1)).doubtful);
  EXPECT_TRUE(CheckWal(std::string_view(wal).substr(0, 31)).doubtful);
  // The third commit has several frames: without its last one it is no commit.
  std::size_t doubtful = 0;
  for (std::size_t size = 32; size < wal.size(); size += kFrame) {
    doubtful += CheckWal(std::string_view(wal).substr(0, size)).doubtful ? 1 : 0;
  }
  EXPECT_GT(doubtful, 0u);
}

TEST(WalCheck, FramesOfAnOlderWalBehindTheEndAreNothingToDoubt) {
  // SQLite begins again at the front and leaves what was there: with other salts.
  std::string wal = MakeWal();
  const std::string frame = wal.substr(32, kFrame);
  std::string old = frame;
  for (std::size_t i = 8; i < 16; ++i) old[i] = static_cast<char>(~old[i]);
  const std::size_t committed = CheckWal(wal).committed;
  wal += old;
  EXPECT_FALSE(CheckWal(wal).doubtful);
  EXPECT_EQ(CheckWal(wal).committed, committed);
}

}  // namespace
}  // namespace penumbra
