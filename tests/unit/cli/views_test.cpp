#include "cli/views.hpp"

#include <gmock/gmock.h>

#include "cli/readings.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TableText, MakesForeignTextHarmless) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  EXPECT_EQ(Printable("x\xc2\x9by"), "x?y");
  EXPECT_EQ(Printable("ok °C"), "ok °C");
  EXPECT_EQ(Printable("bad\xff"), "bad\xef\xbf\xbd");
}

TEST(TableText, ShortensByCharactersNotBytes) {
  EXPECT_EQ(Shorten("grüße", 5), "grüße");
  EXPECT_EQ(Shorten("grüßen", 5), "grüß…");
  EXPECT_EQ(Shorten("°°°", 1), "…");
  EXPECT_EQ(Shorten("abc", 0), "");
}

TEST(TableText, AlignsColumnsByCharacters) {
  Table table({{"NAME"}, {"N", true}, {"UNIT"}});
  table.Row({{"ü"}, {"5"}, {"°C"}});
  table.Row({{"abcdef"}, {"123"}, {""}});
  EXPECT_EQ(table.Text({}),
            "NAME      N  UNIT\n"
            "ü         5  °C\n"
            "abcdef  123\n");
}

TEST(TableText, CutsTheLastColumnAtTheTerminalButNeverInAPipe) {
  Table table({{"A"}, {"TEXT"}});
  table.Row({{"x"}, {std::string(100, 'y')}});
  EXPECT_THAT(table.Text({}), HasSubstr(std::string(100, 'y')));
  const std::string cut = table.Text({.width = 40});
  EXPECT_EQ(cut, "A  TEXT\nx  " + std::string(36, 'y') + "…\n");
}

TEST(TableText, PaintsOnlyWhenColorsAreWanted) {
  Table table({{"STATE"}});
  table.Row({{"bad", Tone::kBad}});
  EXPECT_EQ(table.Text({}), "STATE\nbad\n");
  EXPECT_EQ(table.Text({.color = true}), "STATE\n\033[31mbad\033[0m\n");
}

constexpr std::int64_t kNow = 1'700'000'000'000;

TEST(Views, ShowADifferenceKeyByKeyAndWhatItTouches) {
  const Json report = *ParseJson(R"({"result":"needs_restart","changes":[
      {"table":"thing","name":"t","change":"changed","key":"sample_interval","from":"30s","to":"1s","effect":"live"},
      {"table":"bus","name":"b","change":"added","effect":"live"},
      {"table":"store","name":"","change":"changed","key":"retention","from":"30d","to":null,"effect":"restart"}]})");
  const std::string text = ReloadView(report, {});
  EXPECT_NE(text.find("thing t  sample_interval  30s   1s  while running"), std::string::npos) << text;
  EXPECT_NE(text.find("bus b    added"), std::string::npos) << text;
  EXPECT_NE(text.find("[store]  retention        30d   -   needs a restart"), std::string::npos) << text;
  EXPECT_NE(text.find("the old configuration stays in force"), std::string::npos) << text;
  EXPECT_EQ(ReloadView(Json{{"result", "unchanged"}}, {}), "nothing differs from what is in force\n");
}

TEST(Views, ShowAnythingThatIsJsonWithoutFailing) {
  for (
      const char* text :
      {"{}", "[]", "null", "3", R"({"things":3,"buses":{},"gateway":[],"store":"x"})",
       R"({"things":[null,3,{"thing":5,"backlog":"x","suspended_topics":[1,null]}],"points":[[]]})",
       R"({"buses":[{"load":"high","polls":-1,"units":[3,{"exceptions":[1],"round_trip_ms":5}]}],"values":[1],"story":["x"],"upstream":{"things":null}})",
       R"({"store":{"bytes":-5,"write_bytes_per_day":1e300},"sample_interval_ms":9223372036854775807})"}) {
    const auto json = ParseJson(text);
    ASSERT_TRUE(json) << text;
    StatusView(*json, {}, kNow);
    ThingsView(*json, {}, kNow);
    ThingView(*json, {}, kNow);
    BusesView(*json, {}, kNow);
    OutboxView(*json, {}, kNow);
    OrdersView(*json, {}, kNow);
    ExplainView(*json, {});
    ConfigView(*json, {}, true);
    ReloadView(*json, {});
    DiagnosticText(*json);
    ReadingsTable(Rows(*json, "points")).Page(Rows(*json, "things"), {});
  }
}

TEST(Views, StatusSaysWhatADayWritesOnceThatIsKnown) {
  const auto wear = [](std::int64_t bytes) {
    return StatusView(Json{{"store", {{"write_bytes_per_day", bytes}}}}, {}, kNow);
  };
  EXPECT_THAT(wear(0), HasSubstr("what a day writes is not known yet"));
  EXPECT_THAT(wear(1'048'576), HasSubstr("about 1MiB written a day"));
}

TEST(Views, OrdersShowWhatTheyBroughtOrWhyNot) {
  const auto orders =
      ParseJson(R"({"orders":[{"thing":"gateway-01","kind":"job","id":"job-7","action":"reboot","state":"acting",
    "verdict":"","reason":"","result":{},"received_ms":1699999880000},{"thing":"sensor-001","kind":"command","id":null,
    "action":"set","state":"answered","verdict":"rejected","reason":"too old","result":{},"received_ms":0},
    {"thing":"sensor-001","kind":"execution","id":"e1","action":"read_now","state":"done","verdict":"succeeded","reason":"",
    "result":{"temperature":21.5},"received_ms":1699999880000}]})");
  ASSERT_TRUE(orders);
  const std::string view = OrdersView(*orders, {}, kNow);
  for (const char* part : {"job-7", "acting", "2 min ago", "rejected", "too old", R"({"temperature":21.5})"}) {
    EXPECT_THAT(view, HasSubstr(part)) << view;
  }
  EXPECT_THAT(OrdersView(Json::object(), {}, kNow), HasSubstr("no orders"));
}

