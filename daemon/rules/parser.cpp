#include "rules/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "rules/lexer.hpp"
#include "rules/topic_filter.hpp"

namespace penumbra::rules {
namespace {

using NodePtr = std::unique_ptr<Node>;
using Kind = Token::Kind;

bool IsKeyword(std::string_view lower) {
  static const std::vector<std::string_view> kKeywords = {"select", "from", "where", "as",   "and",  "or",
                                                          "not",    "case", "when",  "then", "else", "end",
                                                          "null",   "true", "false", "set"};
  return std::find(kKeywords.begin(), kKeywords.end(), lower) != kKeywords.end();
}

// What other dialects of SQL have, and what to write here.
std::string_view InsteadOf(std::string_view lower) {
  static const std::map<std::string_view, std::string_view> kInstead = {
      {"like", "there is no LIKE: write regexp_matches(x, \"...\"), startswith(x, \"...\") or endswith(x, \"...\")"},
      {"in", "there is no IN: write x = 1 OR x = 2"},
      {"between", "there is no BETWEEN: write x >= 1 AND x <= 2"},
      {"is", "there is no IS: write isNull(x) or isUndefined(x)"},
      {"group", "there is no GROUP BY: a rule sees one message at a time"},
      {"order", "there is no ORDER BY: a rule sees one message at a time"},
      {"limit", "there is no LIMIT: a rule sees one message at a time"},
      {"join", "there is no JOIN: a rule sees one message at a time"},
      {"distinct", "there is no DISTINCT: a rule sees one message at a time"},
      {"having", "there is no HAVING: write WHERE"},
  };
  const auto it = kInstead.find(lower);
  return it == kInstead.end() ? std::string_view() : it->second;
}

std::string Shown(const Token& token) {
  if (token.kind == Kind::kEnd) return "the end";
  if (token.kind == Kind::kText) return fmt::format("the text '{}'", token.text.substr(0, 40));
  return fmt::format("\"{}\"", token.text.substr(0, 40));
}

class Parser {
 public:
  Parser(std::string_view sql, std::vector<Token> tokens) : sql_(sql), tokens_(std::move(tokens)) {}

  Result<Parsed> RunStatement() {
    Parsed parsed;
    if (Word("set")) ReadVariables(parsed.statement);
    if (!Failed() && !Word("select")) Expected("SELECT", "SELECT * FROM 'topic/filter' WHERE ...");
    if (!Failed()) ReadSelect(parsed.statement.select);
    if (!Failed() && Word("from")) ReadFilter(parsed.statement);
    if (!Failed() && Word("where")) parsed.statement.select.where = Expression();
    if (!Failed() && Now().kind != Kind::kEnd) Unexpected();
    if (Failed()) return Fail(*fault_);
    parsed.notes = std::move(notes_);
    parsed.only_cloud = std::move(only_cloud_);
    return parsed;
  }

