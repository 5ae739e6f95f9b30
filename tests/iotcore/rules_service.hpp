// The rules engine of the stand-in: the rules it is given see every message, and what each action receives is kept and
// can be asked for. Republishing really publishes; tables and functions are lists here. The language is the gateway's
// own library (daemon/rules), the same that `penumbra aws rules test` uses.
//
// Deliberately not here: retries, delays and reordering of actions. clientid() is the thing that the topic names,
// because the link to the broker does not say who published. A rule that republishes to itself goes round kMaxHops
// times. One thread; pure. Source: aws-iot-core.md section 8.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "iotcore/service.hpp"
#include "rules/action.hpp"
#include "rules/rule.hpp"

namespace penumbra::iotcore {

class RulesService : public Service {
 public:
  static constexpr std::size_t kMaxRules = 100, kMaxInputs = 10'000, kMaxHops = 3, kMaxRemembered = 1000;

  // [{"name","sql","action","target","error_target"?},..]: the rules from now on, instead of those there were.
  // "error_target" is the topic to which a failed run is republished. Error kFixConfig: which rule, and what is wrong.
  Status Set(const Json& rules);

  std::string_view Name() const override { return "rules"; }
  // None of its own: it hears what the recorder hears.
  std::vector<std::string> Filters() const override { return {}; }
  std::vector<Message> OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) override;

  // set JSON | list | inputs NAME | errors NAME | fail NAME WHY... | heal NAME | clear
  // fail: the action is refused from now on, as by a missing permission.
  Result<Reply> OnCommand(const std::vector<std::string>& words, std::int64_t now_ms) override;
  Json Summary() const override;

 private:
  struct Configured {
    std::string name, sql, kind, target, error_target;
    rules::Rule rule;
    rules::Action action;
    std::string broken;  // why its action fails; empty: it works
    std::deque<Json> inputs, errors;
    std::uint64_t matched = 0, not_matched = 0, undefined = 0, failed = 0, delivered = 0;
  };

  Configured* Find(const std::string& name);
  void RunRule(Configured& configured, const rules::Payload& payload, const rules::Facts& facts, std::size_t hops,
               std::vector<Message>& publish);
  void Fire(Configured& configured, const rules::Outcome& outcome, const rules::Payload& payload,
            const rules::Facts& facts, std::size_t hops, std::vector<Message>& publish);
  void FailRun(Configured& configured, const std::string& why, const rules::Payload& payload, const rules::Facts& facts,
               std::size_t hops, std::vector<Message>& publish);
  void Republish(std::string topic, std::string payload, std::size_t hops, std::vector<Message>& publish);
  std::size_t TakeHops(std::string_view topic, std::string_view payload);

  std::vector<Configured> rules_;
  std::deque<std::pair<Message, std::size_t>> republished_;  // that will come back as messages, with their hops
  std::uint64_t seen_ = 0, too_many_hops_ = 0;
};

}  // namespace penumbra::iotcore
