#include "cli/store_verbs.hpp"

#include <gtest/gtest.h>

namespace penumbra::cli {
namespace {

constexpr std::int64_t kNow = 1'763'841'600'000;  // 2025-11-22T20:00:00Z

TEST(StoreVerbs, ParsesMomentsAndSaysWhatElseIsNone) {
  EXPECT_EQ(*ParseMoment("2h", kNow), kNow - 7'200'000);
  EXPECT_EQ(*ParseMoment("1763841600123", kNow), 1'763'841'600'123);
  EXPECT_EQ(*ParseMoment("2025-11-22T20:00:00Z", 0), kNow);
  EXPECT_EQ(*ParseMoment("2025-11-22 20:00:00", 0), kNow);
  EXPECT_EQ(*ParseMoment("2025-11-22", 0), kNow - 20 * 3'600'000);
  for (const char* wrong : {"", "yesterday", "2025-11-22T20:00:00+01:00", "2025-13-01", "-5"}) {
    const auto moment = ParseMoment(wrong, kNow);
    ASSERT_FALSE(moment) << wrong;
    EXPECT_NE(moment.error().message.find("2h"), std::string::npos);
  }
}

TEST(StoreVerbs, QuotesCsvFieldsOnlyWhereTheyNeedIt) {
  EXPECT_EQ(CsvField("plain"), "plain");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(CsvField("two\nlines"), "\"two\nlines\"");
}

TEST(StoreVerbs, TheViewForecastsAndSurvivesAnything) {
  const auto store = ParseJson(R"({"file":"/x/penumbra.db","bytes":1048576,"write_bytes_per_day":50000000,
    "endurance":1000000000000,"write_budget":1000000,"over_budget":true,"trouble":"disk full",
    "forecast":{"bytes_per_day":50000000,"bytes_per_year":18250000000,"endurance_per_year":0.01825,"years_left":54.8}})");
  ASSERT_TRUE(store);
  const std::string text = StoreView(*store, Style{}, kNow);
  for (const char* part : {"1.8 %", "55 years", "still exceeds", "disk full", "/x/penumbra.db"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  for (const char* odd : {"{}", "[]", "null", R"({"forecast":7,"bytes":-1,"retention_ms":9223372036854775807})"}) {
    EXPECT_FALSE(StoreView(*ParseJson(odd), Style{}, kNow).empty());
  }
}

TEST(StoreVerbs, TheViewTellsOfDatabasesThatWereSetAsideOnlyWhenThereAreSome) {
  EXPECT_EQ(StoreView(*ParseJson(R"({"kept_files":0})"), Style{}, kNow).find("aside"), std::string::npos);
  const std::string one = StoreView(*ParseJson(R"({"kept_files":1,"kept_bytes":1048576})"), Style{}, kNow);
  EXPECT_NE(one.find("aside     1 damaged or foreign database beside it, 1MiB"), std::string::npos) << one;
  const std::string two = StoreView(*ParseJson(R"({"kept_files":2,"kept_bytes":1048576})"), Style{}, kNow);
  EXPECT_NE(two.find("2 damaged or foreign databases"), std::string::npos) << two;
}

}  // namespace
}  // namespace penumbra::cli
