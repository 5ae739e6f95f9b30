// What an action does with the result of a rule, as far as it can be said without the cloud: where it goes, with which
// content, or why AWS would refuse it. Pure; any thread. Source: aws-iot-core.md section 8, "Actions used here".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rules/rule.hpp"

namespace penumbra::rules {

class Action {
 public:
  enum class Kind { kDynamoDb, kLambda, kRepublish };

  // `kind` as the configuration has it: "dynamodb", "lambda", "republish". Error kFixConfig: what of the target is
  // wrong.
  static Result<Action> Make(std::string_view kind, const std::string& target);

  struct Delivery {
    std::string destination;  // table, function, or topic with its ${...} filled in
    std::string input;        // what it receives; JSON unless the payload was not
    std::string refused;      // why AWS would not take it; empty: it does. The error action gets this
  };
  // Of an outcome that fired. The table's keys are those that `penumbra aws terraform` makes: device_id (S), timestamp
  // (N).
  Delivery Deliver(const Outcome& outcome, const Payload& payload, const Facts& facts) const;

  Kind kind() const { return kind_; }

 private:
  Action(Kind kind, std::string target, Template topic)
      : kind_(kind), target_(std::move(target)), topic_(std::move(topic)) {}
  Delivery Republish(const Outcome& outcome, const Payload& payload, const Facts& facts) const;

  Kind kind_;
  std::string target_;
  Template topic_;
};

struct Failure {
  std::string action, resource, why;
};
// What an error action gets: one JSON object for a run of a rule that failed.
std::string ErrorActionInput(std::string_view rule, const Payload& payload, const Facts& facts,
                             const std::vector<Failure>& failures);

}  // namespace penumbra::rules
