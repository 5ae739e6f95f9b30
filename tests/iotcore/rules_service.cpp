#include "iotcore/rules_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "iotcore/thing_of_topic.hpp"

namespace penumbra::iotcore {
namespace {

constexpr const char* kUsage =
    "rules set JSON | list | inputs NAME | errors NAME | fail NAME WHY... | heal NAME | clear";

// The payload as JSON where it is, else as text.
Json Shown(const std::string& bytes) {
  auto json = ParseJson(bytes);
  return json ? *json : Json(bytes);
}

void Keep(std::deque<Json>& list, Json entry) {
  list.push_back(std::move(entry));
  if (list.size() > RulesService::kMaxInputs) list.pop_front();
}

Json Copy(const std::deque<Json>& list) {
  Json copy = Json::array();
  for (const Json& entry : list) copy.push_back(entry);
  return copy;
}

}  // namespace

Status RulesService::Set(const Json& rules) {
  if (!rules.is_array() || rules.size() > kMaxRules) {
    return Fail(Action::kFixConfig, fmt::format("rules are an array of at most {}", kMaxRules));
  }
  std::vector<Configured> configured;
  for (const Json& entry : rules) {
    const std::string name = GetString(entry, "name").value_or(""), sql = GetString(entry, "sql").value_or(""),
                      kind = GetString(entry, "action").value_or(""), target = GetString(entry, "target").value_or("");
    if (name.empty()) return Fail(Action::kFixConfig, "a rule without name");
    auto rule = rules::Rule::Parse(sql);
    if (!rule) return Fail(rule.error().WithContext("rule " + name));
    auto action = rules::Action::Make(kind, target);
    if (!action) return Fail(action.error().WithContext("rule " + name));
    configured.push_back({name,
                          sql,
                          kind,
                          target,
                          GetString(entry, "error_target").value_or(""),
                          std::move(*rule),
                          std::move(*action),
                          {},
                          {},
                          {}});
  }
  rules_ = std::move(configured);
  return {};
}

RulesService::Configured* RulesService::Find(const std::string& name) {
  const auto it = std::find_if(rules_.begin(), rules_.end(), [&name](const Configured& c) { return c.name == name; });
  return it == rules_.end() ? nullptr : &*it;
}

std::vector<Message> RulesService::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  if (rules_.empty()) return {};
  ++seen_;
  const std::size_t hops = TakeHops(topic, payload);
  std::vector<Message> publish;
  std::optional<rules::Payload> parsed;  // once, and only when a rule wants it
  for (Configured& configured : rules_) {
    if (!configured.rule.Sees(configured.name, topic)) continue;
    if (!parsed) parsed.emplace(std::string(payload));
    rules::Facts facts;
    facts.topic = topic;
    facts.now_ms = now_ms;
    facts.random_seed = seen_;
    facts.trace_id = fmt::format("00000000-0000-4000-8000-{:012x}", seen_);
    if (const std::string_view thing = ThingOfTopic(topic); !thing.empty()) facts.client_id = thing;
    RunRule(configured, *parsed, facts, hops, publish);
  }
  return publish;
}

void RulesService::RunRule(Configured& configured, const rules::Payload& payload, const rules::Facts& facts,
                           std::size_t hops, std::vector<Message>& publish) {
  const rules::Outcome outcome = configured.rule.Run(payload, facts);
  switch (outcome.kind) {
    case rules::Outcome::Kind::kNotMatched:
      ++configured.not_matched;
      return;
    case rules::Outcome::Kind::kUndefined:
      ++configured.undefined;
      return;
    case rules::Outcome::Kind::kFailed:
      return FailRun(configured, outcome.why, payload, facts, hops, publish);
    case rules::Outcome::Kind::kFired:
      ++configured.matched;
      return Fire(configured, outcome, payload, facts, hops, publish);
  }
}