  Result<NodePtr> RunExpression() {
    NodePtr node = Expression();
    if (!Failed() && Now().kind != Kind::kEnd) Unexpected();
    if (Failed()) return Fail(*fault_);
    if (only_cloud_) return Fail(*only_cloud_);
    return node;
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Behind() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool IsWord(std::string_view word) const { return Now().kind == Kind::kWord && Lower(Now().text) == word; }
  bool IsSymbol(std::string_view symbol) const { return Now().kind == Kind::kSymbol && Now().text == symbol; }
  bool Word(std::string_view word) {
    if (!IsWord(word)) return false;
    ++at_;
    return true;
  }
  bool Symbol(std::string_view symbol) {
    if (!IsSymbol(symbol)) return false;
    ++at_;
    return true;
  }

  bool Failed() const { return fault_.has_value(); }
  // The first fault is told; what follows from it is not.
  NodePtr Fault(std::size_t offset, std::string_view what) {
    if (!fault_) fault_ = FaultAt(sql_, offset, what);
    at_ = tokens_.size() - 1;
    return nullptr;
  }
  NodePtr Expected(std::string_view what, std::string_view example) {
    if (Now().kind == Kind::kWord) {
      if (const std::string_view instead = InsteadOf(Lower(Now().text)); !instead.empty()) {
        return Fault(Now().offset, instead);
      }
    }
    return Fault(Now().offset, fmt::format("expected {}, found {}; for example {}", what, Shown(Now()), example));
  }
  void Unexpected() {
    if (IsSymbol("[")) {
      Fault(Now().offset, "there is no [n]: write get(array, 0), counted from 0");
    } else if (Now().kind == Kind::kWord && !InsteadOf(Lower(Now().text)).empty()) {
      Fault(Now().offset, InsteadOf(Lower(Now().text)));
    } else if (IsWord("from")) {
      Fault(Now().offset, "a second FROM");
    } else {
      Fault(Now().offset, fmt::format("{} is not expected here{}", Shown(Now()),
                                      Now().kind == Kind::kWord ? "; is a comma, AS or an operator missing?" : ""));
    }
  }
  void Note(std::size_t offset, std::string_view what) { notes_.push_back(FaultAt(sql_, offset, what).message); }

  NodePtr Make(Node::Kind kind, std::size_t offset) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->offset = offset;
    return node;
  }
  // Evaluating and destroying recurse once a level.
  NodePtr Adopt(NodePtr parent, NodePtr child) {
    if (Failed()) return nullptr;
    parent->depth = std::max(parent->depth, child->depth + 1);
    parent->children.push_back(std::move(child));
    if (parent->depth > kMaxDepth) {
      return Fault(parent->offset, fmt::format("nested deeper than {} operators", kMaxDepth));
    }
    return parent;
  }

  void ReadVariables(Statement& statement) {
    do {
      if (Now().kind != Kind::kVariable) {
        Expected("a variable", "SET @f = temperature * 1.8 + 32 SELECT @f AS f FROM ...");
        return;
      }
      const Token name = Now();
      ++at_;
      const auto same = [&name](const auto& known) { return known.first == name.text; };
      if (std::any_of(statement.variables.begin(), statement.variables.end(), same)) {
        Fault(name.offset, fmt::format("{} has a value already; a variable is set once", name.text));
        return;
      }
      if (statement.variables.size() == kMaxVariables) {
        Fault(name.offset, fmt::format("AWS allows {} variables in a rule", kMaxVariables));
        return;
      }
      if (!Symbol("=")) {
        Expected("=", "SET @f = temperature * 1.8 + 32");
        return;
      }
      NodePtr value = Expression();
      if (Failed()) return;
      statement.variables.emplace_back(name.text, std::move(value));
      variables_.push_back(name.text);
    } while (Symbol(","));
  }

  void ReadFilter(Statement& statement) {
    const Token& filter = Now();
    if (filter.kind != Kind::kText) {
      Fault(filter.offset, fmt::format("FROM wants a topic filter in single quotes, found {}: FROM "
                                       "'sensors/+/temperature'",
                                       Shown(filter)));
      return;
    }
    if (sql_[filter.offset] == '"') Note(filter.offset, "AWS wants the topic filter in single quotes");
    if (const Status valid = CheckFilter(filter.text); !valid) {
      Fault(filter.offset, valid.error().message);
      return;
    }
    statement.filter = filter.text;
    ++at_;
  }

  void ReadSelect(Select& select) {
    // VALUE is a keyword right behind SELECT only, and only when an expression follows it.
    if (IsWord("value")) {
      const Token& next = Behind();
      const bool operand =
          next.kind == Kind::kNumber || next.kind == Kind::kText || next.kind == Kind::kVariable ||
          (next.kind == Kind::kWord && !IsKeyword(Lower(next.text))) ||
          (next.kind == Kind::kWord &&
           (Lower(next.text) == "case" || Lower(next.text) == "not" || Lower(next.text) == "null" ||
            Lower(next.text) == "true" || Lower(next.text) == "false")) ||
          (next.kind == Kind::kSymbol && std::string_view("([{*-").find(next.text) != std::string_view::npos);
      if (!operand) {
        Fault(Now().offset,
              "VALUE right behind SELECT is a keyword and wants an expression; an attribute of that name is read with "
              "get(*, \"value\") AS value");
        return;
      }
      ++at_;
      select.value_only = true;
    }
    do {
      Item item;
      if (IsSymbol("*")) {
        if (std::any_of(select.items.begin(), select.items.end(), [](const Item& i) { return !i.expression; })) {
          Fault(Now().offset, "* a second time");
          return;
        }
        ++at_;
      } else {
        const std::size_t offset = Now().offset;
        item.expression = Expression();
        if (Failed()) return;
        ReadName(select, item, offset);
      }
      select.items.push_back(std::move(item));
      if (select.value_only && IsSymbol(",")) {
        Fault(Now().offset, "SELECT VALUE takes one expression; for more write SELECT a AS x, b AS y");
        return;
      }
    } while (!Failed() && Symbol(","));
  }

