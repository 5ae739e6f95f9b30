// The stand-in's Device Defender: which reports it takes, and how it says no.
#include "iotcore/defender_service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penumbra::iotcore {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNowMs = 1'700'000'100'000;
const std::string kTopic = "$aws/things/t1/defender/metrics/json";

class DefenderServiceTest : public ::testing::Test {
 protected:
  DefenderServiceTest() { Do({"metrics", R"({"backlog":"number","peers":"ip-address-list"})"}); }

  Json Do(const std::vector<std::string>& words) {
    const auto reply = service.OnCommand(words, kNowMs);
    EXPECT_TRUE(reply) << reply.error().message;
    return reply ? reply->json : Json();
  }
  // "accepted", or "CODE: message" of the rejection.
  std::string Report(const std::string& payload, std::int64_t now_ms = kNowMs, const std::string& topic = kTopic) {
    const auto out = service.OnMessage(topic, payload, now_ms);
    if (out.size() != 1) return "(no answer)";
    answer = *ParseJson(out[0].payload);
    if (out[0].topic == topic + "/accepted") return "accepted";
    EXPECT_EQ(out[0].topic, topic + "/rejected");
    const Json& details = answer["statusDetails"];
    return details.value("ErrorCode", "") + ": " + details.value("ErrorMessage", "");
  }
  // With a header that is always right and grows.
  std::string Blocks(const std::string& blocks) {
    next_ms += DefenderService::kIntervalS * 1000;
    return Report(R"({"header":{"report_id":)" + std::to_string(++next_id) + R"(,"version":"1.0"},)" + blocks + "}",
                  next_ms);
  }

  DefenderService service;
  Json answer;
  std::int64_t next_ms = kNowMs, next_id = 1;
};

TEST_F(DefenderServiceTest, RefusesWhatIsNoReportInTheWordsOfAws) {
  for (const char* payload :
       {"", "{", "[]", "{}", R"({"header":{"report_id":1,"version":"1.0"}})", R"({"metrics":{}})",
        R"({"header":{"report_id":0,"version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":-5,"version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":1.5,"version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":"1","version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":18446744073709551615,"version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":1,"version":"1"},"metrics":{}})",
        R"({"header":{"report_id":1,"version":1.0},"metrics":{}})", R"({"header":{"report_id":1},"metrics":{}})",
        R"({"header":{"report_id":1,"rid":2,"version":"1.0"},"metrics":{}})",
        R"({"header":{"report_id":1,"version":"1.0"},"metrics":[]})",
        R"({"header":{"report_id":1,"version":"1.0"},"metrics":{},"more":1})",
        R"({"header":{"report_id":1,"version":"1.0"},"custom_metrics":null})"}) {
    EXPECT_THAT(Report(payload), HasSubstr("InvalidPayload: Malformed metrics report")) << payload;
  }
  EXPECT_EQ(answer["thingName"], "t1");
  EXPECT_EQ(answer["status"], "REJECTED");
  EXPECT_EQ(answer["timestamp"], kNowMs);
}

TEST_F(DefenderServiceTest, TakesEveryMetricOfTheDocumentationUnderItsLongAndItsShortName) {
  EXPECT_EQ(Report(R"({"header":{"report_id":1530304554,"version":"1.0"},"metrics":{
      "listening_tcp_ports":{"ports":[{"interface":"eth0","port":24800},{"port":22}],"total":2},
      "listening_udp_ports":{"ports":[],"total":0},
      "network_stats":{"bytes_in":29358693495,"bytes_out":26485035,"packets_in":10013573555,"packets_out":11382615},
      "tcp_connections":{"established_connections":{"connections":[
        {"local_interface":"eth0","local_port":80,"remote_addr":"192.168.0.1:8000"},
        {"remote_addr":"2001:db8::1:8000"}],"total":2}}},
      "custom_metrics":{"backlog":[{"number":1.5}],"peers":[{"ip_list":["172.0.0.0"]}]}})"),
            "accepted");
  EXPECT_EQ(answer["reportId"], 1530304554);
  EXPECT_EQ(answer["status"], "ACCEPTED");
  EXPECT_EQ(Report(R"({"hed":{"rid":1530305228,"v":"1.0"},"met":{"tp":{"pts":[{"if":"eth0","pt":22}],"t":1},
      "up":{"t":2},"ns":{"bi":1,"bo":2,"pi":3,"po":4},
      "tc":{"ec":{"cs":[{"li":"eth0","lp":80,"rad":"192.168.0.1:8000"}],"t":1}}},"cmet":{"backlog":[{"number":0}]}})",
                   kNowMs + 300'000),
            "accepted");
  EXPECT_EQ(Do({"get", "t1"})["accepted"], 2);
}

