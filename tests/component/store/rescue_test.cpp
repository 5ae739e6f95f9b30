// The store when somebody takes its files away while it uses them.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "store_fixture.hpp"

namespace penumbra {
namespace {

using test::MakeReading;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct RescueTest : test::StoreFixture {
  void TearDown() override { store.reset(); }

  void Remove(const std::string& ending) { std::filesystem::remove(options.file.native() + ending); }
  std::vector<std::string> Foreign() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().native().find(".foreign-") != std::string::npos) found.push_back(entry.path().native());
    }
    return found;
  }
  // As after a power cut: the process that had the store is gone, and only what its files say is left. They are copied
  // on the store thread, which otherwise goes on after a commit is told and replaces files under the copy.
  void MustOpenCopy() {
    const Status copied = Answer<Status>([this](auto done) {
      const auto copy = [this](Database&) -> Status {
        std::error_code error;
        std::filesystem::copy(folder.path(), other.path(), std::filesystem::copy_options::recursive, error);
        return error ? Status(penumbra::Fail(Action::kFatal, error.message())) : Status();
      };
      store->Read(copy, std::move(done));
    });
    ASSERT_TRUE(copied) << copied.error().message;
    options.file = other.path() / options.file.filename();
    MustOpen();
  }
  void AppendAndAwait(int count) {
    const std::size_t before = committed.size();
    for (int i = 0; i < count; ++i) store->Append(MakeReading("a", next_ms += 1000, i));
    ASSERT_TRUE(loop.RunUntil([&] { return committed.size() == before + count; }));
    EXPECT_EQ(store->Stats().trouble, "");
  }
  void ExpectAllThereInOrder() {
    EXPECT_TRUE(AllUnsent("a") == committed) << AllUnsent("a").size() << " of " << committed.size();
    for (std::size_t i = 1; i < committed.size(); ++i) EXPECT_EQ(committed[i].seq, committed[i - 1].seq + 1);
  }

  test::TempFolder other;
};

TEST_F(RescueTest, EverythingRemovedIsThereAgainWithTheNextReading) {
  MustOpen();
  Fill("a", 50);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) std::filesystem::remove(entry.path());
  AppendAndAwait(1);
  EXPECT_THAT(Foreign(), IsEmpty());
  AppendAndAwait(5);
  MustOpenCopy();
  ExpectAllThereInOrder();
  AppendAndAwait(1);
  EXPECT_EQ(committed.back().seq, committed.front().seq + 56) << "the sequence mark is back, too";
}

TEST_F(RescueTest, OnlyTheDatabaseRemovedLeavesNoWalThatSpoilsTheNew) {
  MustOpen();
  Fill("a", 50);
  Remove("");
  AppendAndAwait(3);
  MustOpenCopy();
  ExpectAllThereInOrder();
}

TEST_F(RescueTest, OnlyTheWalRemovedLosesNothing) {
  MustOpen();
  Fill("a", 50);
  Remove("-wal");
  AppendAndAwait(3);
  MustOpenCopy();
  ExpectAllThereInOrder();
}

TEST_F(RescueTest, AnotherFileUnderTheNameIsKeptAside) {
  MustOpen();
  Fill("a", 50);
  const std::filesystem::path copy = folder.path() / "restored";
  std::ofstream(copy) << "an old copy";
  std::filesystem::rename(copy, options.file);
  AppendAndAwait(3);
  ASSERT_THAT(Foreign(), ::testing::Contains(HasSubstr(".foreign-")));
  bool kept = false;
  for (const std::string& file : Foreign()) {
    std::ifstream in(file);
    std::string text(std::istreambuf_iterator<char>(in), {});
    kept = kept || text == "an old copy";
  }
  EXPECT_TRUE(kept);
  MustOpenCopy();
  ExpectAllThereInOrder();
}

TEST_F(RescueTest, AStopFindsTheLossToo) {
  MustOpen();
  Fill("a", 50);
  Remove("");
  Remove("-wal");
  MustOpen();
  ExpectAllThereInOrder();
}

// Nothing is promised that is not there: a commit without a place would be gone with the power.
TEST_F(RescueTest, WithoutItsFolderTheStoreCommitsNothingAndSaysWhyUntilItIsBack) {
  MustOpen();
  Fill("a", 50);
  const std::filesystem::path away = other.path() / "away";
  std::filesystem::rename(folder.path(), away);
  store->Append(MakeReading("a", next_ms += 1000, 1));
  EXPECT_FALSE(Flush());
  EXPECT_FALSE(loop.RunUntil([&] { return committed.size() > 50; }, std::chrono::milliseconds(500)));
  EXPECT_NE(store->Stats().trouble, "");
  EXPECT_EQ(AllUnsent("a").size(), 50U) << "what is stored can still be read";
  std::filesystem::rename(away, folder.path());
  ASSERT_TRUE(loop.RunUntil([&] { return committed.size() == 51; }));
  MustOpenCopy();
  ExpectAllThereInOrder();
}

TEST_F(RescueTest, ACopyWithoutItsNameIsFoundAtAStart) {
  MustOpen();
  Fill("a", 50);
  store.reset();
  std::filesystem::rename(options.file, options.file.native() + ".rescued");
  std::ofstream(options.file.native() + "-wal") << "of the file that was removed";
  MustOpen();
  ExpectAllThereInOrder();
}

TEST_F(RescueTest, ACopyThatDidNotReachItsPlaceIsKeptWhenAnotherFileIsThere) {
  MustOpen();
  Fill("a", 50);
  store.reset();
  const std::filesystem::path copy = options.file.native() + ".rescued";
  std::filesystem::copy_file(options.file, copy);
  const auto size = std::filesystem::file_size(copy);
  MustOpen();
  ExpectAllThereInOrder();
  EXPECT_FALSE(std::filesystem::exists(copy));
  EXPECT_EQ(store->Stats().kept_files, 1u);
  EXPECT_EQ(store->Stats().kept_bytes, size);
}

// With the mark from the backup as well nobody could tell that time has passed: seqs are in use already.
TEST_F(RescueTest, ABackupPutBackWithoutTheSequenceMarkGivesNoSeqTwice) {
  MustOpen();
  Fill("a", 50);
  store.reset();
  std::filesystem::copy_file(options.file, other.path() / "backup");
  MustOpen();
  Fill("a", 50);
  store.reset();
  const std::uint64_t last = committed.back().seq;
  std::filesystem::copy_file(other.path() / "backup", options.file, std::filesystem::copy_options::overwrite_existing);
  Remove(".seq");
  MustOpen();
  Fill("a", 1);
  EXPECT_GT(committed.back().seq, last);
}

}  // namespace
}  // namespace penumbra
