#include "api/target.hpp"

#include <gtest/gtest.h>

namespace penumbra::api {
namespace {

TEST(Target, RefusesWhatIsNotAPath) {
  for (const char* text : {"", "v1/status", "*", "http://host/v1"}) EXPECT_FALSE(ParseTarget(text)) << text;
}

TEST(Target, RefusesBrokenPercentSigns) {
  for (const char* text : {"/%", "/%4", "/%zz", "/a?b=%f", "/a?%=1"}) EXPECT_FALSE(ParseTarget(text)) << text;
}

TEST(Target, RefusesANulAndBytesThatAreNotUtf8) {
  EXPECT_FALSE(ParseTarget("/v1/things/a%00b"));
  EXPECT_FALSE(ParseTarget("/v1/things/%ff%fe"));
  EXPECT_FALSE(ParseTarget("/v1?limit=%c3"));
}

TEST(Target, RefusesAParameterThatIsGivenTwice) {
  EXPECT_FALSE(ParseTarget("/v1?limit=1&limit=2"));
  EXPECT_FALSE(ParseTarget("/v1?limit=1&%6cimit=2"));
}

TEST(Target, RefusesMoreThanItsBounds) {
  std::string path, query = "/?";
  for (std::size_t i = 0; i < kMaxSegments; ++i) path += "/a";
  for (std::size_t i = 0; i < kMaxParameters; ++i) query += "p" + std::to_string(i) + "=1&";
  EXPECT_TRUE(ParseTarget(path));
  EXPECT_FALSE(ParseTarget(path + "/a"));
  EXPECT_TRUE(ParseTarget(query));
  EXPECT_FALSE(ParseTarget(query + "last=1"));
}

TEST(Target, DecodesPathAndQueryAfterSplittingThem) {
  const auto target = ParseTarget("//v1/things/a%2Fb%3fc/?since_ms=5&name=x%26y+z&empty&=#part");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (std::vector<std::string>{"v1", "things", "a/b?c"}));
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(target->query, (Pairs{{"since_ms", "5"}, {"name", "x&y+z"}, {"empty", ""}, {"", ""}}));
}

TEST(Target, EncodesAnyTextSoThatItDecodesToTheSame) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
  EXPECT_EQ(PercentEncode("a:b/ü"), "a%3Ab%2F%C3%BC");
}

TEST(Target, ReadsOnlyWholeNumbersWithinTheBound) {
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "11", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseNumber(text, 10)) << text;
  }
  EXPECT_EQ(ParseNumber("10", 10), 10u);
}

}  // namespace
}  // namespace penumbra::api
