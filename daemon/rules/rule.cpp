#include "rules/rule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "rules/evaluator.hpp"
#include "rules/parser.hpp"
#include "rules/topic_filter.hpp"

namespace penumbra::rules {
namespace {

constexpr std::size_t kMaxTemplateBytes = 1024, kMaxThresholds = 64;

// `SELECT *` alone hands on bytes that are no JSON.
bool IsPlainStar(const Select& select) {
  return select.items.size() == 1 && !select.items[0].expression;
}

bool IsComparison(const Node& node) {
  return node.kind == Node::Kind::kBinary && node.op >= Operator::kEqual && node.op <= Operator::kGreaterEqual;
}

const Value* LiteralOf(const Node& node) {
  return node.kind == Node::Kind::kLiteral ? &node.literal : nullptr;
}

void CollectThresholds(const Node& node, std::vector<Value>& found) {
  if (found.size() >= kMaxThresholds) return;
  if (IsComparison(node)) {
    for (const auto& child : node.children) {
      if (const Value* literal = LiteralOf(*child)) {
        found.push_back(*literal);
      } else if (child->kind == Node::Kind::kNegate) {
        const Value* inner = LiteralOf(*child->children[0]);
        if (inner != nullptr && inner->AsNumber() != nullptr) found.emplace_back(inner->AsNumber()->Negated());
      }
    }
  }
  for (const auto& child : node.children) CollectThresholds(*child, found);
}

}  // namespace

Payload::Payload(std::string bytes) : bytes_(std::move(bytes)) {
  auto parsed = ParseValue(bytes_);
  if (parsed) {
    json_ = std::move(*parsed);
  } else {
    why_ = parsed.error().message;
  }
}

Rule::Rule() = default;
Rule::Rule(Rule&&) noexcept = default;
Rule& Rule::operator=(Rule&&) noexcept = default;
Rule::~Rule() = default;

Result<Rule> Rule::Parse(std::string_view sql) {
  auto parsed = ParseStatement(sql);
  if (!parsed) return Fail(parsed.error());
  if (parsed->only_cloud) return Fail(*parsed->only_cloud);
  Rule rule;
  rule.statement_ = std::make_unique<Statement>(std::move(parsed->statement));
  rule.notes_ = std::move(parsed->notes);
  return rule;
}

const std::string& Rule::filter() const {
  return statement_->filter;
}

bool Rule::has_condition() const {
  return statement_->select.where != nullptr;
}

std::vector<Value> Rule::Thresholds() const {
  std::vector<Value> found;
  if (statement_->select.where) CollectThresholds(*statement_->select.where, found);
  return found;
}

bool Rule::Sees(std::string_view name, std::string_view topic) const {
  return RuleSees(name, filter(), topic);
}

Outcome Rule::Run(const Payload& payload, const Facts& facts) const {
  Outcome outcome;
  Environment environment(payload, facts);
  Evaluator evaluator(environment, payload);
  const auto finish = [&](Outcome::Kind kind) {
    outcome.kind = environment.failed() ? Outcome::Kind::kFailed : kind;
    outcome.why = environment.why();
    outcome.missing = evaluator.TakeMissing();
    outcome.undefined = evaluator.TakeUndefined();
    return std::move(outcome);
  };
  const Select& select = statement_->select;
  if (!evaluator.SetVariables(*statement_)) return finish(Outcome::Kind::kFailed);
  if (select.where) {
    const auto holds = evaluator.Evaluate(*select.where).ToBool();
    if (!holds) return finish(Outcome::Kind::kUndefined);
    if (!*holds) return finish(Outcome::Kind::kNotMatched);
  }
  if (payload.json() == nullptr && IsPlainStar(select)) {
    outcome.text = payload.bytes();
    return finish(Outcome::Kind::kFired);
  }
  outcome.result = evaluator.Project(select);
  if (!environment.failed()) outcome.text = ToJsonText(outcome.result);
  if (outcome.text.size() > kMaxResultBytes) environment.Fail("the result is larger than 128 KiB");
  return finish(Outcome::Kind::kFired);
}

Template::Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::Parse(std::string_view text) {
  if (text.size() > kMaxTemplateBytes) {
    return Fail(Action::kFixConfig, fmt::format("more than {} bytes", kMaxTemplateBytes));
  }
  Template result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = text.find("${", at);
    result.parts_.push_back({std::string(text.substr(at, open - at)), nullptr});
    if (open == std::string_view::npos) break;
    // The end is the first brace with which the expression is one: an object literal has braces, and so has text.
    std::optional<Error> fault;
    std::size_t close = open;
    std::unique_ptr<Node> expression;
    while (!expression && (close = text.find('}', close + 1)) != std::string_view::npos) {
      auto parsed = ParseExpression(text.substr(open + 2, close - open - 2));
      if (parsed) {
        expression = std::move(*parsed);
      } else if (!fault) {
        fault = parsed.error();
      }
    }
    if (!expression) {
      if (fault) return Fail(fault->WithContext(fmt::format("${{...}} at column {}", open + 1)));
      return Fail(Action::kFixConfig, fmt::format("${{ at column {} has no closing brace", open + 1));
    }
    result.parts_.push_back({{}, std::move(expression)});
    at = close + 1;
  }
  return result;
}

Result<std::string> Template::Render(const Payload& payload, const Facts& facts) const {
  Environment environment(payload, facts);
  Evaluator evaluator(environment, payload);
  std::string text;
  for (const Part& part : parts_) {
    if (!part.expression) {
      text += part.text;
      continue;
    }
    text += TextOf(evaluator.Evaluate(*part.expression), environment).value_or("");
    if (environment.failed()) return Fail(Action::kGiveUp, environment.why());
  }
  return text;
}

}  // namespace penumbra::rules
