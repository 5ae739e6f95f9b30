// Any text as a rule and as a template, run over one message: what is accepted must end, and its result must be JSON.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.hpp"
#include "rules/rule.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra::rules;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Payload kPayload(
      R"({"device_id":"sensor-001","timestamp":1763841600123,"temperature":22.5,"value":-3.25,"n":null,"t":true,"s":"7",)"
      R"("a":[1,[2],{"b":3}],"o":{"k":{"d":4}},"e":[{"n":"x","v":1},{"n":"y","v":2}]})");
  Facts facts;
  facts.topic = "sensors/sensor-001/temperature";
  if (const auto rule = Rule::Parse(text)) {
    (void)rule->Thresholds();
    (void)rule->Sees("R", facts.topic);
    const Outcome outcome = rule->Run(kPayload, facts);
    const bool fired = outcome.kind == Outcome::Kind::kFired && !outcome.text.empty();
    if (fired && !penumbra::Json::accept(outcome.text)) std::abort();
  }
  if (const auto topic = Template::Parse(text)) (void)topic->Render(kPayload, facts);
  return 0;
}
