#include <gtest/gtest.h>

#include "rules/time_pattern.hpp"
#include "rules/time_zone.hpp"

namespace penumbra::rules {
namespace {

constexpr std::int64_t kMs = 1'763'841'600'123;  // Saturday 2025-11-22 20:00:00.123 UTC

TEST(RuleTime, FormatsEveryLetterItClaims) {
  const std::pair<const char*, const char*> kCases[] = {
      {"yyyy-MM-dd", "2025-11-22"},
      {"yy M d", "25 11 22"},
      {"MMM MMMM", "Nov November"},
      {"E EEEE e", "Sat Saturday 6"},
      {"D", "326"},
      {"HH:mm:ss.SSS", "20:00:00.123"},
      {"S SS SSSSS", "1 12 12300"},
      {"h a K k", "8 PM 8 20"},
      {"z Z ZZ ZZZ", "UTC +0000 +00:00 UTC"},
      {"'T' '' G", "T ' AD"},
      {"", ""},
  };
  for (const auto& [pattern, text] : kCases) EXPECT_EQ(FormatTime(pattern, kMs, "UTC"), text) << pattern;
  EXPECT_EQ(FormatTime("HH z Z", kMs, "Europe/Berlin"), "21 CET +0100");
  EXPECT_EQ(FormatTime("HH:mm z", kMs, "+05:30"), "01:30 +05:30");
  EXPECT_EQ(FormatTime("yyyy HH:mm:ss.SSS", -1, "UTC"), "1969 23:59:59.999");
  EXPECT_EQ(FormatTime("h a", 0, "UTC"), "12 AM");
}

TEST(RuleTime, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(FormatTime("w", kMs, "UTC"));
  EXPECT_FALSE(FormatTime("'open", kMs, "UTC"));
  EXPECT_FALSE(FormatTime("yyyy", INT64_MAX, "UTC"));
  EXPECT_FALSE(FormatTime("yyyy", INT64_MIN, "UTC"));
  for (const char* zone : {"", "Mars/Base", "../../etc/passwd", "/etc/passwd", "+25:00", "+1:00:00", "UTC+"}) {
    EXPECT_FALSE(FormatTime("yyyy", kMs, zone)) << zone;
  }
  EXPECT_FALSE(FormatTime(std::string(1000, 'y'), kMs, "UTC"));
}

TEST(RuleTime, ReadsWhatThePatternSays) {
  struct Case {
    const char *text, *pattern;
    std::int64_t ms;
  };
  for (const Case& c :
       {Case{"2025-11-22 20:00:00.123", "yyyy-MM-dd HH:mm:ss.SSS", kMs},
        Case{"2025-11-22T21:00:00.123+01:00", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", kMs},
        Case{"2025-11-22T20:00:00.123Z", "yyyy-MM-dd'T'HH:mm:ss.SSSX", kMs},
        Case{"22.11.25 08 PM", "dd.MM.yy hh a", 1'763'841'600'000}, Case{"2025 326", "yyyy D", 1'763'769'600'000},
        Case{"1970", "yyyy", 0}, Case{"2024-02-29", "yyyy-MM-dd", 1'709'164'800'000},
        // The hour that comes twice in Berlin: the first one; and the one that is left out.
        Case{"2025-10-26 02:30 Europe/Berlin", "yyyy-MM-dd HH:mm VV", 1'761'438'600'000},
        Case{"2025-03-30 02:30 Europe/Berlin", "yyyy-MM-dd HH:mm VV", 1'743'298'200'000}}) {
    EXPECT_EQ(ReadTime(c.text, c.pattern), c.ms) << c.text;
  }
  const std::pair<const char*, const char*> kWrong[] = {{"2025-02-29", "yyyy-MM-dd"},
                                                        {"2025-13-01", "yyyy-MM-dd"},
                                                        {"2025-1-1", "yyyy-MM-dd"},
                                                        {"2025-01-01x", "yyyy-MM-dd"},
                                                        {"2025", "yyyy-MM"},
                                                        {"10:00", "HH:mm"},
                                                        {"2025 366", "yyyy D"},
                                                        {"2025 25", "yyyy HH"},
                                                        {"2025 x", "yyyy Q"},
                                                        {"2025 No/Zone", "yyyy VV"},
                                                        {"", "yyyy"},
                                                        {"99999999999", "y"}};
  for (const auto& [text, pattern] : kWrong) EXPECT_FALSE(ReadTime(text, pattern)) << text << " as " << pattern;
}

TEST(RuleTimeZone, RefusesDamagedFiles) {
  EXPECT_FALSE(TimeZone::FromFile(""));
  EXPECT_FALSE(TimeZone::FromFile("TZif2"));
  std::string header = "TZif2" + std::string(39, '\0');
  EXPECT_FALSE(TimeZone::FromFile(header));
  header[40] = '\x7f';
  EXPECT_FALSE(TimeZone::FromFile(header + header + std::string(100, '\0')));
}

}  // namespace
}  // namespace penumbra::rules
