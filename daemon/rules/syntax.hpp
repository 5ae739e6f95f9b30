// The tree of a rule's text, as the parser builds it and the evaluator walks it. Never changed after parsing; any
// thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rules/functions.hpp"
#include "rules/value.hpp"

namespace penumbra::rules {

struct Select;

enum class Operator {
  kOr,
  kAnd,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder
};

enum class CastType { kText, kInt, kDouble, kDecimal, kBool };

struct Node {
  enum class Kind {
    kLiteral,   // literal
    kName,      // text: an attribute of the payload, or of the element that a nested query looks at
    kVariable,  // text: "@v", which SET gave a value
    kMember,    // children[0].text
    kStar,      // the whole payload
    kNot,
    kNegate,
    kBinary,  // op
    kCall,    // function, children are the arguments
    kCast,    // cast
    kArray,
    kObject,  // keys[i]: children[i]
    kCase,    // children: value, (when, then)..., else if there is one
    kNested,  // select
  };

  Kind kind = Kind::kLiteral;
  std::size_t offset = 0;  // in the text
  Value literal;
  std::string text;
  Operator op = Operator::kOr;
  Function function = Function::kAbs;
  CastType cast = CastType::kText;
  bool has_else = false;
  std::vector<std::string> keys;
  std::vector<std::unique_ptr<Node>> children;
  std::unique_ptr<Select> select;
  int depth = 1;
};

struct Item {
  std::unique_ptr<Node> expression;  // nullptr: *
  std::string name;
};

struct Select {
  bool value_only = false;  // SELECT VALUE expression: items has one
  std::vector<Item> items;
  std::unique_ptr<Node> from;  // of a nested query
  std::unique_ptr<Node> where;
};

struct Statement {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> variables;
  Select select;
  std::string filter;  // FROM; empty: none
};

// "shadow.state.temp" of a name with members; empty for anything else.
std::string PathText(const Node& node);

}  // namespace penumbra::rules
