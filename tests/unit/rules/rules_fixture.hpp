// A rule over one message, as text in and text out.
#pragma once

#include <string>

#include "rules/rule.hpp"

namespace penumbra::test {

inline constexpr const char* kPayload =
    R"({"device_id":"sensor-001","timestamp":1763841600123,"temperature":22.5,"humidity":51.2,"value":22.5,)"
    R"("n":null,"t":true,"s":"7","word":"abc","a":[1,2,3],"o":{"k":{"d":4}},)"
    R"("e":[{"n":"temperature","v":22.5},{"n":"light","v":135}]})";

inline rules::Facts FactsOf(const std::string& topic = "sensors/sensor-001/temperature") {
  rules::Facts facts;
  facts.topic = topic;
  facts.client_id = "sensor-001";
  facts.now_ms = 1'763'841'700'000;
  return facts;
}

inline rules::Outcome RunSql(const std::string& sql, const std::string& payload = kPayload,
                             const rules::Facts& facts = FactsOf()) {
  const auto rule = rules::Rule::Parse(sql);
  if (!rule) {
    rules::Outcome outcome;
    outcome.kind = rules::Outcome::Kind::kFailed;
    outcome.why = "parse: " + rule.error().message;
    return outcome;
  }
  return rule->Run(rules::Payload(payload), facts);
}

// An expression's value as JSON; "Undefined"; or why it failed.
inline std::string Eval(const std::string& expression, const std::string& payload = kPayload,
                        const rules::Facts& facts = FactsOf()) {
  const rules::Outcome outcome = RunSql("SELECT VALUE " + expression + " FROM 'a'", payload, facts);
  if (outcome.kind != rules::Outcome::Kind::kFired) return outcome.why;
  return outcome.result.IsUndefined() ? "Undefined" : outcome.text;
}

inline std::string Fault(const std::string& sql) {
  const auto rule = rules::Rule::Parse(sql);
  return rule ? "accepted" : rule.error().message;
}

}  // namespace penumbra::test