TEST_F(DefenderServiceTest, RefusesMetricsOfAnotherShape) {
  for (const char* metrics :
       {R"({"network_stat":{}})", R"({"network_stats":{"bytes_in":-1}})", R"({"network_stats":{"bytes_in":1.5}})",
        R"({"network_stats":{"bytes_in":1,"bi":1}})", R"({"network_stats":[]})",
        R"({"listening_tcp_ports":{"ports":[{"port":0}]}})", R"({"listening_tcp_ports":{"ports":[{"port":65536}]}})",
        R"({"listening_tcp_ports":{"ports":[22]}})", R"({"listening_udp_ports":{"total":-1}})",
        R"({"tcp_connections":{"established_connections":{"connections":[{"local_port":1}]}}})",
        R"({"tcp_connections":{"established_connections":{"connections":[{"remote_addr":"192.168.0.1"}]}}})",
        R"({"tcp_connections":{"connections":[]}})"}) {
    EXPECT_THAT(Blocks(R"("metrics":)" + std::string(metrics)), HasSubstr("Malformed")) << metrics;
  }
}

TEST_F(DefenderServiceTest, TakesCustomMetricsOnlyAsArraysOfOneValueOfTheTypeThatTheyWereCreatedWith) {
  for (const char* metrics :
       {R"({"backlog":{"number":0}})", R"({"backlog":[0]})", R"({"backlog":[]})", R"({"backlog":[{"number":"0"}]})",
        R"({"backlog":[{"number":0},{"number":1}]})", R"({"backlog":[{"number":0,"number_list":[1]}]})",
        R"({"backlog":[{"count":0}]})", R"({"peers":[{"ip_list":[5]}]})", R"({"peers":[{"ip_list":"::1"}]})"}) {
    EXPECT_THAT(Blocks(R"("custom_metrics":)" + std::string(metrics)), HasSubstr("Malformed")) << metrics;
  }
  EXPECT_THAT(Blocks(R"("custom_metrics":{"load":[{"number":0}]})"), HasSubstr("load was not created"));
  EXPECT_THAT(Blocks(R"("custom_metrics":{"backlog":[{"number_list":[0]}]})"), HasSubstr("is of type number"));
  Do({"metric", "load", "number"});
  EXPECT_EQ(Blocks(R"("custom_metrics":{"load":[{"number":0}]})"), "accepted");
}

TEST_F(DefenderServiceTest, ThrottlesAfterAnAcceptedReportAndWantsGrowingIds) {
  const auto report = [](int id) {
    return R"({"header":{"report_id":)" + std::to_string(id) + R"(,"version":"1.0"},"metrics":{}})";
  };
  EXPECT_EQ(Report(report(5)), "accepted");
  EXPECT_THAT(Report(report(6), kNowMs + 299'999), HasSubstr("Throttled: "));
  EXPECT_EQ(Report(report(6), kNowMs + 299'999, "$aws/things/t2/defender/metrics/json"), "accepted")
      << "another device has a count of its own";
  EXPECT_THAT(Report(report(5), kNowMs + 300'000), HasSubstr("report_id does not grow"));
  EXPECT_EQ(Report(report(6), kNowMs + 300'000), "accepted") << "a refused report does not count";
  Do({"interval", "1"});
  EXPECT_EQ(Report(report(7), kNowMs + 301'000), "accepted");
  EXPECT_EQ(service.Summary()["throttled"], 1);
}

TEST_F(DefenderServiceTest, HearsOnlyReportsAndCanRefuseOnCommand) {
  for (const char* topic : {"$aws/things/t1/defender/metrics/cbor", "$aws/things//defender/metrics/json",
                            "$aws/things/t1/defender/metrics/json/accepted", "$aws/things/t1/shadow/update"}) {
    EXPECT_EQ(Report("{}", kNowMs, topic), "(no answer)") << topic;
  }
  Do({"fault", "inject", "InternalError", "1"});
  EXPECT_EQ(Blocks(R"("metrics":{})"), "InternalError: injected");
  EXPECT_EQ(Blocks(R"("metrics":{})"), "accepted");
}

TEST_F(DefenderServiceTest, CreatesMetricsAsTheApiWould) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"metric", "load"},
                                                {"metric", "load", "gauge"},
                                                {"metric", "aws:load", "number"},
                                                {"metric", "a b", "number"},
                                                {"metric", "backlog", "string-list"},
                                                {"metrics", "[]"},
                                                {"metrics", R"({"a":1})"},
                                                {"interval", "301"},
                                                {"get", "nobody"},
                                                {"forget", "backlog"}}) {
    EXPECT_FALSE(service.OnCommand(words, kNowMs)) << testing::PrintToString(words);
  }
  Do({"metrics", "{}"});
  for (std::size_t i = 0; i < DefenderService::kMaxMetrics; ++i) Do({"metric", "m" + std::to_string(i), "number"});
  EXPECT_FALSE(service.OnCommand({"metric", "one-more", "number"}, kNowMs));
  Do({"metric", "m0", "number"});
}

}  // namespace
}  // namespace penumbra::iotcore
