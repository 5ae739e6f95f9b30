// Any bytes as a payload, seen by rules that look into it from all sides: they end, and what they hand on is JSON that
// reads back as the same value.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rules/action.hpp"
#include "rules/rule.hpp"

namespace {

using namespace penumbra::rules;

const std::vector<Rule>& Rules() {
  static const std::vector<Rule> kRules = [] {
    std::vector<Rule> rules;
    for (const char* sql :
         {"SELECT * FROM 'a'", "SELECT * FROM 'a' WHERE value > 40 OR value < 0",
          "SELECT *, topic(2) AS device_id, floor(timestamp / 1000) + 2592000 AS ttl FROM 'a'",
          "SELECT VALUE (SELECT *, v * 2 AS w FROM e WHERE v <> 1) FROM 'a'",
          "SELECT concat(x, y) AS c, x + y AS p, x = y AS q, x < y AS l, x / y AS d, x % y AS r FROM 'a'",
          "SELECT upper(x) AS u, length(x) AS n, substring(x, 1, 3) AS s, regexp_replace(x, '[a-c]+(.)', '$1') AS g, "
          "cast(x AS Int) AS i, round(x) AS o, trunc(x, 3) AS t, get(x, 0) AS e, decode(x, 'base64') AS b, "
          "parse_time('yyyy-MM-dd HH:mm:ss z', x) AS m, time_to_epoch(x, 'yyyy-MM-dd') AS f FROM 'a'",
          "SELECT transform('enrichArray', o, e) AS t, sha256(*) AS h, encode(*, 'base64') AS raw FROM 'a'"}) {
      rules.push_back(std::move(*Rule::Parse(sql)));
    }
    return rules;
  }();
  return kRules;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Payload payload(std::string(reinterpret_cast<const char*>(data), size));
  Facts facts;
  facts.topic = "sensors/sensor-001/temperature";
  static const Action kTable = *Action::Make("dynamodb", "t");
  static const Action kTopic = *Action::Make("republish", "x/${device_id}");
  if (payload.json() != nullptr) {
    const auto again = ParseValue(ToJsonText(*payload.json()));
    if (!again || !(*again == *payload.json())) std::abort();
  }
  for (const Rule& rule : Rules()) {
    const Outcome outcome = rule.Run(payload, facts);
    if (outcome.kind != Outcome::Kind::kFired) continue;
    (void)kTable.Deliver(outcome, payload, facts);
    (void)kTopic.Deliver(outcome, payload, facts);
    (void)ErrorActionInput("R", payload, facts, {{"a", "b", "c"}});
  }
  return 0;
}
