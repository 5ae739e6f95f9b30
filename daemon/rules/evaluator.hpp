// Walks the tree of a rule over one message. One thread a run. Source: aws-iot-core.md section 8.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rules/environment.hpp"
#include "rules/function_table.hpp"
#include "rules/syntax.hpp"

namespace penumbra::rules {

class Evaluator {
 public:
  // Both outlive the evaluator.
  Evaluator(Environment& environment, const Payload& payload) : environment_(environment), payload_(payload) {}

  // SET, in order. False: the environment has failed.
  bool SetVariables(const Statement& statement);
  Value Evaluate(const Node& node);
  // What SELECT makes of the payload; names without value are gathered in undefined().
  Value Project(const Select& select);

  std::vector<std::string> TakeMissing() { return std::move(missing_); }
  std::vector<std::string> TakeUndefined() { return std::move(undefined_); }

 private:
  Value Name(const Node& node);
  Value MemberOf(const Node& node);
  Value Star();
  Value Binary(const Node& node);
  Value Logic(const Node& node);
  Value Compare(Operator op, const Value& left, const Value& right);
  Value Calculate(Operator op, const Value& left, const Value& right);
  Value Call(const Node& node);
  Value Default(const Node& node);
  Value Cast(const Node& node);
  Value Case(const Node& node);
  Value Nested(const Node& node);
  Value ProjectOne(const Select& select);
  void Missing(const Node& node);

  Environment& environment_;
  const Payload& payload_;
  const Value* element_ = nullptr;  // what a nested query looks at; nullptr: the payload
  std::vector<std::pair<std::string, Value>> variables_;
  std::vector<std::string> missing_, undefined_;
};

}  // namespace penumbra::rules
