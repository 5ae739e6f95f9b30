#include "base/journal.hpp"

#include <gtest/gtest.h>

namespace penumbra::log {
namespace {

TEST(Journal, NamesAFieldWithOurPrefixInCapitals) {
  EXPECT_EQ(JournalName("thing"), "PENUMBRA_THING");
  EXPECT_EQ(JournalName("retry_in"), "PENUMBRA_RETRY_IN");
}

TEST(Journal, PutsAnUnderscoreForWhatANameMayNotHold) {
  EXPECT_EQ(JournalName("a=b\nc.d"), "PENUMBRA_A_B_C_D");
}

TEST(Journal, CutsANameTooLongForTheJournal) {
  EXPECT_EQ(JournalName(std::string(200, 'x')).size(), 64U);
}

TEST(Journal, WritesAFieldAsALine) {
  std::string entry;
  AppendJournalField(entry, "MESSAGE", "a=b c");
  AppendJournalField(entry, "PRIORITY", "3");
  EXPECT_EQ(entry, "MESSAGE=a=b c\nPRIORITY=3\n");
}

TEST(Journal, GivesTheLengthOfAValueWithLineEndsSoThatItCannotForgeFields) {
  std::string entry;
  AppendJournalField(entry, "MESSAGE", "x\nPRIORITY=0");
  EXPECT_EQ(entry, std::string("MESSAGE\n\x0c\0\0\0\0\0\0\0x\nPRIORITY=0\n", 29));
}

}  // namespace
}  // namespace penumbra::log