TEST(Views, BusesShowTheirUnits) {
  const auto buses = ParseJson(R"({"buses":[{"bus":"hall","units":[{"unit":"7","requests":9,"answers":4,"timeouts":5,
    "bad_crc":1,"exceptions":{"2":3},"last_answer_ms":1699999880000,"round_trip_ms":{"p50":12.34,"p99":null}}]}]})");
  ASSERT_TRUE(buses);
  const std::string view = BusesView(*buses, {}, kNow);
  for (const char* part : {"hall", "2: 3", "12.3", "2 min ago"}) EXPECT_THAT(view, HasSubstr(part)) << view;
  EXPECT_THAT(BusesView(*ParseJson(R"({"buses":[{"bus":"hall"}]})"), {}, kNow), Not(HasSubstr("UNIT")));
}

TEST(Views, StatusShowsWhatIsWrong) {
  const auto status = ParseJson(R"({"gateway":{"thing":"gateway-01","version":"1","clock":{"trusted":false}},
    "upstream":{"endpoint":"e.test","connected":1,"things":2},
    "things":[{"thing":"s-1","link":"waiting","backlog":12,"oldest_unsent_ms":1699999988000,"last_error":"refused",
               "state":"unreachable","reason":"timeout"}],
    "buses":[{"bus":"hall-a","state":"quarantined","load":0.5,"reason":"crashed"}],
    "store":{"bytes":2048,"trouble":"disk full"}})");
  ASSERT_TRUE(status);
  const std::string text = StatusView(*status, {}, kNow);
  for (const char* part : {"clock not trusted", "1 of 2 sessions online", "12 s ago", "timeout; refused", "50 %",
                           "quarantined", "commits fail: disk full"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Views, StatusShowsDeviceDefenderOnlyWhereItTakesNoReports) {
  const auto view = [](const char* defender) {
    return StatusView(*ParseJson(R"({"gateway":{"thing":"gateway-01","defender":)" + std::string(defender) + "}}"), {},
                      kNow);
  };
  EXPECT_THAT(view(R"({"answer":"accepted","reason":""})"), Not(HasSubstr("defender")));
  EXPECT_THAT(view(R"({"answer":"","reason":""})"), Not(HasSubstr("defender")));
  EXPECT_THAT(view(R"({"answer":"rejected","reason":"Throttled: too often"})"),
              HasSubstr("defender  reports are rejected: Throttled: too often"));
  EXPECT_THAT(view(R"({"answer":"unanswered","reason":""})"), HasSubstr("not answered"));
}

TEST(Views, ReadingsShowBadAndUncertainValuesUnderTheirPoint) {
  const auto points = ParseJson(R"([{"point":"temperature","unit":"Cel"},{"point":"humidity","unit":""}])");
  const auto rows = ParseJson(R"([{"seq":1,"time_ms":1700000000000,"sent":true,"values":{"temperature":22.5},
    "uncertain":{"temperature":"old"},"bad":{"humidity":"timeout"}}])");
  ReadingsTable table(*points);
  const std::string first = table.Page(*rows, {});
  EXPECT_THAT(first, HasSubstr("temperature (Cel)"));
  EXPECT_THAT(first, HasSubstr("22.5?"));
  EXPECT_THAT(first, HasSubstr("!timeout"));
  EXPECT_THAT(table.Page(*rows, {}), Not(HasSubstr("SEQ"))) << "the header comes once";
}

TEST(Views, ReadingsOfAnUnknownThingTakeTheirColumnsFromTheRows) {
  const auto rows = ParseJson(R"([{"seq":1,"values":{"a":1}},{"seq":2,"bad":{"b":"timeout"}}])");
  ReadingsTable table(Json::array());
  const std::string text = table.Page(*rows, {});
  EXPECT_THAT(text, HasSubstr(" a "));
  EXPECT_THAT(text, HasSubstr(" b "));
}

TEST(Views, AShadowsDiffShowsAllSidesAndWhatGoes) {
  const auto diff = ParseJson(R"({"thing":"hall","name":"","version":4,"cloud_version":9,"blocked":"400 too deep",
    "local":{"desired":{},"reported":{"setpoint":21,"new\u001b":1}},"cloud":{"desired":{},"reported":{"setpoint":20,"old":5}},
    "base":{"desired":{},"reported":{"setpoint":20,"old":5}},"to_send":{"reported":{"setpoint":21,"new\u001b":1,"old":null}}})");
  const std::string text = ShadowDiffView(*diff, {});
  EXPECT_THAT(text, HasSubstr("revision 4 here, version 9 in the cloud"));
  EXPECT_THAT(text, testing::ContainsRegex("setpoint +21 +20 +20 +21"));
  EXPECT_THAT(text, testing::ContainsRegex("old +- +5 +5 +.removes it."));
  EXPECT_THAT(text, HasSubstr("the cloud refuses it: 400 too deep"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(Views, AShadowSaysWhetherTheCloudHasItAll) {
  const auto shadow = ParseJson(R"({"thing":"hall","name":"config","version":1,"cloud_version":2,"pending":true,
    "state":{"desired":{"a":1},"reported":{"b":2}}})");
  const std::string text = ShadowView(*shadow, {});
  EXPECT_THAT(text, HasSubstr("shadow config"));
  EXPECT_THAT(text, HasSubstr("not all of this is in the cloud yet"));
  EXPECT_THAT(ShadowView(Json("odd"), {}), HasSubstr("nothing is reported yet"));
}

}  // namespace
}  // namespace penumbra::cli
