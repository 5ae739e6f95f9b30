#include "shadow/mirror.hpp"

#include <gtest/gtest.h>

#include "conformance/shadow_vectors.hpp"
#include "model/shadow_document.hpp"

namespace penumbra::shadow {
namespace {

// Feeds messages as the sync does, with need_get and the deltas that fired.
struct Client {
  Mirror mirror;
  bool need_get = false;
  Json fired = Json::array();

  explicit Client(const Json& start) {
    mirror.exists = true;
    mirror.state = start.at("state");
    mirror.version = start.at("version");
    mirror.timestamp = start.at("timestamp");
    mirror.delta_version = start.at("delta_version");
  }

  void Feed(const std::string& topic, const Json& body) {
    Verdict verdict = Verdict::kDropped;
    if (topic == "update/documents") verdict = mirror.OnDocuments(body);
    if (topic == "update/accepted") verdict = mirror.OnUpdateAccepted(body);
    if (topic == "delete/accepted") verdict = mirror.OnDeleteAccepted(body);
    if (topic == "update/delta" && mirror.OnDelta(body) == Verdict::kTaken) fired.push_back(body.at("state"));
    if (topic == "get/accepted") {
      verdict = mirror.OnGetAccepted(body);
      need_get = false;
    }
    if (topic == "get/rejected" && body.at("code") == 404) {
      mirror.OnMissing();
      need_get = false;
    }
    EXPECT_NE(verdict, Verdict::kMalformed) << topic;
    if (verdict == Verdict::kGap) need_get = true;
  }

  void Expect(const Json& expect) const {
    if (expect.contains("exists")) {
      EXPECT_EQ(mirror.exists, expect["exists"].get<bool>());
    }
    if (expect.contains("state")) {
      const Json wanted = expect["state"].is_null() ? Json::object() : expect["state"];
      EXPECT_TRUE(SameValue(mirror.state, wanted)) << mirror.state;
    }
    if (expect.contains("version")) {
      EXPECT_EQ(mirror.version, expect["version"].get<std::int64_t>());
    }
    if (expect.contains("need_get")) {
      EXPECT_EQ(need_get, expect["need_get"].get<bool>());
    }
    if (expect.contains("deltas_fired")) {
      EXPECT_EQ(fired, expect["deltas_fired"]);
    }
  }
};

TEST(ShadowMirrorTest, PassesEveryClientVectorInEveryOrder) {
  int orders = 0;
  for (const Json& test_case : test::ShadowVectors().at("client_cases")) {
    SCOPED_TRACE(test_case.at("name").get<std::string>());
    const Json& messages = test_case.at("messages");
    std::vector<std::vector<std::size_t>> runs(1);
    for (std::size_t i = 0; i < messages.size(); ++i) runs[0].push_back(i);
    for (const Json& order : test_case.value("also_orders", Json::array())) {
      runs.push_back(order.get<std::vector<std::size_t>>());
    }
    for (const auto& run : runs) {
      SCOPED_TRACE(Json(run).dump());
      Client client(test_case.at("start"));
      for (const std::size_t i : run) client.Feed(messages[i].at("topic"), messages[i].at("payload"));
      client.Expect(test_case.at("expect"));
      ++orders;
    }
  }
  EXPECT_GE(orders, 16) << "the vectors were not run";
}

TEST(ShadowMirrorTest, ForeignBytesChangeNothing) {
  Mirror mirror;
  mirror.exists = true;
  mirror.version = 5;
  mirror.state = {{"desired", {{"a", 1}}}};
  for (const char* text :
       {"null", "3", "[]", "{}", R"({"current":7,"timestamp":9})", R"({"version":"9","timestamp":9})",
        R"({"version":-1,"timestamp":9,"state":{}})", R"({"version":9,"timestamp":"x","state":{}})",
        R"({"version":9,"timestamp":9,"state":{"desired":[1]}})",
        R"({"current":{"version":9,"state":{"reported":1}},"timestamp":9})"}) {
    const Json body = *ParseJson(text);
    mirror.OnDocuments(body);
    mirror.OnUpdateAccepted(body);
    mirror.OnGetAccepted(body);
    mirror.OnDelta(body);
    EXPECT_EQ(mirror.version, 5) << text;
    EXPECT_EQ(mirror.state, Json({{"desired", {{"a", 1}}}})) << text;
  }
}

TEST(ShadowMirrorTest, KnowsWhenEachDesiredKeyWasLastWanted) {
  Mirror mirror;
  mirror.OnGetAccepted(*ParseJson(R"({"version":3,"timestamp":100,"state":{"desired":{"a":1,"timestamp":{"b":2}}},
      "metadata":{"desired":{"a":{"timestamp":50},"timestamp":{"b":{"timestamp":60}}}}})"));
  EXPECT_EQ(mirror.desired_times, *ParseJson(R"({"a":50,"timestamp":60})"));
  mirror.OnUpdateAccepted(*ParseJson(R"({"version":4,"timestamp":110,"state":{"desired":{"a":9,"timestamp":null}},
      "metadata":{"desired":{"a":{"timestamp":110},"timestamp":{"timestamp":110}}}})"));
  EXPECT_EQ(mirror.desired_times, *ParseJson(R"({"a":110})"));
}

TEST(ShadowMirrorTest, AServiceClockThatRanAheadOnceDoesNotStayTheMeasure) {
  Mirror mirror;
  const auto document = [](int version, int timestamp) {
    return Json{{"current", {{"version", version}, {"state", {{"desired", {{"a", version}}}}}}},
                {"timestamp", timestamp}};
  };
  mirror.OnDocuments(document(5, 1000));
  mirror.OnDocuments(document(6, 4600));
  EXPECT_EQ(mirror.OnDocuments(document(7, 1010)), Verdict::kTaken);
  EXPECT_EQ(mirror.timestamp, 1010) << "a wish of now would count as an hour old";
  // The shadow goes, and its line of versions begins again.
  EXPECT_EQ(mirror.OnDeleteAccepted({{"version", 7}, {"timestamp", 1015}}), Verdict::kTaken);
  EXPECT_EQ(mirror.OnDocuments(document(1, 1020)), Verdict::kTaken);
  EXPECT_EQ(mirror.desired(), Json({{"a", 1}}));
}

}  // namespace
}  // namespace penumbra::shadow
