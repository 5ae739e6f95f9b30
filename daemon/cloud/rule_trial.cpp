#include "cloud/rule_trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cloud/topics.hpp"
#include "model/telemetry_batch.hpp"
#include "rules/action.hpp"
#include "rules/topic_filter.hpp"

namespace penumbra::cloud {
namespace {

using Kind = rules::Outcome::Kind;

constexpr std::size_t kMaxThingsVaried = 8;
constexpr double kExampleValue = 22.5;

// What a telemetry message may have beside the points.
const std::set<std::string>& TelemetryKeys() {
  static const std::set<std::string> kKeys = {"device_id", "timestamp", "seq", "value", "bad", "time"};
  return kKeys;
}

std::string RootOf(const std::string& path) {
  return path.substr(0, path.find('.'));
}

void AddOnce(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

Value AsPointValue(const rules::Value& threshold, double more) {
  if (const rules::Number* number = threshold.AsNumber()) return number->ToDouble() + more;
  if (const bool* truth = threshold.AsBool()) return *truth;
  if (const std::string* text = threshold.AsString()) return *text;
  return {};
}

class Trial {
 public:
  Trial(const Settings& settings, const RuleSettings& rule, std::int64_t now_ms, bool given)
      : settings_(settings), now_ms_(now_ms), given_(given) {
    trial_.rule = rule;
    keys_ = TelemetryKeys();
    for (const ThingSettings& thing : settings.things) {
      for (const PointSettings& point : thing.points) keys_.insert(point.name);
    }
  }

  RuleTrial Run(const std::vector<TrialMessage>& messages) {
    auto rule = rules::Rule::Parse(trial_.rule.sql);
    auto action = rules::Action::Make(trial_.rule.action, trial_.rule.target);
    if (!rule || !action) {
      const Error& error = rule ? action.error() : rule.error();
      trial_.fault = error.message;
      trial_.only_cloud = error.action == Action::kGiveUp;
      return std::move(trial_);
    }
    rule_ = &*rule;
    action_ = &*action;
    trial_.notes = rule->notes();
    for (const TrialMessage& message : messages) {
      if (rule->Sees(trial_.rule.name, message.topic)) trial_.results.push_back(TryOne(message));
    }
    Judge();
    return std::move(trial_);
  }

 private:
  rules::Facts FactsOf(const TrialMessage& message) const {
    rules::Facts facts;
    facts.topic = message.topic;
    facts.client_id = message.thing.empty() ? "n/a" : message.thing;
    facts.now_ms = now_ms_;
    return facts;
  }

  TrialResult TryOne(const TrialMessage& message) {
    const rules::Payload payload(message.payload);
    rules::Facts facts = FactsOf(message);
    const rules::Outcome outcome = rule_->Run(payload, facts);
    TrialResult result{message, outcome.kind, outcome.why, {}, {}, false};
    facts.exact_division = true;
    const rules::Outcome exact = rule_->Run(payload, facts);
    facts.exact_division = false;
    if (exact.kind != outcome.kind || exact.text != outcome.text) {
      AddOnce(trial_.notes,
              "it divides a whole number by a whole number, and whether AWS gives 3 or 3.5 for 7 / 2 is not settled: "
              "write floor(a / b), or multiply by a fraction");
    }
    for (const std::string& path : outcome.missing) Miss(path, payload);
    if (outcome.kind == Kind::kFired) {
      const auto delivery = action_->Deliver(outcome, payload, facts);
      result.destination = delivery.destination;
      result.input = delivery.input;
      result.why = delivery.refused;
      result.delivered = delivery.refused.empty();
      CountUndefined(outcome);
    }
    return result;
  }

  void Miss(const std::string& path, const rules::Payload& payload) {
    std::vector<std::string> there(keys_.begin(), keys_.end());
    if (payload.json() != nullptr && payload.json()->AsObject() != nullptr) {
      for (const rules::Member& member : *payload.json()->AsObject()) there.push_back(member.key);
    }
    const auto near = Suggest(RootOf(path), there);
    missing_.emplace(path, near && *near != RootOf(path) ? fmt::format("`{}` (did you mean `{}`?)", path, *near)
                                                         : fmt::format("`{}`", path));
  }

  // Names that SELECT left out in every message that fired.
  void CountUndefined(const rules::Outcome& outcome) {
    std::set<std::string> here;
    for (const std::string& name : outcome.undefined) {
      const auto is_it = [&name](const std::string& path) {
        return path == name || (path.size() > name.size() && path.ends_with("." + name));
      };
      const auto path = std::find_if(outcome.missing.begin(), outcome.missing.end(), is_it);
      const bool sometimes = path == outcome.missing.end() ? keys_.count(name) != 0 : keys_.count(RootOf(*path)) != 0;
      if (!sometimes) here.insert(name);
    }
    if (fired_++ == 0) {
      undefined_ = std::move(here);
      return;
    }
    std::set<std::string> both;
    std::set_intersection(undefined_.begin(), undefined_.end(), here.begin(), here.end(),
                          std::inserter(both, both.end()));
    undefined_ = std::move(both);
  }

  std::size_t Count(Kind kind) const {
    return static_cast<std::size_t>(std::count_if(trial_.results.begin(), trial_.results.end(),
                                                  [kind](const TrialResult& result) { return result.kind == kind; }));
  }

  void Judge() {
    if (trial_.results.empty()) return given_ ? NotTheTopic() : NoTopic();
    if (fired_ == 0 && rule_->has_condition()) {
      if (Count(Kind::kUndefined) == trial_.results.size()) {
        Never("WHERE is Undefined for every message, so the rule never fires");
      } else if (!given_ && Count(Kind::kFailed) == 0 && !LookForOneThatFires()) {
        trial_.findings.push_back("no message of this gateway was found that makes WHERE true");
      }
    }
    for (const std::string& name : undefined_) {
      Never(fmt::format("SELECT: `{}` has no value in any message and is left out", name), name);
    }
    for (const TrialResult& result : trial_.results) {
      if (result.kind == Kind::kFailed) AddOnce(trial_.findings, "the rule fails: " + result.why);
      if (result.kind == Kind::kFired && !result.delivered) {
        AddOnce(trial_.findings, fmt::format("the {} action fails: {}", trial_.rule.action, result.why));
      }
    }
  }

  void Never(std::string what, const std::string& name = {}) {
    std::vector<std::string> paths;
    for (const auto& [path, text] : missing_) {
      if (name.empty() || path == name || path.ends_with("." + name)) paths.push_back(text);
    }
    if (!paths.empty()) what += fmt::format(": no message has {}", fmt::join(paths, ", "));
    trial_.findings.push_back(std::move(what));
  }

  void NotTheTopic() {
    trial_.findings.push_back(rule_->filter().empty()
                                  ? "it has no FROM and sees only Basic Ingest"
                                  : fmt::format("FROM '{}' does not take this topic", rule_->filter()));
  }

  void NoTopic() {
    const std::string& filter = rule_->filter();
    if (filter.empty()) {
      trial_.findings.push_back(
          fmt::format("it has no FROM, and no thing publishes to $aws/rules/{}/...", trial_.rule.name));
      return;
    }
    std::vector<std::string> topics;
    for (const CloudTopic& topic : TopicsOf(settings_, "+")) {
      if (topic.use == Use::kPublish && rules::FiltersMeet(filter, topic.topic)) {
        trial_.notes.push_back(fmt::format(
            "it sees {} ({}), of which no message is known here: give one with --payload", topic.topic, topic.why));
        return;
      }
      if (topic.use == Use::kPublish) topics.push_back(topic.topic);
    }
    if (filter.starts_with("$aws/")) {
      trial_.notes.push_back(fmt::format("AWS itself publishes to {}: give a message with --payload", filter));
      return;
    }
    const auto near = Suggest(filter, topics);
    trial_.findings.push_back(fmt::format("FROM '{}' takes no topic of this gateway{}", filter,
                                          near ? fmt::format("; did you mean '{}'?", *near) : ""));
  }

  // Readings around what WHERE compares with.
  bool LookForOneThatFires() {
    const auto thresholds = rule_->Thresholds();
    std::size_t things = 0;
    for (const ThingSettings& thing : settings_.things) {
      if (!rule_->Sees(trial_.rule.name, thing.topic)) continue;
      if (++things > kMaxThingsVaried) break;
      for (const rules::Value& threshold : thresholds) {
        for (const double more : {0.0, 1.0, -1.0}) {
          const Value value = AsPointValue(threshold, more);
          if (HasValue(value) && Vary(thing, value)) return true;
        }
      }
    }
    return false;
  }

  // One point after the other, then all.
  bool Vary(const ThingSettings& thing, const Value& value) {
    const Reading base = ExampleReading(thing, now_ms_);
    for (std::size_t i = 0; i <= base.values.size(); ++i) {
      Reading reading = base;
      for (std::size_t k = 0; k < reading.values.size(); ++k) {
        if (k == i || i == base.values.size()) reading.values[k].value = value;
      }
      const TrialResult result = TryOne(MessagesOf(thing, {reading}, "example")[0]);
      if (result.kind != Kind::kFired) continue;
      trial_.would_fire = result;
      if (!result.delivered) {
        trial_.findings.push_back(fmt::format("the {} action fails: {}", trial_.rule.action, result.why));
      }
      return true;
    }
    return false;
  }

  const Settings& settings_;
  const std::int64_t now_ms_;
  const bool given_;
  RuleTrial trial_;
  const rules::Rule* rule_ = nullptr;
  const rules::Action* action_ = nullptr;
  std::set<std::string> keys_;                  // that a message of ours may have
  std::map<std::string, std::string> missing_;  // path and how to tell it
  std::set<std::string> undefined_;
  std::size_t fired_ = 0;
};

}  // namespace

Reading ExampleReading(const ThingSettings& thing, std::int64_t now_ms) {
  Reading reading;
  reading.thing = thing.name;
  reading.seq = 4711;
  reading.unix_ms = now_ms;
  for (const PointSettings& point : thing.points) {
    const double least = point.min.value_or(kExampleValue), most = point.max.value_or(kExampleValue);
    const double value = kExampleValue < least ? least : kExampleValue > most ? most : kExampleValue;
    reading.values.push_back({point.name, value, Quality::kGood, ""});
  }
  return reading;
}

std::vector<TrialMessage> MessagesOf(const ThingSettings& thing, const std::vector<Reading>& readings,
                                     const std::string& source) {
  std::vector<TrialMessage> messages;
  TelemetryBatch batch(static_cast<std::size_t>(thing.batch_bytes.value_or(0)));
  for (const Reading& reading : readings) {
    const std::string payload = TelemetryJson(reading, thing.primary);
    if (!thing.batch_interval) messages.push_back({thing.topic, payload, thing.name, source});
    batch.Add(payload);
  }
  if (thing.batch_bytes && !readings.empty()) {
    messages.push_back({BatchTopic(thing.name), batch.Take(), thing.name, source});
  }
  return messages;
}

std::vector<RuleTrial> TryRules(const Settings& settings, const std::vector<RuleSettings>& rules,
                                const std::vector<TrialMessage>& messages, std::int64_t now_ms, bool given) {
  std::vector<RuleTrial> trials;
  trials.reserve(rules.size());
  for (const RuleSettings& rule : rules) trials.push_back(Trial(settings, rule, now_ms, given).Run(messages));
  return trials;
}

}  // namespace penumbra::cloud
