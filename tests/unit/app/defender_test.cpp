// Device Defender's reports: when, with which id, what they count, and what becomes of the answers.
#include "app/defender.hpp"

#include <gmock/gmock.h>

#include "support/fake_store.hpp"
#include "support/virtual_loop.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const std::string kTopic = "$aws/things/gateway-01/defender/metrics/json";

class FakeLink : public ThingLink {
 public:
  const std::string& thing() const override { return name; }
  bool online() const override { return true; }
  Duration MayHaveWaited() const override { return Duration::zero(); }
  std::shared_ptr<mqtt::PendingAck> TakeAck() override { return nullptr; }
  void Publish(std::string topic, std::string payload, std::function<void(Status)> done) override {
    EXPECT_EQ(topic, kTopic);
    reports.push_back(*ParseJson(payload));
    dones.push_back(std::move(done));
  }
  std::string name = "gateway-01";
  std::vector<Json> reports;
  std::vector<std::function<void(Status)>> dones;
};

struct DefenderTest : testing::Test {
  DefenderTest() { Start(); }
  // A daemon that starts, or starts again.
  void Start() {
    trust = std::make_unique<TimeTrust>(loop.virtual_clock, true, 0);
    defender = std::make_unique<Defender>(Defender::World{loop, *trust, store, settings, "gateway-01", [this] {
                                                            return "eth0: " + std::to_string(bytes_in) +
                                                                   " 0 0 0 0 0 0 0 0 0\n";
                                                          }});
  }
  // How many reports there are after another look.
  std::size_t Look() {
    trust->Sample();
    defender->Tell(link, {{"backlog", 7}, {"oldest_unsent_s", 90}, {"bus_load", 0.25}, {"sessions", 3}});
    return link.reports.size();
  }
  void Taken() { link.dones.back()(Status{}); }
  void Accept() { defender->OnMessage(kTopic + "/accepted", R"({"status":"ACCEPTED"})"); }
  void Reject() {
    defender->OnMessage(kTopic + "/rejected",
                        R"({"status":"REJECTED","statusDetails":{"ErrorCode":"InvalidPayload","ErrorMessage":"bad"}})");
  }
  std::int64_t Id() const { return link.reports.back()["header"]["report_id"]; }
  // What the last report says was received since the one before; nullopt: nothing.
  std::optional<std::int64_t> BytesIn() const {
    const Json& report = link.reports.back();
    if (!report.contains("metrics")) return std::nullopt;
    return report["metrics"]["network_stats"]["bytes_in"].get<std::int64_t>();
  }
  std::int64_t Seconds() { return loop.clock().UnixMs() / 1000; }

  test::VirtualLoop loop;
  test::FakeStore store{loop};
  HealthSettings settings{.defender = true};
  std::unique_ptr<TimeTrust> trust;
  FakeLink link;
  std::uint64_t bytes_in = 1000;
  std::unique_ptr<Defender> defender;
};

TEST_F(DefenderTest, ReportsEveryFiveMinutesOrLessOftenAndNeverMoreOften) {
  EXPECT_EQ(Look(), 1U) << "the first one at once";
  Taken();
  loop.Advance(299s);
  EXPECT_EQ(Look(), 1U);
  settings.interval = 2s;
  EXPECT_EQ(Look(), 1U) << "AWS throttles";
  loop.Advance(1s);
  EXPECT_EQ(Look(), 2U);
  Taken();
  settings.interval = 10min;
  loop.Advance(599s);
  EXPECT_EQ(Look(), 2U);
  loop.Advance(1s);
  EXPECT_EQ(Look(), 3U);
}

TEST_F(DefenderTest, CountsTheIntervalFromWhenTheReportHadArrived) {
  Look();
  loop.Advance(20s);
  Taken();
  loop.Advance(290s);
  EXPECT_EQ(Look(), 1U) << "AWS may have got it 290 s ago";
  loop.Advance(10s);
  EXPECT_EQ(Look(), 2U);
}

TEST_F(DefenderTest, ReportsNotTooEarlyAfterARestartAndSoonWhenItWasLong) {
  Look();
  Taken();
  loop.Advance(100s);
  Start();
  EXPECT_EQ(Look(), 1U) << "AWS has got one 100 s ago";
  loop.Advance(201s);
  EXPECT_EQ(Look(), 2U);
  loop.Advance(1h);
  settings.interval = 20min;
  Start();
  EXPECT_EQ(Look(), 3U);
  loop.Advance(19min);
  Start();
  EXPECT_EQ(Look(), 3U);
  loop.Advance(1min);
  EXPECT_EQ(Look(), 4U);
}

TEST_F(DefenderTest, IdsAreTimesAndGrowOverRestartsAndClocksThatGoBack) {
  Look();
  const std::int64_t first = Id();
  EXPECT_EQ(first, Seconds());
  loop.virtual_clock.unix_epoch_ms -= 86'400'000;
  Start();
  EXPECT_EQ(Look(), 1U) << "the clock does not say how long ago the last one was";
  loop.Advance(300s);
  EXPECT_EQ(Look(), 2U);
  EXPECT_EQ(Id(), first + 1);
  loop.virtual_clock.unix_epoch_ms += 2 * 86'400'000;
  Start();
  Look();
  EXPECT_EQ(Id(), Seconds());
}

TEST_F(DefenderTest, WhatTheStoreHasIsNoIdIsNoReasonToFail) {
  for (const char* text : {"", "x", "-5", "12x", "99999999999999999999"}) {
    store.PutSetting(Defender::kReportIdSetting, text, {});
    Start();
    Look();
    EXPECT_EQ(Id(), Seconds()) << text;
  }
}

