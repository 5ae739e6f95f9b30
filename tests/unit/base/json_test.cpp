#include "base/json.hpp"

#include <gtest/gtest.h>

namespace penumbra {
namespace {

TEST(JsonAccess, KeepsSixtyFourBitIntegersExact) {
  const auto json = ParseJson(R"({"a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615})");
  ASSERT_TRUE(json);
  EXPECT_EQ(GetInt(*json, "a"), 9007199254740993);
  EXPECT_EQ(GetInt(*json, "b"), INT64_MIN);
  EXPECT_EQ(GetInt(*json, "c"), std::nullopt);  // does not fit
  EXPECT_EQ(Dump(*json), R"({"a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615})");
}

TEST(JsonAccess, RefusesWhatIsNotStrictJson) {
  for (const char* text : {"", "{", "{'a':1}", "{\"a\":1,}", "NaN", "[1] 2", "// x\n1", "\"\xff\"", "1e999999"}) {
    const auto json = ParseJson(text);
    EXPECT_FALSE(json) << text;
  }
}

TEST(JsonAccess, RefusesDepthBeforeItCostsStack) {
  EXPECT_TRUE(ParseJson(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')));
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '[')));
  EXPECT_TRUE(ParseJson("\"" + std::string(100, '[') + "\""));  // brackets in text are text
}

TEST(JsonAccess, AnswersNothingForAMissingKeyOrAnotherType) {
  const Json json = {{"s", "x"}, {"n", 1.5}, {"b", true}};
  EXPECT_EQ(GetString(json, "n"), std::nullopt);
  EXPECT_EQ(GetInt(json, "n"), std::nullopt);
  EXPECT_EQ(GetNumber(json, "b"), std::nullopt);
  EXPECT_EQ(GetBool(json, "missing"), std::nullopt);
  EXPECT_EQ(GetBool(Json::array(), "b"), std::nullopt);
}

}  // namespace
}  // namespace penumbra