  void ReadName(const Select& select, Item& item, std::size_t offset) {
    if (Word("as")) {
      if (Now().kind != Kind::kWord) {
        Expected("a name", "floor(timestamp / 1000) AS seconds");
        return;
      }
      item.name = Now().text;
      ++at_;
    } else if (!select.value_only) {
      const Node& node = *item.expression;
      item.name = node.kind == Node::Kind::kName || node.kind == Node::Kind::kMember ? node.text
                  : node.kind == Node::Kind::kVariable                               ? node.text.substr(1)
                  : node.kind == Node::Kind::kCall ? std::string(SignatureOf(node.function).name)
                                                   : fmt::format("_{}", select.items.size());
      if (node.kind != Node::Kind::kName && node.kind != Node::Kind::kMember) {
        Note(offset,
             fmt::format("no AS: what AWS calls this in the result is not documented (\"{}\" here)", item.name));
      }
    }
    const auto same = [&item](const Item& known) { return known.expression && known.name == item.name; };
    if (!select.value_only && std::any_of(select.items.begin(), select.items.end(), same)) {
      Note(offset, fmt::format("\"{}\" is selected twice: the last one counts here", item.name));
    }
  }

  NodePtr Expression() {
    if (++nesting_ > kMaxNesting) return Fault(Now().offset, fmt::format("nested deeper than {} levels", kMaxNesting));
    NodePtr node = Binary(0);
    --nesting_;
    return node;
  }

  struct Level {
    std::string_view symbol;
    Operator op;
    int level;
  };
  static const Level* OperatorOf(const Token& token, int level) {
    static constexpr Level kOperators[] = {
        {"or", Operator::kOr, 0},       {"and", Operator::kAnd, 1},         {"=", Operator::kEqual, 3},
        {"<>", Operator::kNotEqual, 3}, {"<", Operator::kLess, 3},          {"<=", Operator::kLessEqual, 3},
        {">", Operator::kGreater, 3},   {">=", Operator::kGreaterEqual, 3}, {"+", Operator::kAdd, 4},
        {"-", Operator::kSubtract, 4},  {"*", Operator::kMultiply, 5},      {"/", Operator::kDivide, 5},
        {"%", Operator::kRemainder, 5},
    };
    if (token.kind != Kind::kSymbol && token.kind != Kind::kWord) return nullptr;
    const std::string text = Lower(token.text);
    for (const Level& op : kOperators) {
      if (op.level == level && op.symbol == text) return &op;
    }
    return nullptr;
  }

  // OR, AND, NOT, comparison, sum, product: from the weakest.
  NodePtr Binary(int level) {
    if (level == 2) return Not();
    if (level == 6) return Unary();
    NodePtr left = Binary(level + 1);
    while (!Failed()) {
      const Level* op = OperatorOf(Now(), level);
      if (op == nullptr) break;
      NodePtr node = Make(Node::Kind::kBinary, Now().offset);
      node->op = op->op;
      ++at_;
      NodePtr right = Binary(level + 1);
      left = Adopt(std::move(node), std::move(left));
      left = Adopt(std::move(left), std::move(right));
    }
    return left;
  }

  NodePtr Not() {
    if (!IsWord("not")) return Binary(3);
    if (++nesting_ > kMaxNesting) return Fault(Now().offset, fmt::format("nested deeper than {} levels", kMaxNesting));
    NodePtr node = Make(Node::Kind::kNot, Now().offset);
    ++at_;
    NodePtr operand = Not();
    --nesting_;
    return Adopt(std::move(node), std::move(operand));
  }

