// Rules tried on the gateway's own messages, before they are deployed: what each action would receive, and what is
// wrong with a rule that never would. Pure; any thread. The language itself is penumbra::rules. Source: aws-iot-core.md
// sections 8 and 9.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/aws_settings.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"
#include "rules/rule.hpp"

namespace penumbra::cloud {

struct TrialMessage {
  std::string topic;
  std::string payload;
  std::string thing;   // empty: not one of ours
  std::string source;  // "stored", "example", "given"
};

// What the uplink would publish of these readings of a thing, each by itself, and all in one array where the thing
// sends batches; with batch_interval only that.
std::vector<TrialMessage> MessagesOf(const ThingSettings& thing, const std::vector<Reading>& readings,
                                     const std::string& source);

// A reading as the thing might have it: every point there, within its limits.
Reading ExampleReading(const ThingSettings& thing, std::int64_t now_ms);

struct TrialResult {
  TrialMessage message;
  rules::Outcome::Kind kind = rules::Outcome::Kind::kNotMatched;
  std::string why;          // kFailed, or that the action is refused
  std::string destination;  // kFired: table, function or topic
  std::string input;        // kFired: what the action receives
  bool delivered = false;   // kFired, and AWS takes it
};

struct RuleTrial {
  RuleSettings rule;
  std::string fault;                  // the text is no rule, or its action none: nothing could be tried
  bool only_cloud = false;            // `fault` is a function that only the cloud has
  std::vector<std::string> notes;     // allowed, but hardly what was meant
  std::vector<std::string> findings;  // this rule does not do what it is there for: each says why
  std::vector<TrialResult> results;   // of every message that it sees
  // A rule that no message has fired: one that would.
  std::optional<TrialResult> would_fire;
  bool Ok() const { return fault.empty() && findings.empty(); }
};

// `given`: the messages are the caller's, so that nothing is said about topics and no other message is looked for.
std::vector<RuleTrial> TryRules(const Settings& settings, const std::vector<RuleSettings>& rules,
                                const std::vector<TrialMessage>& messages, std::int64_t now_ms, bool given);

}  // namespace penumbra::cloud
