#include "base/text.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/log.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

TEST(Durations, AreReadWithTheirUnits) {
  EXPECT_EQ(ParseDuration("250ms"), 250ms);
  EXPECT_EQ(ParseDuration("1.5m"), 90s);
  EXPECT_EQ(ParseDuration("1m30s"), 90s);
  EXPECT_EQ(ParseDuration("30d"), 720h);
  EXPECT_EQ(ParseDuration("0s"), 0s);
}

TEST(Durations, WithoutAUnitOrWithNonsenseAreErrorsThatSayWhatToWrite) {
  for (const char* text : {"", "30", "s", "-5s", "5 s", "5parsecs", "1e3s", "999999999999d", "nan s"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().action, Action::kFixConfig);
    EXPECT_NE(parsed.error().message.find("\"30s\""), std::string::npos);
  }
}

TEST(Durations, AreWrittenSoThatTheyReadBack) {
  for (const auto d : {Duration(0), Duration(1ns), Duration(1500ms), Duration(90s), Duration(48h), Duration(61s)}) {
    EXPECT_EQ(ParseDuration(FormatDuration(d)), d) << FormatDuration(d);
  }
}

TEST(Sizes, AreReadInBinaryAndDecimalUnits) {
  EXPECT_EQ(ParseSize("64MiB"), 64ULL << 20);
  EXPECT_EQ(ParseSize("4.5KiB"), 4608u);
  EXPECT_EQ(ParseSize("50MB"), 50'000'000u);
  EXPECT_FALSE(ParseSize("64"));
  EXPECT_FALSE(ParseSize("64MiBs"));
}

TEST(Suggestions, FindTheSlipAndLeaveStrangersAlone) {
  EXPECT_EQ(Suggest("sample_intervall", {"sample_interval", "topic"}), "sample_interval");
  EXPECT_EQ(Suggest("tpoic", {"sample_interval", "topic"}), "topic");  // two letters swapped are one slip
  EXPECT_EQ(Suggest("hots", {"port", "host"}), "host");
  EXPECT_EQ(Suggest("tpco", {"sample_interval", "topic"}), std::nullopt);
  EXPECT_EQ(Suggest("adress", {"address", "table"}), "address");
  EXPECT_EQ(Suggest("colour", {"sample_interval", "topic"}), std::nullopt);
}

TEST(ThingNames, AreWhatAwsAllows) {
  EXPECT_TRUE(IsThingName("sensor-001:a_B"));
  EXPECT_FALSE(IsThingName(""));
  EXPECT_FALSE(IsThingName("a/b"));
  EXPECT_FALSE(IsThingName("a+"));
  EXPECT_FALSE(IsThingName(std::string(129, 'a')));
}

TEST(Numbers, AreWrittenInTheirShortestForm) {
  EXPECT_EQ(NumberText(22.5), "22.5");
  EXPECT_EQ(NumberText(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(NumberText(1e21), "1e+21");
  EXPECT_EQ(NumberText(NAN), "null");
}

TEST(Utf8, RefusesOverlongSurrogatesAndCutSequences) {
  EXPECT_TRUE(IsUtf8("grün \xE2\x82\xAC \xF0\x9F\x98\x80"));
  for (const char* text :
       {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF8\x88\x80\x80\x80"}) {
    EXPECT_FALSE(IsUtf8(text));
  }
}

TEST(Log, QuotesWhatNeedsItAndNeverBreaksTheLine) {
  EXPECT_EQ(log::Format("bus.open", "two words", {{"bus", "hall-a"}, {"why", "a \"b\"\nc"}, {"n", 3}}),
            "event=bus.open msg=\"two words\" bus=hall-a why=\"a \\\"b\\\"\\x0ac\" n=3");
}

}  // namespace
}  // namespace penumbra