  NodePtr Unary() {
    if (!IsSymbol("-")) return Postfix();
    if (++nesting_ > kMaxNesting) return Fault(Now().offset, fmt::format("nested deeper than {} levels", kMaxNesting));
    NodePtr node = Make(Node::Kind::kNegate, Now().offset);
    ++at_;
    NodePtr operand = Unary();
    --nesting_;
    return Adopt(std::move(node), std::move(operand));
  }

  NodePtr Postfix() {
    NodePtr node = Primary();
    while (!Failed() && Symbol(".")) {
      if (Now().kind != Kind::kWord) return Expected("a name behind the point", "state.reported.temperature");
      NodePtr member = Make(Node::Kind::kMember, Now().offset);
      member->text = Now().text;
      NoteDigits(Now());
      ++at_;
      node = Adopt(std::move(member), std::move(node));
    }
    if (!Failed() && IsSymbol("[")) {
      return Fault(Now().offset, "there is no [n]: write get(array, 0), counted from 0");
    }
    return node;
  }

  void NoteDigits(const Token& name) {
    if (name.text.find_first_of("0123456789") == std::string::npos) return;
    Note(name.offset,
         fmt::format("AWS documents that a key with a digit is read with get(): get(*, \"{}\")", name.text));
  }

  NodePtr Literal(Value value) {
    NodePtr node = Make(Node::Kind::kLiteral, Now().offset);
    node->literal = std::move(value);
    ++at_;
    return node;
  }

  NodePtr Primary() {
    const Token& token = Now();
    if (token.kind == Kind::kNumber) {
      const auto number = Number::Parse(token.text);
      if (!number) return Fault(token.offset, "a number beyond 1E999");
      return Literal(Value(*number));
    }
    if (token.kind == Kind::kText) return Literal(Value(token.text));
    if (token.kind == Kind::kVariable) return Variable();
    if (token.kind == Kind::kWord) return WordOperand();
    if (IsSymbol("(")) return Parenthesis();
    if (IsSymbol("[")) return ArrayLiteral();
    if (IsSymbol("{")) return ObjectLiteral();
    if (IsSymbol("*")) {
      return Fault(token.offset, "* stands for the payload behind SELECT and as an argument: get(*, \"key\")");
    }
    return Expected("an expression", "temperature > 40");
  }

  NodePtr Variable() {
    NodePtr node = Make(Node::Kind::kVariable, Now().offset);
    node->text = Now().text;
    if (std::find(variables_.begin(), variables_.end(), node->text) == variables_.end()) {
      return Fault(node->offset, fmt::format("{0} has no value: write SET {0} = ... before SELECT", node->text));
    }
    ++at_;
    return node;
  }

  NodePtr WordOperand() {
    const Token token = Now();
    const std::string lower = Lower(token.text);
    if (lower == "true" || lower == "false") return Literal(Value(lower == "true"));
    if (lower == "null") return Literal(Value::MakeNull());
    if (lower == "case") return Case();
    if (Behind().kind == Kind::kSymbol && Behind().text == "(" && !IsKeyword(lower)) return Call();
    if (IsKeyword(lower)) return Expected("an expression", "temperature > 40");
    NodePtr node = Make(Node::Kind::kName, token.offset);
    node->text = token.text;
    NoteDigits(token);
    ++at_;
    return node;
  }

  NodePtr Parenthesis() {
    const std::size_t offset = Now().offset;
    ++at_;
    if (IsWord("select")) return Nested(offset);
    NodePtr node = Expression();
    if (Failed()) return nullptr;
    if (!Symbol(")")) return Expected("a closing parenthesis", "(temperature - 32) * 5 / 9");
    return node;
  }

