#include "store/seq_mark.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace penumbra {
namespace {

struct SeqMarkTest : testing::Test {
  SeqMarkTest() {
    std::string name = (std::filesystem::temp_directory_path() / "penumbra-seq-XXXXXX").string();
    folder = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    file = folder / "penumbra.db.seq";
  }
  ~SeqMarkTest() override { std::filesystem::remove_all(folder); }
  std::filesystem::path folder;
  std::filesystem::path file;
};

TEST_F(SeqMarkTest, RefusesToGoBeyondWhatJsonKeepsExact) {
  SeqMark mark(file);
  EXPECT_FALSE(mark.Reserve(SeqMark::kMaxSeq));
  EXPECT_TRUE(mark.Reserve(SeqMark::kMaxSeq - 1));
}

TEST_F(SeqMarkTest, AnUnreadableFileIsAsNone) {
  std::ofstream(file) << "penumbra-seq 12345 1 deadbeef\n";
  const SeqMark mark(file);
  EXPECT_EQ(mark.mark(), 0u);
  EXPECT_EQ(mark.FirstFor(1000), 1000u);
}

TEST_F(SeqMarkTest, AFolderThatCannotBeWrittenIsAnErrorAndChangesNothing) {
  SeqMark mark(folder / "missing" / "x.seq");
  EXPECT_FALSE(mark.Reserve(5));
  EXPECT_EQ(mark.mark(), 0u);
}

TEST_F(SeqMarkTest, StaysAheadOfEverySeqAcrossARestartWithoutAClock) {
  {
    SeqMark mark(file);
    EXPECT_EQ(mark.FirstFor(-5), 1u);
    ASSERT_TRUE(mark.Reserve(1'763'841'600'000));
  }
  const SeqMark again(file);
  EXPECT_GT(again.FirstFor(0), 1'763'841'600'000u);
  EXPECT_EQ(again.FirstFor(0), again.mark());
}

TEST_F(SeqMarkTest, IsRewrittenOnlyWhenItIsReached) {
  SeqMark mark(file);
  ASSERT_TRUE(mark.Reserve(100));
  std::filesystem::remove(file);
  ASSERT_TRUE(mark.Reserve(100 + SeqMark::kStep - 1));
  EXPECT_FALSE(std::filesystem::exists(file));
  ASSERT_TRUE(mark.Reserve(100 + SeqMark::kStep));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(SeqMarkTest, CountsGenerations) {
  SeqMark mark(file);
  ASSERT_TRUE(mark.NextGeneration());
  ASSERT_TRUE(mark.NextGeneration());
  EXPECT_EQ(SeqMark(file).generation(), 2u);
}

}  // namespace
}  // namespace penumbra
