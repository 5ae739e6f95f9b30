// Where AWS's documentation is silent or disagrees with itself, this takes:
// - Int / Int is Int (operator table), unless Facts::exact_division; `rules test` says when that makes a difference.
// - "=" on two Nulls is true (the table of <> says false).
// - A nested query sees only its element; over an object it gives one result, over an array an array.
// - SELECT *, x AS name: the later one wins when the payload has that name already.
// - A result is SELECT's object even when nothing in it has a value: {}.
#include "rules/evaluator.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace penumbra::rules {
namespace {

void Put(Object& object, std::string name, Value value) {
  for (Member& member : object) {
    if (member.key != name) continue;
    member.value = std::move(value);
    return;
  }
  object.push_back({std::move(name), std::move(value)});
}

}  // namespace

bool Evaluator::SetVariables(const Statement& statement) {
  if (!statement.variables.empty() && payload_.json() == nullptr) {
    environment_.Fail(fmt::format("SET is for JSON payloads, and this is none ({})", payload_.why()));
    return false;
  }
  std::size_t all = 0;
  for (const auto& [name, expression] : statement.variables) {
    Value value = Evaluate(*expression);
    const std::size_t size = ToJsonText(value).size();
    all += size;
    if (all > kMaxResultBytes) environment_.Fail(fmt::format("variables hold more than 128 KiB at {}", name));
    if (environment_.failed()) return false;
    variables_.emplace_back(name, std::move(value));
  }
  return true;
}

Value Evaluator::Evaluate(const Node& node) {
  environment_.Charge(1);
  if (environment_.failed()) return {};
  switch (node.kind) {
    case Node::Kind::kLiteral:
      return node.literal;
    case Node::Kind::kName:
      return Name(node);
    case Node::Kind::kMember:
      return MemberOf(node);
    case Node::Kind::kStar:
      return Star();
    case Node::Kind::kBinary:
      return Binary(node);
    case Node::Kind::kCall:
      return Call(node);
    case Node::Kind::kCast:
      return Cast(node);
    case Node::Kind::kCase:
      return Case(node);
    case Node::Kind::kNested:
      return Nested(node);
    case Node::Kind::kVariable: {
      const auto it = std::find_if(variables_.begin(), variables_.end(),
                                   [&node](const auto& variable) { return variable.first == node.text; });
      return it == variables_.end() ? Value() : it->second;
    }
    case Node::Kind::kNot: {
      const auto truth = Evaluate(*node.children[0]).ToBool();
      return truth ? Value(!*truth) : Value();
    }
    case Node::Kind::kNegate: {
      const auto number = Evaluate(*node.children[0]).ToNumber();
      return number ? Value(number->Negated()) : Value();
    }
    case Node::Kind::kArray: {
      Array array;
      for (const auto& child : node.children) {
        Value element = Evaluate(*child);
        if (!element.IsUndefined()) array.push_back(std::move(element));
      }
      return Value(std::move(array));
    }
    case Node::Kind::kObject: {
      Object object;
      for (std::size_t i = 0; i < node.children.size(); ++i) {
        environment_.Charge(object.size() / 16);
        Put(object, node.keys[i], Evaluate(*node.children[i]));
      }
      return Value(std::move(object));
    }
  }
  return {};
}

void Evaluator::Missing(const Node& node) {
  std::string path = PathText(node);
  if (path.empty() || missing_.size() >= kMaxMissing) return;
  if (std::find(missing_.begin(), missing_.end(), path) == missing_.end()) missing_.push_back(std::move(path));
}

Value Evaluator::Name(const Node& node) {
  const Value* root = element_;
  if (root == nullptr) {
    root = payload_.json();
    if (root == nullptr) {
      return environment_.Fail(fmt::format("the rule asks for the attribute \"{}\", but the payload is not JSON ({})",
                                           node.text, payload_.why()));
    }
  }
  const Value* value = root->Member(node.text);
  if (value == nullptr) {
    Missing(node);
    return {};
  }
  return *value;
}