  NodePtr Nested(std::size_t offset) {
    if (++nesting_ > kMaxNesting) return Fault(offset, fmt::format("nested deeper than {} levels", kMaxNesting));
    ++at_;
    NodePtr node = Make(Node::Kind::kNested, offset);
    node->select = std::make_unique<Select>();
    ReadSelect(*node->select);
    if (Failed()) return nullptr;
    if (!Word("from")) return Expected("FROM", "(SELECT v FROM e WHERE n = 'temperature')");
    if (Now().kind == Kind::kText) {
      return Fault(Now().offset, "FROM of a nested query wants an attribute, not a topic: (SELECT v FROM e)");
    }
    node->select->from = Expression();
    if (!Failed() && Word("where")) node->select->where = Expression();
    if (Failed()) return nullptr;
    if (!Symbol(")")) return Expected("a closing parenthesis", "(SELECT v FROM e WHERE n = 'temperature')");
    --nesting_;
    int depth = node->select->from->depth;
    if (node->select->where) depth = std::max(depth, node->select->where->depth);
    for (const Item& item : node->select->items) depth = std::max(depth, item.expression ? item.expression->depth : 0);
    node->depth = depth + 1;
    return node;
  }

  NodePtr ArrayLiteral() {
    NodePtr node = Make(Node::Kind::kArray, Now().offset);
    ++at_;
    if (Symbol("]")) return node;
    do {
      NodePtr element = Expression();
      node = Adopt(std::move(node), std::move(element));
    } while (!Failed() && Symbol(","));
    if (!Failed() && !Symbol("]")) return Expected("] or a comma", "[1, 2]");
    return node;
  }

  NodePtr ObjectLiteral() {
    NodePtr node = Make(Node::Kind::kObject, Now().offset);
    ++at_;
    if (Symbol("}")) return node;
    do {
      if (Now().kind != Kind::kText) return Expected("a key in quotes", "{\"key\": temperature}");
      node->keys.push_back(Now().text);
      ++at_;
      if (!Symbol(":")) return Expected("a colon", "{\"key\": temperature}");
      NodePtr value = Expression();
      node = Adopt(std::move(node), std::move(value));
    } while (!Failed() && Symbol(","));
    if (!Failed() && !Symbol("}")) return Expected("} or a comma", "{\"a\": 1, \"b\": 2}");
    return node;
  }

  NodePtr Case() {
    NodePtr node = Make(Node::Kind::kCase, Now().offset);
    ++at_;
    if (IsWord("when")) {
      return Fault(Now().offset,
                   "CASE has only the form that compares one value: CASE color WHEN 'red' THEN 'stop' "
                   "ELSE 'go' END");
    }
    NodePtr value = Expression();
    node = Adopt(std::move(node), std::move(value));
    if (!Failed() && !IsWord("when")) return Expected("WHEN", "CASE color WHEN 'red' THEN 'stop' END");
    while (!Failed() && Word("when")) {
      NodePtr when = Expression();
      node = Adopt(std::move(node), std::move(when));
      if (!Failed() && !Word("then")) return Expected("THEN", "CASE color WHEN 'red' THEN 'stop' END");
      NodePtr then = Failed() ? nullptr : Expression();
      node = Adopt(std::move(node), std::move(then));
    }
    if (!Failed() && Word("else")) {
      node->has_else = true;
      NodePtr otherwise = Expression();
      node = Adopt(std::move(node), std::move(otherwise));
    }
    if (!Failed() && !Word("end")) return Expected("END", "CASE color WHEN 'red' THEN 'stop' END");
    return node;
  }

  NodePtr Call() {
    const Token name = Now();
    const std::string lower = Lower(name.text);
    at_ += 2;
    if (lower == "cast") return Cast(name.offset);
    const Signature* signature = FindFunction(lower);
    if (signature == nullptr) {
      if (const std::string_view instead = InsteadOf(lower); !instead.empty()) return Fault(name.offset, instead);
      std::vector<std::string> names;
      for (const Signature& known : Signatures()) names.emplace_back(known.name);
      const auto near = Suggest(lower, names);
      return Fault(name.offset, near ? fmt::format("there is no function {}(); did you mean {}()?", name.text, *near)
                                     : fmt::format("there is no function {}()", name.text));
    }
    if (!signature->needs.empty())
      OnlyCloud(name.offset, fmt::format("{}() asks {}", signature->name, signature->needs));
    NodePtr node = Make(Node::Kind::kCall, name.offset);
    node->function = signature->function;
    if (!Symbol(")")) {
      do {
        NodePtr argument = IsSymbol("*") ? Star() : Expression();
        node = Adopt(std::move(node), std::move(argument));
      } while (!Failed() && Symbol(","));
      if (Failed()) return nullptr;
      if (!Symbol(")")) return Expected("a comma or a closing parenthesis", "power(2, 5)");
    }
    NoteArguments(*node, *signature);
    NoteProto(*node);
    return node;
  }