TEST_F(DefenderTest, CountsWhatWasReceivedSinceTheLastReportThatWasTaken) {
  const auto next = [this](std::uint64_t received) {
    bytes_in += received;
    loop.Advance(300s);
    Look();
    return BytesIn();
  };
  Look();
  EXPECT_EQ(BytesIn(), std::nullopt) << "there is nothing to subtract";
  Taken();
  Accept();
  EXPECT_EQ(next(50), 50);
  link.dones.back()(Fail(Action::kRetry, "the session ended"));
  EXPECT_EQ(next(5), 55) << "what a lost report counted is part of the next one";
  Taken();
  Reject();
  EXPECT_EQ(next(5), 60) << "and so is what a refused one did";
  Reject();  // may come before the PUBACK
  Taken();
  EXPECT_EQ(next(5), 65);
  Taken();
  EXPECT_EQ(next(5), 5) << "without an answer the PUBACK counts";
  link.dones[4](Status{});
  EXPECT_EQ(next(5), 10) << "a late PUBACK of an earlier one does not";
  bytes_in = 10;
  Taken();
  EXPECT_EQ(next(0), 0) << "an interface that went away took its counter along";
}

TEST_F(DefenderTest, SaysWhetherItsReportsAreTaken) {
  EXPECT_EQ(defender->Subscriptions(), (std::vector<std::string>{kTopic + "/accepted", kTopic + "/rejected"}));
  EXPECT_TRUE(defender->state().on);
  Look();
  Taken();
  EXPECT_EQ(defender->state().answer, "");
  Reject();
  EXPECT_EQ(defender->state().answer, "rejected");
  EXPECT_EQ(defender->state().reason, "InvalidPayload: bad");
  EXPECT_EQ(defender->state().at_ms, trust->UnixMs());
  defender->OnMessage("$aws/things/gateway-01/jobs/notify", "{}");
  EXPECT_EQ(defender->state().answer, "rejected") << "somebody else's message";
  loop.Advance(300s);
  Look();
  Taken();
  Accept();
  EXPECT_EQ(defender->state().answer, "accepted");
  EXPECT_EQ(defender->state().reason, "");
  loop.Advance(300s);
  Look();
  loop.Advance(300s);
  Look();
  EXPECT_EQ(defender->state().answer, "accepted") << "a report that did not arrive needs no answer";
  Taken();
  loop.Advance(300s);
  Look();
  EXPECT_EQ(defender->state().answer, "unanswered");
  settings.defender = false;
  EXPECT_TRUE(defender->Subscriptions().empty());
  EXPECT_FALSE(defender->state().on);
}

TEST(DefenderReport, HasTheShapeThatAwsTakes) {
  const Json figures = {{"backlog", 7}, {"oldest_unsent_s", 90}, {"bus_load", 0.25}, {"sessions", 3}};
  const Json report =
      DefenderReport(figures, 1'763'841'600, NetworkTotals{100, 50, 3, 2}, NetworkTotals{150, 20, 5, 2});
  EXPECT_EQ(report, Json::parse(R"({"header":{"report_id":1763841600,"version":"1.0"},
      "metrics":{"network_stats":{"bytes_in":50,"bytes_out":0,"packets_in":2,"packets_out":0}},
      "custom_metrics":{"backlog":[{"number":7}],"oldest_unsent_s":[{"number":90}],"bus_load":[{"number":0.25}]}})"));
  EXPECT_FALSE(DefenderReport(figures, 1, std::nullopt, NetworkTotals{}).contains("metrics"));
}

TEST(DefenderAnswer, IsOneShortLineWhateverComes) {
  const auto details = [](const char* json) {
    return RejectionReason(R"({"statusDetails":)" + std::string(json) + "}");
  };
  EXPECT_EQ(details(R"({"ErrorCode":"Throttled","ErrorMessage":"too often"})"), "Throttled: too often");
  EXPECT_EQ(details(R"({"ErrorCode":"Throttled"})"), "Throttled");
  EXPECT_EQ(details(R"({"ErrorMessage":"too often"})"), "too often");
  for (const char* payload : {"", "{", "[]", "{}", R"({"statusDetails":5})", R"({"statusDetails":{"ErrorCode":5}})"}) {
    EXPECT_EQ(RejectionReason(payload), "AWS does not say why") << payload;
  }
  std::string umlauts;
  for (int i = 0; i < 150; ++i) umlauts += "\xC3\xA4";
  const std::string reason = details((R"({"ErrorCode":"x)" + umlauts + R"("})").c_str());
  EXPECT_EQ(reason.size(), 199U) << "never half a character";
}

TEST(NetworkTotals, LeaveOutTheLoopback) {
  const char* text =
      "Inter-|   Receive                                                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
      "carrier\n"
      "    lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0\n"
      "  eth0: 200 2 0 0 0 0 0 0 300 3 0 0 0 0 0 0\n"
      " wlan0:5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";
  const auto totals = ParseNetworkTotals(text);
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->bytes_in, 205U);
  EXPECT_EQ(totals->bytes_out, 307U);
  EXPECT_EQ(totals->packets_in, 3U);
  EXPECT_FALSE(ParseNetworkTotals(""));
  EXPECT_FALSE(ParseNetworkTotals("eth0: what\n"));
}

}  // namespace
}  // namespace penumbra