Value Evaluator::MemberOf(const Node& node) {
  const Value whole = Evaluate(*node.children[0]);
  const Value* value = whole.Member(node.text);
  if (value != nullptr) return *value;
  if (!whole.IsUndefined()) Missing(node);
  return {};
}

Value Evaluator::Star() {
  if (element_ != nullptr) return *element_;
  if (payload_.json() != nullptr) return *payload_.json();
  return environment_.Fail(fmt::format("* as an argument wants a JSON payload, and this is none ({})", payload_.why()));
}

Value Evaluator::Binary(const Node& node) {
  if (node.op == Operator::kAnd || node.op == Operator::kOr) return Logic(node);
  const Value left = Evaluate(*node.children[0]), right = Evaluate(*node.children[1]);
  if (environment_.failed()) return {};
  switch (node.op) {
    case Operator::kEqual:
    case Operator::kNotEqual:
    case Operator::kLess:
    case Operator::kLessEqual:
    case Operator::kGreater:
    case Operator::kGreaterEqual:
      return Compare(node.op, left, right);
    default:
      return Calculate(node.op, left, right);
  }
}

// Both sides always count: "true OR Undefined" is Undefined.
Value Evaluator::Logic(const Node& node) {
  const auto left = Evaluate(*node.children[0]).ToBool(), right = Evaluate(*node.children[1]).ToBool();
  if (!left || !right) return {};
  return Value(node.op == Operator::kAnd ? *left && *right : *left || *right);
}

Value Evaluator::Compare(Operator op, const Value& left, const Value& right) {
  if (op == Operator::kEqual || op == Operator::kNotEqual) {
    if (left.IsUndefined() || right.IsUndefined()) return {};
    return Value((left == right) == (op == Operator::kEqual));
  }
  const auto a = left.ToNumber(), b = right.ToNumber();
  if (!a || !b) return {};
  const int order = Number::Compare(*a, *b);
  switch (op) {
    case Operator::kLess:
      return Value(order < 0);
    case Operator::kLessEqual:
      return Value(order <= 0);
    case Operator::kGreater:
      return Value(order > 0);
    default:
      return Value(order >= 0);
  }
}

Value Evaluator::Calculate(Operator op, const Value& left, const Value& right) {
  if (op == Operator::kAdd && (left.AsString() != nullptr || right.AsString() != nullptr)) {
    auto a = TextOf(left, environment_);
    const auto b = TextOf(right, environment_);
    return a && b ? environment_.Text(std::move(*a) + *b) : Value();
  }
  auto a = left.ToNumber(), b = right.ToNumber();
  if (!a || !b) return {};
  // Text that is a number counts as Decimal, also "7".
  if (left.AsString() != nullptr) *a = a->AsDecimal();
  if (right.AsString() != nullptr) *b = b->AsDecimal();
  switch (op) {
    case Operator::kAdd:
      return Value::Of(Number::Add(*a, *b));
    case Operator::kSubtract:
      return Value::Of(Number::Subtract(*a, *b));
    case Operator::kMultiply:
      return Value::Of(Number::Multiply(*a, *b));
    case Operator::kDivide:
      return Value::Of(environment_.facts().exact_division ? Number::Divide(a->AsDecimal(), *b)
                                                           : Number::Divide(*a, *b));
    default:
      return Value::Of(Number::Remainder(*a, *b));
  }
}

Value Evaluator::Call(const Node& node) {
  if (node.function == Function::kGetOrDefault) return Default(node);
  Arguments arguments;
  arguments.reserve(node.children.size());
  for (const auto& child : node.children) {
    // encode(*, ...) takes the payload as it came, JSON or not.
    const bool raw = node.function == Function::kEncode && child->kind == Node::Kind::kStar && element_ == nullptr;
    arguments.push_back(raw ? environment_.Text(payload_.bytes()) : Evaluate(*child));
  }
  if (environment_.failed()) return {};
  return CallFunction(node.function, arguments, environment_);
}

