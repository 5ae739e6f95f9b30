#include "api/routes.hpp"

#include <gmock/gmock.h>

#include "api/metrics.hpp"
#include "api/render.hpp"
#include "unit/api/fake_view.hpp"

namespace penumbra::api {
namespace {

using test::FakeView;
using test::kNowMs;
using testing::HasSubstr;

class Routes : public testing::Test {
 protected:
  Response Ask(std::string_view method, std::string_view target, std::string_view payload = {}) {
    Response answer{.status = 0};
    Handle(view, counters, method, target, payload.empty() ? std::string_view(body) : payload,
           [&answer](Response response) { answer = std::move(response); });
    return answer;
  }
  Json Get(std::string_view target, int status = 200) {
    const Response answer = Ask("GET", target);
    EXPECT_EQ(answer.status, status) << answer.body;
    return ParseJson(answer.body).value_or(Json());
  }

  FakeView view;
  std::string body;
  ApiCounters counters;
};

TEST_F(Routes, AnswerUnknownPathsWithAHint) {
  for (const char* target : {"/", "/v2/status", "/v1", "/v1/status/x", "/v1/explain/sensor-001"}) {
    const Json error = Get(target, 404);
    EXPECT_TRUE(error.contains("error") && error.contains("hint")) << target;
  }
}

TEST_F(Routes, AskRefusesWhatIsNoQuestion) {
  body = "{\"ask\":\"plan\"}";
  EXPECT_EQ(Ask("POST", "/v1/buses/hall-b/ask").status, 404);
  EXPECT_THAT(Ask("POST", "/v1/buses/hall-b/ask").body, HasSubstr("did you mean \\\"hall-a\\\"?"));
  EXPECT_EQ(Ask("POST", "/v1/buses/hall-a/ask?timeout_ms=x").status, 400);
  EXPECT_EQ(Ask("GET", "/v1/buses/hall-a/ask").status, 405);
  for (const char* wrong : {"", "[]", "{"}) {
    body = wrong;
    EXPECT_EQ(Ask("POST", "/v1/buses/hall-a/ask").status, 400) << wrong;
  }
  EXPECT_EQ(view.last_ask, "");
}

TEST_F(Routes, AskPassesTheQuestionOnAndTheAnswerBack) {
  body = "{\"ask\":\"plan\"}";
  view.ask_answer.push_back({{"unit", 3}, {"from", 0}});
  EXPECT_EQ(Ask("POST", "/v1/buses/hall-a/ask?timeout_ms=70000").body,
            "{\"bus\":\"hall-a\",\"answer\":[{\"unit\":3,\"from\":0}]}\n");
  EXPECT_EQ(view.last_ask, "hall-a {\"ask\":\"plan\"} 70000");
  view.ask_error = {Action::kBackOff, "bus hall-a is quarantined"};
  EXPECT_EQ(Ask("POST", "/v1/buses/hall-a/ask").status, 503);
  view.ask_error = {Action::kGiveUp, "the driver does not answer that"};
  EXPECT_EQ(Ask("POST", "/v1/buses/hall-a/ask").status, 409);
}

TEST_F(Routes, OnlyAQuestionMayTakeLongerThanUsual) {
  using std::chrono::seconds;
  EXPECT_EQ(AnswerTime("/v1/status?timeout_ms=60000", seconds(10)), seconds(10));
  EXPECT_EQ(AnswerTime("/v1/buses/b/ask", seconds(10)), seconds(10));
  EXPECT_EQ(AnswerTime("/v1/buses/b/ask?timeout_ms=60000", seconds(10)), seconds(74));
  EXPECT_EQ(AnswerTime("/v1/buses/b/ask?timeout_ms=99999999", seconds(10)), seconds(10));
  EXPECT_EQ(AnswerTime("/v1/things/a/rotate", seconds(10)), std::chrono::minutes(5)) << "or a rotation";
}

TEST_F(Routes, RotateAThingOrSayWhyNot) {
  EXPECT_EQ(Ask("POST", "/v1/things/sensor-0001/rotate").status, 404);
  view.rotation_error = "the cloud is away";
  EXPECT_EQ(Ask("POST", "/v1/things/sensor-001/rotate").status, 503);
  view.rotation_error.clear();
  EXPECT_EQ(Ask("POST", "/v1/things/sensor-001/rotate").body,
            "{\"thing\":\"sensor-001\",\"certificate_id\":\"new\",\"old_certificate_id\":\"old\"}\n");
}

TEST_F(Routes, ARotationIsAskedForAsTheBodySaysOrNotAtAll) {
  const std::string target = "/v1/things/sensor-001/rotate";
  EXPECT_EQ(Ask("POST", target, R"({"template":"fleet","parameters":{"Serial":"{thing}"},"rsa":true})").status, 200);
  EXPECT_EQ(view.rotation_wishes.template_name, "fleet");
  EXPECT_EQ(view.rotation_wishes.parameters.at("Serial"), "{thing}");
  EXPECT_TRUE(view.rotation_wishes.rsa);
  EXPECT_EQ(Ask("POST", target, "{}").status, 200);
  EXPECT_TRUE(view.rotation_wishes.template_name.empty() && !view.rotation_wishes.rsa);
  for (const char* text : {"{", "[]", R"({"templat":"x"})", R"({"template":5})", R"({"rsa":"yes"})",
                           R"({"parameters":{"Serial":5}})", R"({"parameters":[]})"}) {
    EXPECT_EQ(Ask("POST", target, text).status, 400) << text;
  }
}

TEST_F(Routes, StatusSaysWhatIsWrongWithACertificate) {
  view.certificates = {{.thing = "sensor-001", .certificate_id = "id", .not_after_s = 5, .trouble = "expires soon"}};
  const Json certificates = Get("/v1/status")["certificates"];
  EXPECT_EQ(certificates[0]["trouble"], "expires soon");
  EXPECT_EQ(certificates[0]["not_after_s"], 5);
}

TEST_F(Routes, ReloadAnswersWhatChangedAlsoWhenItIsRefused) {
  ReloadReport report{.outcome = ReloadReport::Outcome::kNeedsRestart, .file = "penumbra.toml", .reason = "why"};
  report.diff.changes = {{"store", "", SettingsChange::Kind::kChanged, "retention", "30d", "9d", Effect::kRestart},
                         {"thing", "t", SettingsChange::Kind::kAdded, "", {}, {}, Effect::kReopen}};
  report.diagnostics = {{"penumbra.toml", 3, 1, true, "careful"}};
  view.reload_report = report;
  const Response answer = Ask("POST", "/v1/reload?dry_run=1");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(view.last_dry_run, true);
  const Json json = ParseJson(answer.body).value_or(Json());
  EXPECT_EQ(json["result"], "needs_restart");
  EXPECT_EQ(json["changes"][0], Json({{"table", "store"},
                                      {"name", ""},
                                      {"change", "changed"},
                                      {"key", "retention"},
                                      {"from", "30d"},
                                      {"to", "9d"},
                                      {"effect", "restart"}}));
  EXPECT_FALSE(json["changes"][1].contains("key"));
  EXPECT_EQ(json["diagnostics"][0]["severity"], "warning");
  EXPECT_EQ(Ask("POST", "/v1/reload").status, 200);
  EXPECT_EQ(view.last_dry_run, false);
}

TEST_F(Routes, ReloadRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Ask("POST", "/v1/reload?dryrun=1").status, 400);
  EXPECT_FALSE(view.last_trial);
  EXPECT_EQ(Ask("POST", "/v1/reload?trial_ms=60000&dry_run=1").status, 400);
  EXPECT_EQ(Ask("POST", "/v1/reload?trial_ms=700000").status, 400);
  EXPECT_FALSE(view.last_trial);
  EXPECT_EQ(Ask("POST", "/v1/reload?trial_ms=60000").status, 200);
  EXPECT_EQ(view.last_trial, Duration(std::chrono::seconds(60)));
  EXPECT_GE(AnswerTime("/v1/reload?trial_ms=60000", std::chrono::seconds(5)), std::chrono::seconds(120));
  EXPECT_EQ(Ask("POST", "/v1/reload?dry_run=2").status, 400);
  EXPECT_EQ(Ask("GET", "/v1/reload").status, 405);
  view.reload_report = Fail(Action::kRetry, "the daemon is stopping");
  EXPECT_EQ(Ask("POST", "/v1/reload").status, 503);
  EXPECT_FALSE(view.last_dry_run.value_or(true));
}

TEST_F(Routes, AnswerTheWrongMethodWithTheRightOne) {
  EXPECT_EQ(Ask("POST", "/v1/status").status, 405);
  EXPECT_EQ(Ask("POST", "/v1/status").allow, "GET");
  EXPECT_EQ(Ask("GET", "/v1/things/sensor-001/read").allow, "POST");
  EXPECT_EQ(Ask("BREW", "/v1/status").status, 405);
}

TEST_F(Routes, AnswerABadTargetWith400) {
  EXPECT_EQ(Ask("GET", "/v1/things/%zz").status, 400);
  EXPECT_EQ(Ask("GET", "nonsense").status, 400);
}

TEST_F(Routes, SuggestTheThingThatWasMeant) {
  EXPECT_EQ(Get("/v1/things/sensor-01", 404)["hint"], "did you mean \"sensor-001\"?");
  EXPECT_EQ(Get("/v1/explain/sensor-001/temprature", 404)["hint"], "did you mean \"temperature\"?");
}

TEST_F(Routes, RefuseBadReadingParameters) {
  for (const char* query : {"limit=x", "limit=1001", "limit=-1", "since_ms=1.5", "newest=2", "colour=red",
                            "since_ms=99999999999999999999"}) {
    EXPECT_EQ(Ask("GET", std::string("/v1/readings/sensor-001?") + query).status, 400) << query;
  }
  EXPECT_EQ(Get("/v1/readings/sensor-001?limt=5", 400)["hint"], "did you mean \"limit\"?");
}

TEST_F(Routes, StatusHasExactlyThePromisedShape) {
  const Json status = Get("/v1/status");
  const auto has = [](const Json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys) EXPECT_TRUE(object.contains(key)) << key << " in " << object.dump();
  };
  has(status, {"gateway", "upstream", "things", "buses", "store"});
  has(status["gateway"], {"thing", "version", "started_ms", "clock"});
  EXPECT_EQ(status["gateway"]["clock"]["trusted"], true);
  EXPECT_EQ(status["upstream"]["endpoint"], "example.test");
  has(status["things"][0],
      {"thing", "link", "protocol", "backlog", "oldest_unsent_ms", "last_reading_ms", "last_error"});
  has(status["buses"][0], {"bus", "driver", "state", "load", "polls", "errors", "restarts"});
  has(status["store"], {"bytes", "readings", "write_bytes_per_day", "last_commit_ms"});
  EXPECT_EQ(status["store"]["write_bytes_per_day"], 24'000);
}

TEST_F(Routes, StatusSaysWhetherDeviceDefenderTakesTheReports) {
  EXPECT_FALSE(Get("/v1/status")["gateway"].contains("defender")) << "it is off";
  view.info.defender = {.on = true, .answer = "rejected", .reason = "InvalidPayload: bad", .at_ms = 5};
  EXPECT_EQ(Get("/v1/status")["gateway"]["defender"],
            Json::parse(R"({"answer":"rejected","reason":"InvalidPayload: bad","at_ms":5})"));
}

TEST_F(Routes, StatusCountsSessionsWithTheGatewaysOwn) {
  view.link().link = "waiting";
  view.links.push_back({.thing = "not-configured-any-more", .link = "online"});
  const Json upstream = Get("/v1/status")["upstream"];
  EXPECT_EQ(upstream["connected"], 1);
  EXPECT_EQ(upstream["things"], 2);
}

TEST_F(Routes, StatusShowsAThingThatNobodyKnowsYet) {
  view.things.clear();
  view.links.clear();
  const Json thing = Get("/v1/status")["things"][0];
  EXPECT_EQ(thing["link"], "offline");
  EXPECT_EQ(thing["last_reading_ms"], kNowMs - 4'000);  // the store's newest
}

TEST_F(Routes, ForeignTextCannotBreakTheJson) {
  view.link().last_error = "bad \xff\xfe bytes \"quoted\"\n\x1b[2J";
  view.buses[0].load = std::numeric_limits<double>::quiet_NaN();
  const Json status = Get("/v1/status");
  EXPECT_THAT(status["things"][0]["last_error"].get<std::string>(), HasSubstr("\"quoted\""));
  EXPECT_EQ(status["buses"][0]["load"], 0);
}

TEST_F(Routes, AThingShowsItsPointsInConfiguredOrderAlsoUnread) {
  view.thing().points.erase("temperature");
  const Json thing = Get("/v1/things/sensor-001");
  EXPECT_EQ(thing["points"][0]["point"], "temperature");
  EXPECT_EQ(thing["points"][0]["value"], nullptr);
  EXPECT_EQ(thing["points"][0]["quality"], "bad");
  EXPECT_EQ(thing["points"][1]["value"], 51.0);
  EXPECT_EQ(Get("/v1/things")["things"].size(), 1u);
}

TEST_F(Routes, ReadNowAnswersTheReadingOrWhyThereIsNone) {
  const Response answer = Ask("POST", "/v1/things/sensor-001/read");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(view.last_read, "sensor-001");
  EXPECT_THAT(answer.body, HasSubstr("\"values\":{\"temperature\":23.5},\"bad\":{\"humidity\":\"timeout\"}"));
  view.read_error = "the unit does not answer";
  EXPECT_EQ(Ask("POST", "/v1/things/sensor-001/read").status, 503);
}

TEST_F(Routes, ReadingsPageForward) {
  view.rows.clear();
  for (std::uint64_t seq = 1; seq <= 5; ++seq) view.rows.push_back(FakeView::Row(seq, 20.0, seq < 3));
  const Json first = Get("/v1/readings/sensor-001?limit=2");
  EXPECT_EQ(first["more"], true);
  EXPECT_EQ(first["readings"][1]["seq"], 2);
  const Json last = Get("/v1/readings/sensor-001?limit=3&after_seq=2");
  EXPECT_EQ(last["more"], false);
  EXPECT_EQ(last["readings"].size(), 3u);
  EXPECT_EQ(last["readings"][0]["sent"], false);
}

TEST_F(Routes, ReadingsKeepTheNewestEndWhenAsked) {
  view.rows.clear();
  for (std::uint64_t seq = 1; seq <= 5; ++seq) view.rows.push_back(FakeView::Row(seq, 20.0, true));
  const Json page = Get("/v1/readings/sensor-001?limit=2&newest=1");
  EXPECT_EQ(page["readings"].size(), 2u);
  EXPECT_EQ(page["readings"][0]["seq"], 4);
  EXPECT_EQ(page["readings"][1]["seq"], 5);
  EXPECT_EQ(page["more"], true);
}

TEST_F(Routes, ReadingsOfAThingThatIsOnlyStoredAreShown) {
  view.outbox["old-thing"] = {};
  EXPECT_EQ(Ask("GET", "/v1/readings/old-thing").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/readings/no-thing").status, 404);
}

TEST_F(Routes, StoreTroubleIsSaidToWhoeverAsks) {
  view.store_error = "the store's queue is full";
  EXPECT_EQ(Ask("GET", "/v1/readings/sensor-001").status, 503);
  EXPECT_THAT(Ask("GET", "/v1/explain/sensor-001/temperature").body, HasSubstr("the store's queue is full"));
}

TEST_F(Routes, OutboxShowsWhatIsNotConfiguredAnyMore) {
  view.outbox["old-thing"] = {.unsent = 9};
  view.outbox["sensor-001"].unsent = 1;
  const Json outbox = Get("/v1/outbox");
  EXPECT_EQ(outbox["unsent"], 10);
  EXPECT_EQ(outbox["things"][1]["thing"], "old-thing");
  EXPECT_EQ(outbox["things"][1]["configured"], false);
}

TEST_F(Routes, ConfigNamesEachOrigin) {
  EXPECT_EQ(Get("/v1/config")["values"][0],
            (Json{{"key", "store.retention"}, {"value", "\"30d\""}, {"origin", "default"}}));
}

TEST(RenderReadings, CutsAtTheByteBoundOnTheEndThatCanBeAskedForAgain) {
  std::vector<StoredReading> rows;
  for (std::uint64_t seq = 1; seq <= 10; ++seq) rows.push_back(FakeView::Row(seq, 20.0, true));
  const std::size_t one = Text(Render(rows[0])).size() + 1;
  const auto ascending = ParseJson(RenderReadings("t", rows, false, false, one * 3));
  EXPECT_EQ((*ascending)["readings"].size(), 3u);
  EXPECT_EQ((*ascending)["readings"][0]["seq"], 1);
  EXPECT_EQ((*ascending)["more"], true);
  // The row of seq 10 is one digit longer.
  const auto newest = ParseJson(RenderReadings("t", rows, true, false, one * 3 + 1));
  EXPECT_EQ((*newest)["readings"][2]["seq"], 10);
  EXPECT_EQ((*ParseJson(RenderReadings("t", rows, false, false, 1)))["readings"].size(), 1u) << "one row always goes";
}

TEST_F(Routes, MetricsAreOneFamilyEachWithEscapedLabels) {
  view.config.things.push_back({.name = "odd\"name\\\n"});
  view.order_counts.done = 5;
  const Response answer = Ask("GET", "/metrics");
  EXPECT_THAT(answer.content_type, HasSubstr("version=0.0.4"));
  EXPECT_THAT(answer.body, HasSubstr("penumbra_orders_total{end=\"succeeded\"} 5\n"));
  EXPECT_THAT(answer.body, HasSubstr("penumbra_thing_sensor_ok{thing=\"sensor-001\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("penumbra_bus_polls_total{bus=\"hall-a\"} 100\n"));
  EXPECT_THAT(answer.body, HasSubstr("penumbra_thing_online{thing=\"odd\\\"name\\\\\\n\"} 0\n"));
  std::set<std::string> families;
  std::istringstream lines(answer.body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(families.insert(line).second) << line;
    }
  }
  EXPECT_GT(families.size(), 15u);
}

TEST_F(Routes, ShadowsAndTheirParametersAreChecked) {
  EXPECT_EQ(Get("/v1/shadows/sensor-01", 404)["hint"], "did you mean \"sensor-001\"?");
  Get("/v1/shadows/sensor-001?name=config", 404);
  Get("/v1/shadows/sensor-001?nam=config", 400);
  EXPECT_EQ(Ask("POST", "/v1/shadows/sensor-001").allow, "GET");
  EXPECT_EQ(Ask("GET", "/v1/shadows/sensor-001/desired").allow, "POST");
}

TEST_F(Routes, TheGatewaysOwnShadowIsShownAndNothingIsDesiredOfIt) {
  view.config.gateway.thing = "gateway-01";
  view.shadows["health"] = view.shadows[""];
  EXPECT_EQ(Get("/v1/shadows/gateway-01?name=health")["version"], 7);
  Get("/v1/shadows/gateway-01?name=other", 404);
  EXPECT_EQ(Ask("POST", "/v1/shadows/gateway-01/desired?name=health", R"({"status":"ok"})").status, 400);
  EXPECT_TRUE(view.last_shadow.empty());
}

TEST_F(Routes, DesiredIsAnObjectOrNothingIsChanged) {
  for (const char* wrong : {"", "{", "21", "[1]", "null", "{\"a\":1}x"}) {
    EXPECT_EQ(Ask("POST", "/v1/shadows/sensor-001/desired", wrong).status, 400) << wrong;
  }
  EXPECT_TRUE(view.last_shadow.empty());
  view.patch_error = "setpoint: above max 30";
  const Response refused = Ask("POST", "/v1/shadows/sensor-001/desired", R"({"setpoint":99})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr("above max 30"));
}

TEST_F(Routes, SetDesiredAnswersTheShadow) {
  const Response answer = Ask("POST", "/v1/shadows/sensor-001/desired", R"({"setpoint":23})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(view.last_shadow, "sensor-001/");
  EXPECT_EQ(view.last_patch, Json({{"setpoint", 23}}));
  EXPECT_EQ(ParseJson(answer.body).value()["state"]["desired"], Json({{"setpoint", 23}}));
}

TEST_F(Routes, AShadowHasExactlyThePromisedShape) {
  EXPECT_EQ(Get("/v1/shadows/sensor-001"),
            Json::parse(R"({"thing":"sensor-001","name":"","state":{"desired":{"setpoint":21.5},
              "reported":{"setpoint":20.0,"temperature":22.5}},"version":7,"cloud_version":12,"pending":true})"));
  const Json diff = Get("/v1/shadows/sensor-001/diff");
  EXPECT_EQ(diff["local"]["reported"]["temperature"], 22.5);
  EXPECT_EQ(diff["cloud"]["reported"], Json({{"setpoint", 20.0}}));
  EXPECT_EQ(diff["to_send"], Json::parse(R"({"reported":{"temperature":22.5}})"));
  EXPECT_TRUE(diff.contains("base") && diff.contains("blocked"));
  view.shadows[""].cloud_exists = false;
  EXPECT_TRUE(Get("/v1/shadows/sensor-001/diff")["cloud"].is_null());
}

TEST_F(Routes, ExplainTellsWhatBecameOfADesiredValue) {
  view.config.things[0].points[0].writable.emplace();
  view.command = api::CommandInfo{"refused", 99, "above max 30", 12, 1};
  const std::string story = Get("/v1/explain/sensor-001/temperature")["story"].dump();
  EXPECT_THAT(story, HasSubstr("99 (version 12) is refused: above max 30; it overtook 1 older value"));
  view.command.reset();
  EXPECT_THAT(Get("/v1/explain/sensor-001/temperature")["story"].dump(), HasSubstr("nothing is desired"));
}

TEST_F(Routes, OrdersOfEveryThingSayHowFarTheyGotAndWhatBecameOfThem) {
  orders::OrderRow job{.channel = orders::Channel::kJob, .id = "job-7", .seq = 1, .action = "reboot"};
  job.phase = orders::Phase::kActing;
  job.receipt.unix_ms = 1'700'000'000'000;
  orders::OrderRow command{.id = "p-1", .anonymous = true, .seq = 2, .action = "read_now"};
  command.phase = orders::Phase::kAnswered;
  command.verdict = orders::Verdict::kFailed;
  command.reason = "timeout";
  view.order_rows = {{"gateway-01", {job}}, {"sensor-001", {command}}};
  const Json all = Get("/v1/orders")["orders"];
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0], Json({{"thing", "gateway-01"},
                          {"kind", "job"},
                          {"id", "job-7"},
                          {"action", "reboot"},
                          {"state", "acting"},
                          {"verdict", ""},
                          {"reason", ""},
                          {"result", Json::object()},
                          {"received_ms", 1'700'000'000'000},
                          {"asked_ms", 0}}));
  EXPECT_TRUE(all[1]["id"].is_null()) << "the sender gave none";
  EXPECT_EQ(all[1]["verdict"], "failed");
  EXPECT_EQ(Get("/v1/orders/sensor-001")["orders"].size(), 1U);
  const Response unknown = Ask("GET", "/v1/orders/sensor-01");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, testing::HasSubstr("sensor-001"));
  EXPECT_EQ(Ask("POST", "/v1/orders").status, 405);
}

}  // namespace
}  // namespace penumbra::api
