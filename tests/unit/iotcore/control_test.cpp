// How a command line of the control socket is split.
#include "iotcore/control.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SplitCommand, CutsAtSpaces) {
  EXPECT_THAT(SplitCommand("  delay   200 \r\n"), ElementsAre("delay", "200"));
  EXPECT_THAT(SplitCommand("   "), IsEmpty());
  EXPECT_THAT(SplitCommand(""), IsEmpty());
}

TEST(SplitCommand, ADocumentIsOneWord) {
  EXPECT_THAT(SplitCommand(R"(shadow update x {"a": 1, "b": [1, 2]} )"),
              ElementsAre("shadow", "update", "x", R"({"a": 1, "b": [1, 2]})"));
}

TEST(SplitCommand, TheLastWordTakesTheRestWhenThereAreTooMany) {
  std::string line;
  for (int i = 0; i < 100; ++i) line += "w ";
  EXPECT_EQ(SplitCommand(line).size(), kMaxWords);
}

}  // namespace
}  // namespace penumbra::iotcore
