#include "conformance/shadow_vectors.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

#include "model/shadow_document.hpp"

namespace penumbra::test {
namespace {

using shadow::SameValue;

std::string ShadowName(const Json& request) {
  return GetString(request, "shadow").value_or("");
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// Every key of `expected` must be equal in `actual`; `actual` may have more.
void ExpectKeys(const Json& expected, const Json& actual, const char* what) {
  for (const auto& [key, value] : expected.items()) {
    ASSERT_TRUE(actual.is_object() && actual.contains(key)) << what << " lacks " << key << ": " << actual.dump();
    EXPECT_TRUE(SameValue(value, actual[key]))
        << what << " " << key << ": " << actual[key].dump() << " instead of " << value.dump();
  }
}

const Json* FindAnswer(const std::vector<ShadowBench::Answer>& answers, const std::string& kind) {
  for (const auto& answer : answers) {
    if (answer.kind == kind) return &answer.body;
  }
  return nullptr;
}

void ExpectStored(const Json& expected, const Json& actual) {
  if (expected.is_null()) {
    EXPECT_TRUE(actual.is_null()) << "a shadow that should not exist: " << actual.dump();
  } else {
    ExpectKeys(expected, actual, "stored shadow");
  }
}

void ExpectMessage(const Json& expect, const Json& body) {
  if (const auto code = GetInt(expect, "code")) {
    EXPECT_EQ(GetInt(body, "code"), code) << body.dump();
  }
  const std::string match = GetString(expect, "message_match").value_or("exact");
  const std::string wanted = GetString(expect, "message").value_or("");
  const std::string text = GetString(body, "message").value_or("(none)");
  if (match == "any" || !expect.contains("message")) return;
  EXPECT_EQ(match == "prefix" ? text.substr(0, wanted.size()) : text, wanted);
}

void ExpectDelta(const Json& expect, const std::vector<ShadowBench::Answer>& answers) {
  const Json* delta = FindAnswer(answers, "update/delta");
  if (const auto wanted = expect.find("delta"); wanted != expect.end()) {
    if (wanted->is_null()) {
      EXPECT_EQ(delta, nullptr) << delta->dump();
    } else {
      ASSERT_NE(delta, nullptr);
      EXPECT_TRUE(SameValue((*delta)["state"], *wanted)) << delta->dump();
    }
  }
  if (const auto metadata = expect.find("delta_metadata"); metadata != expect.end()) {
    ASSERT_NE(delta, nullptr);
    EXPECT_TRUE(SameValue((*delta)["metadata"], *metadata)) << delta->dump();
  }
}

void ExpectDocuments(const Json& expect, const std::vector<ShadowBench::Answer>& answers) {
  const auto wanted = expect.find("documents");
  if (wanted == expect.end()) return;
  const Json* documents = FindAnswer(answers, "update/documents");
  ASSERT_NE(documents, nullptr);
  if (const auto previous = wanted->find("previous"); previous != wanted->end()) {
    const Json actual = documents->value("previous", Json());
    if (previous->is_null()) {
      EXPECT_TRUE(actual.is_null()) << actual.dump();
    } else {
      ExpectKeys(*previous, actual, "previous");
    }
  }
  if (const auto current = wanted->find("current"); current != wanted->end()) {
    ExpectKeys(*current, documents->at("current"), "current");
  }
}

void ExpectAnswers(const Json& expect, const std::string& operation, const std::vector<ShadowBench::Answer>& answers) {
  const std::string outcome = expect.at("outcome");
  if (outcome == "no_response") {
    EXPECT_TRUE(answers.empty()) << answers.front().kind;
    return;
  }
  const Json* body = FindAnswer(answers, operation + "/" + outcome);
  ASSERT_NE(body, nullptr) << "no " << operation << "/" << outcome;
  if (expect.contains("response")) ExpectKeys(expect["response"], *body, "response");
  for (const Json& absent : expect.value("response_absent", Json::array())) {
    EXPECT_FALSE(body->contains(absent.get<std::string>())) << body->dump();
  }
  ExpectMessage(expect, *body);
  ExpectDelta(expect, answers);
  ExpectDocuments(expect, answers);
  if (const auto topics = expect.find("topics"); topics != expect.end()) {
    std::multiset<std::string> seen;
    for (const auto& answer : answers) seen.insert(answer.kind);
    EXPECT_EQ(seen, topics->get<std::multiset<std::string>>());
  }
}

void LoadGiven(ShadowBench& bench, const std::string& shadow, const Json& given) {
  if (given.is_null()) return;
  ASSERT_FALSE(given.contains("metadata")) << "the runner gives every leaf the default time";
  if (given.value("deleted", false)) {
    bench.LoadTombstone(shadow, given.at("version"), given.value("deleted_age_s", 0));
  } else {
    bench.Load(shadow, given.at("state"), given.at("version"), 1000);
  }
}

void RunStep(ShadowBench& bench, const Json& step) {
  const Json& request = step.at("request");
  const Json& expect = step.at("expect");
  if (const auto wait_s = GetInt(step, "wait_s")) bench.AdvanceClock(*wait_s);
  const std::string operation = request.at("op");
  const auto answers = bench.Send(ShadowName(request), operation, RequestPayload(request));
  ExpectAnswers(expect, operation, answers);
  if (expect.contains("after")) ExpectStored(expect["after"], bench.Peek(ShadowName(request)));
}

}  // namespace

const Json& ShadowVectors() {
  static const Json vectors = [] {
    std::ifstream in(PENUMBRA_SHADOW_VECTORS, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto parsed = ParseJson(text);
    if (!parsed || !parsed->is_object()) {
      std::fprintf(stderr, "cannot read the vectors from %s\n", PENUMBRA_SHADOW_VECTORS);
      std::abort();
    }
    return std::move(*parsed);
  }();
  return vectors;
}

std::string RequestPayload(const Json& request) {
  if (const auto payload = request.find("payload"); payload != request.end()) return payload->dump();
  if (const auto text = GetString(request, "payload_text")) return *text;
  if (const auto hex = GetString(request, "payload_hex")) return FromHex(*hex);
  return "";
}

int RunServiceCases(ShadowBench& bench) {
  const Json& vectors = ShadowVectors();
  const std::int64_t now_s = vectors.at("defaults").at("now");
  int requests = 0;
  for (const Json& test_case : vectors.at("cases")) {
    SCOPED_TRACE(test_case.at("name").get<std::string>());
    const Json limits = test_case.value("limits", vectors["defaults"]["limits"]);
    bench.Reset(now_s, limits.at("max_document_bytes"));
    const Json steps = test_case.value("steps", Json::array({test_case}));
    LoadGiven(bench, ShadowName(steps.front().at("request")), test_case.at("given"));
    const Json others = test_case.value("others", Json::object());
    for (const auto& [name, other] : others.items()) LoadGiven(bench, name, other);
    for (const Json& step : steps) {
      RunStep(bench, step);
      ++requests;
    }
    const Json others_after = test_case.value("others_after", Json::object());
    for (const auto& [name, other] : others_after.items()) {
      ExpectStored(other, bench.Peek(name));
    }
  }
  return requests;
}

}  // namespace penumbra::test
