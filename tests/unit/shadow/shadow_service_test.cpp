// The stand-in's shadow service core: all service vectors, and how it misbehaves on request.
#include "iotcore/shadow_service.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/shadow_vectors.hpp"

namespace penumbra::iotcore {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'100'000;

// The core called directly.
class DirectBench : public test::ShadowBench {
 public:
  void Reset(std::int64_t now_s, std::size_t max_document_bytes) override {
    now_ms_ = now_s * 1000;
    service_.Clear();
    service_.SetLimits({.max_document_bytes = max_document_bytes});
  }
  void Load(const std::string& shadow, const Json& state, std::int64_t version, std::int64_t leaf_time_s) override {
    service_.Load("thing1", shadow, state, version, leaf_time_s);
  }
  void LoadTombstone(const std::string& shadow, std::int64_t version, std::int64_t age_s) override {
    service_.LoadTombstone("thing1", shadow, version, now_ms_ - age_s * 1000);
  }
  void AdvanceClock(std::int64_t seconds) override { now_ms_ += seconds * 1000; }
  std::vector<Answer> Send(const std::string& shadow, const std::string& operation,
                           const std::string& payload) override {
    const std::string prefix = "$aws/things/thing1/shadow" + (shadow.empty() ? "" : "/name/" + shadow);
    std::vector<Answer> answers;
    for (const ShadowMessage& message : service_.Handle(prefix + "/" + operation, payload, now_ms_)) {
      EXPECT_EQ(message.topic.substr(0, prefix.size() + 1), prefix + "/");
      answers.push_back({message.topic.substr(prefix.size() + 1), *ParseJson(message.payload)});
    }
    return answers;
  }
  Json Peek(const std::string& shadow) override { return service_.Peek("thing1", shadow, now_ms_); }

 private:
  ShadowService service_;
  std::int64_t now_ms_ = 0;
};

TEST(ShadowServiceTest, PassesEveryServiceVector) {
  DirectBench bench;
  EXPECT_GE(test::RunServiceCases(bench), 150) << "the vectors were not run";
}

std::vector<ShadowMessage> Report(ShadowService& service, int value, std::int64_t now_ms = kNowMs) {
  const Json body = {{"state", {{"reported", {{"t", value}}}}}, {"clientToken", "tok"}};
  return service.Handle("$aws/things/t1/shadow/update", body.dump(), now_ms);
}

TEST(ShadowServiceTest, RefusesBytesThatAreNotUtf8With415) {
  ShadowService service;
  const auto out =
      service.Handle("$aws/things/t1/shadow/update", "{\"state\":{\"reported\":{\"a\":\"\xff\"}}}", kNowMs);
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].topic, "$aws/things/t1/shadow/update/rejected");
  EXPECT_EQ(ParseJson(out[0].payload)->at("code"), 415);
}

TEST(ShadowServiceTest, NeverAnswersAnswersOrForeignTopics) {
  ShadowService service;
  for (const char* topic : {"$aws/things/t1/shadow/update/accepted", "$aws/things/t1/shadow/update/delta",
                            "$aws/things/t1/shadow/name/n/get/rejected", "$aws/things/t1/jobs/get",
                            "$aws/things/t1/shadow/name/update", "sensors/t1/shadow/update", ""}) {
    EXPECT_TRUE(service.Handle(topic, "{}", kNowMs).empty()) << topic;
  }
  EXPECT_TRUE(service.Handle("$aws/things/bad name/shadow/get", "", kNowMs).empty());
  EXPECT_EQ(service.counters().ignored_names, 1U);
  EXPECT_EQ(service.counters().requests, 0U);
}

TEST(ShadowServiceTest, TheEleventhUnansweredRequestGets429AndTheSlotsComeBack) {
  ShadowService service;
  service.faults.delay_ms = 1000;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Report(service, i).front().topic, "$aws/things/t1/shadow/update/accepted");
  const auto eleventh = Report(service, 11);
  ASSERT_EQ(eleventh.size(), 1U);
  EXPECT_EQ(ParseJson(eleventh[0].payload)->at("code"), 429);
  EXPECT_EQ(ParseJson(eleventh[0].payload)->at("clientToken"), "tok");
  EXPECT_EQ(Report(service, 12, kNowMs + 1000).size(), 2U);
  EXPECT_EQ(service.Peek("t1", "", kNowMs)["version"], 11);
}

TEST(ShadowServiceTest, AnInjectedErrorAppliesNothingUnlessAskedToLie) {
  ShadowService service;
  service.faults.inject = {409, 500};
  EXPECT_EQ(ParseJson(Report(service, 1).front().payload)->at("code"), 409);
  EXPECT_TRUE(service.Peek("t1", "", kNowMs).is_null());
  service.faults.inject_applies = true;
  const auto lied = Report(service, 1);
  ASSERT_EQ(lied.size(), 2U);  // documents, then the lie
  EXPECT_EQ(lied[0].topic, "$aws/things/t1/shadow/update/documents");
  EXPECT_EQ(ParseJson(lied[1].payload)->at("code"), 500);
  EXPECT_EQ(service.Peek("t1", "", kNowMs)["state"]["reported"]["t"], 1);
}

TEST(ShadowServiceTest, DropsDuplicatesDelaysAndShufflesAnswersOnRequest) {
  ShadowService service;
  service.faults.drop = 1;
  EXPECT_TRUE(Report(service, 1).empty());
  EXPECT_EQ(service.counters().dropped, 2U);
  service.faults = {.duplicate = 1, .delay_ms = 250};
  const auto doubled = Report(service, 2);
  ASSERT_EQ(doubled.size(), 4U);
  EXPECT_EQ(doubled[0].due_ms, kNowMs + 250);
  service.faults = {.shuffle = true};
  bool documents_first = false;
  for (int i = 0; i < 50; ++i) {
    documents_first |= Report(service, i).front().topic == "$aws/things/t1/shadow/update/documents";
  }
  EXPECT_TRUE(documents_first);
}

TEST(ShadowServiceTest, KeepsIntegersExactFromRequestToDocument) {
  ShadowService service;
  service.Handle("$aws/things/t1/shadow/update",
                 R"({"state":{"reported":{"big":9007199254740993,"max":18446744073709551615}}})", kNowMs);
  const auto out = service.Handle("$aws/things/t1/shadow/get", "", kNowMs);
  EXPECT_NE(out.front().payload.find("9007199254740993"), std::string::npos);
  EXPECT_NE(out.front().payload.find("18446744073709551615"), std::string::npos);
}

}  // namespace
}  // namespace penumbra::iotcore