void RulesService::Fire(Configured& configured, const rules::Outcome& outcome, const rules::Payload& payload,
                        const rules::Facts& facts, std::size_t hops, std::vector<Message>& publish) {
  const auto delivery = configured.action.Deliver(outcome, payload, facts);
  const std::string& refused = configured.broken.empty() ? delivery.refused : configured.broken;
  if (!refused.empty()) return FailRun(configured, refused, payload, facts, hops, publish);
  ++configured.delivered;
  Keep(configured.inputs,
       {{"topic", facts.topic}, {"destination", delivery.destination}, {"input", Shown(delivery.input)}});
  if (configured.action.kind() == rules::Action::Kind::kRepublish) {
    Republish(delivery.destination, delivery.input, hops, publish);
  }
}

void RulesService::FailRun(Configured& configured, const std::string& why, const rules::Payload& payload,
                           const rules::Facts& facts, std::size_t hops, std::vector<Message>& publish) {
  ++configured.failed;
  std::string error =
      rules::ErrorActionInput(configured.name, payload, facts, {{configured.kind, configured.target, why}});
  Keep(configured.errors, Shown(error));
  if (!configured.error_target.empty()) Republish(configured.error_target, std::move(error), hops, publish);
}

void RulesService::Republish(std::string topic, std::string payload, std::size_t hops, std::vector<Message>& publish) {
  if (hops >= kMaxHops) {
    ++too_many_hops_;
    return;
  }
  publish.push_back({std::move(topic), std::move(payload)});
  republished_.emplace_back(publish.back(), hops + 1);
  if (republished_.size() > kMaxRemembered) republished_.pop_front();
}

// How many rules a message has gone through: 0 for one of a device.
std::size_t RulesService::TakeHops(std::string_view topic, std::string_view payload) {
  const auto it = std::find_if(republished_.begin(), republished_.end(), [&](const auto& entry) {
    return entry.first.topic == topic && entry.first.payload == payload;
  });
  if (it == republished_.end()) return 0;
  const std::size_t hops = it->second;
  republished_.erase(it);
  return hops;
}

Result<Service::Reply> RulesService::OnCommand(const std::vector<std::string>& words, std::int64_t) {
  const auto usage = [] { return Fail(Action::kGiveUp, kUsage); };
  if (words.empty()) return usage();
  if (words[0] == "set" && words.size() == 2) {
    const auto json = ParseJson(words[1]);
    if (!json) return Fail(json.error());
    if (const Status set = Set(*json); !set) return Fail(set.error());
    return Reply{Json(rules_.size()), {}};
  }
  if (words[0] == "list") return Reply{Summary()["rules"], {}};
  if (words[0] == "clear") {
    for (Configured& configured : rules_) {
      configured.inputs.clear();
      configured.errors.clear();
    }
    return Reply{Json(nullptr), {}};
  }
  if (words.size() < 2) return usage();
  Configured* configured = Find(words[1]);
  if (configured == nullptr) return Fail(Action::kGiveUp, fmt::format("there is no rule '{}'", words[1]));
  if (words[0] == "inputs") return Reply{Copy(configured->inputs), {}};
  if (words[0] == "errors") return Reply{Copy(configured->errors), {}};
  if (words[0] == "fail" && words.size() > 2) {
    configured->broken = fmt::format("{}", fmt::join(words.begin() + 2, words.end(), " "));
    return Reply{Json(nullptr), {}};
  }
  if (words[0] == "heal") {
    configured->broken.clear();
    return Reply{Json(nullptr), {}};
  }
  return usage();
}

Json RulesService::Summary() const {
  Json list = Json::object();
  for (const Configured& c : rules_) {
    list[c.name] = {{"sql", c.sql},
                    {"action", c.kind},
                    {"target", c.target},
                    {"matched", c.matched},
                    {"not_matched", c.not_matched},
                    {"undefined", c.undefined},
                    {"failed", c.failed},
                    {"delivered", c.delivered}};
  }
  return {{"rules", std::move(list)}, {"seen", seen_}, {"too_many_hops", too_many_hops_}};
}

}  // namespace penumbra::iotcore