  NodePtr Star() {
    NodePtr node = Make(Node::Kind::kStar, Now().offset);
    ++at_;
    return node;
  }

  void NoteArguments(const Node& node, const Signature& signature) {
    const int count = static_cast<int>(node.children.size());
    if (count >= signature.least && (signature.most < 0 || count <= signature.most)) return;
    const std::string wanted = signature.least == signature.most
                                   ? std::to_string(signature.least)
                                   : fmt::format("{} to {}", signature.least, signature.most);
    Note(node.offset,
         fmt::format("{}() takes {} arguments and has {}: it is always Undefined", signature.name, wanted, count));
  }

  // A protobuf message is decoded with a description that lies in S3.
  void NoteProto(const Node& node) {
    if (node.function != Function::kDecode || node.children.size() < 2) return;
    const std::string* scheme = node.children[1]->literal.AsString();
    if (scheme != nullptr && *scheme == "proto") OnlyCloud(node.offset, "decode(..., 'proto', ...) reads a file in S3");
  }

  void OnlyCloud(std::size_t offset, std::string_view what) {
    if (only_cloud_) return;
    only_cloud_ =
        FaultAt(sql_, offset, fmt::format("{}, which only the cloud can: a rule with it cannot be tested here", what));
    only_cloud_->action = Action::kGiveUp;
  }

  NodePtr Cast(std::size_t offset) {
    static const std::map<std::string, CastType> kTypes = {
        {"string", CastType::kText}, {"nvarchar", CastType::kText}, {"text", CastType::kText},
        {"ntext", CastType::kText},  {"varchar", CastType::kText},  {"int", CastType::kInt},
        {"integer", CastType::kInt}, {"double", CastType::kDouble}, {"decimal", CastType::kDecimal},
        {"bool", CastType::kBool},   {"boolean", CastType::kBool}};
    NodePtr node = Make(Node::Kind::kCast, offset);
    NodePtr value = Expression();
    node = Adopt(std::move(node), std::move(value));
    if (Failed()) return nullptr;
    if (!Word("as")) return Expected("AS and a type", "cast(temperature AS Int)");
    const auto type = kTypes.find(Lower(Now().text));
    if (Now().kind != Kind::kWord || type == kTypes.end()) {
      return Expected("a type (String, Int, Double, Decimal, Boolean)", "cast(temperature AS Int)");
    }
    node->cast = type->second;
    ++at_;
    if (!Symbol(")")) return Expected("a closing parenthesis", "cast(temperature AS Int)");
    return node;
  }

  const std::string_view sql_;
  const std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  std::vector<std::string> variables_;
  std::vector<std::string> notes_;
  std::optional<Error> fault_, only_cloud_;
};

Result<std::vector<Token>> BoundedTokens(std::string_view sql) {
  if (sql.size() > kMaxSqlBytes) {
    return Fail(Action::kFixConfig, fmt::format("{} bytes; AWS allows {} for a rule", sql.size(), kMaxSqlBytes));
  }
  return Tokens(sql);
}

}  // namespace

Result<Parsed> ParseStatement(std::string_view sql) {
  auto tokens = BoundedTokens(sql);
  if (!tokens) return Fail(tokens.error());
  return Parser(sql, std::move(*tokens)).RunStatement();
}

Result<std::unique_ptr<Node>> ParseExpression(std::string_view text) {
  auto tokens = BoundedTokens(text);
  if (!tokens) return Fail(tokens.error());
  return Parser(text, std::move(*tokens)).RunExpression();
}

std::string PathText(const Node& node) {
  if (node.kind == Node::Kind::kName) return node.text;
  if (node.kind != Node::Kind::kMember) return {};
  const std::string parent = PathText(*node.children[0]);
  return parent.empty() ? std::string() : parent + "." + node.text;
}

}  // namespace penumbra::rules