Value Evaluator::Default(const Node& node) {
  if (node.children.empty() || node.children.size() > 2) return {};
  Value value = Evaluate(*node.children[0]);
  const bool failed = environment_.failed();
  if (failed) environment_.Forgive();
  if (!failed && !value.IsUndefined() && !value.IsNull()) return value;
  return node.children.size() == 2 ? Evaluate(*node.children[1]) : Value();
}

Value Evaluator::Cast(const Node& node) {
  const Value value = Evaluate(*node.children[0]);
  const bool* truth = value.AsBool();
  const auto number = truth != nullptr ? std::optional(Number::FromInt(*truth ? 1 : 0)) : value.ToNumber();
  switch (node.cast) {
    case CastType::kText: {
      auto text = TextOf(value, environment_);
      return text ? Value(std::move(*text)) : Value();
    }
    case CastType::kInt:
      return number ? Value(number->ToWhole(Number::Rounding::kDown)) : Value();
    case CastType::kDecimal:
      return number ? Value(number->Plain()) : Value();
    case CastType::kDouble:
      return number ? Value::Of(Number::FromDouble(number->ToDouble())) : Value();
    case CastType::kBool: {
      if (const Number* plain = value.AsNumber()) return Value(!plain->is_zero());
      const auto same = value.ToBool();
      return same ? Value(*same) : Value();
    }
  }
  return {};
}

Value Evaluator::Case(const Node& node) {
  const Value value = Evaluate(*node.children[0]);
  if (value.IsUndefined()) return {};
  const std::size_t end = node.children.size() - (node.has_else ? 1 : 0);
  for (std::size_t i = 1; i + 1 < end; i += 2) {
    if (value == Evaluate(*node.children[i])) return Evaluate(*node.children[i + 1]);
  }
  return node.has_else ? Evaluate(*node.children.back()) : Value();
}

Value Evaluator::Nested(const Node& node) {
  const Value source = Evaluate(*node.select->from);
  const Value* outer = element_;
  const auto look_at = [&](const Value& element) -> Value {
    element_ = &element;
    Value result;
    const bool holds = !node.select->where || Evaluate(*node.select->where).ToBool().value_or(false);
    if (holds) result = ProjectOne(*node.select);
    element_ = outer;
    return result;
  };
  if (source.AsObject() != nullptr) return look_at(source);
  const Array* array = source.AsArray();
  if (array == nullptr) return {};
  Array results;
  for (const Value& element : *array) {
    Value result = look_at(element);
    if (environment_.failed()) return {};
    if (!result.IsUndefined()) results.push_back(std::move(result));
  }
  return Value(std::move(results));
}

Value Evaluator::ProjectOne(const Select& select) {
  if (select.value_only) return select.items[0].expression ? Evaluate(*select.items[0].expression) : Star();
  if (select.items.size() == 1 && !select.items[0].expression) return Star();
  Object object;
  for (const Item& item : select.items) {
    if (!item.expression) {
      const Value whole = Star();
      const Object* members = whole.AsObject();
      if (members == nullptr) continue;
      environment_.Charge(members->size());
      for (const Member& member : *members) Put(object, member.key, member.value);
      continue;
    }
    environment_.Charge(object.size() / 16);
    Value value = Evaluate(*item.expression);
    if (value.IsUndefined()) {
      if (element_ == nullptr) undefined_.push_back(item.name);
      continue;
    }
    Put(object, item.name, std::move(value));
  }
  return Value(std::move(object));
}

Value Evaluator::Project(const Select& select) {
  Value value = ProjectOne(select);
  if (select.value_only && value.IsUndefined()) undefined_.emplace_back("VALUE");
  return value;
}

}  // namespace penumbra::rules
