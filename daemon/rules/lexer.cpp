#include "rules/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace penumbra::rules {
namespace {

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// What other languages write, and what it is called here.
struct Foreign {
  std::string_view text, instead;
};
constexpr Foreign kForeign[] = {
    {"!=", "\"not equal\" is written <>"},
    {"==", "\"equal\" is written ="},
    {"&&", "write AND"},
    {"||", "write OR; text is joined with + or concat()"},
    {"!", "write NOT"},
    {"/*", "there are no comments in AWS IoT SQL"},
    {"-- ", "there are no comments in AWS IoT SQL"},
    {";", "one statement, without a semicolon"},
    {"`", "a key that is no plain name is read with get(*, \"key\")"},
    {"\xe2\x80\x93", "this is a dash of a text processor: write - for minus"},
    {"\xe2\x80\x98", "this is a quotation mark of a text processor: write '"},
    {"\xe2\x80\x99", "this is a quotation mark of a text processor: write '"},
    {"\xe2\x80\x9c", "this is a quotation mark of a text processor: write \""},
    {"\xe2\x80\x9d", "this is a quotation mark of a text processor: write \""},
};

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> Run() {
    for (;;) {
      while (at_ < sql_.size() && std::string_view(" \t\r\n").find(sql_[at_]) != std::string_view::npos) ++at_;
      if (at_ == sql_.size()) break;
      if (const Status status = Next(); !status) return Fail(status.error());
    }
    tokens_.push_back({Token::Kind::kEnd, "", sql_.size()});
    return std::move(tokens_);
  }

 private:
  Status Next() {
    const char c = sql_[at_];
    if (IsLetter(c)) return Take(Token::Kind::kWord, Run(at_ + 1, [](char d) { return IsLetter(d) || IsDigit(d); }));
    if (c == '@') return Variable();
    if (IsDigit(c)) return Take(Token::Kind::kNumber, NumberEnd());
    if (c == '\'' || c == '"') return Text(c);
    for (const Foreign& foreign : kForeign) {
      if (sql_.substr(at_).starts_with(foreign.text)) {
        return Fail(FaultAt(sql_, at_, fmt::format("{}: {}", foreign.text, foreign.instead)));
      }
    }
    for (const std::string_view symbol : {"<=", ">=", "<>"}) {
      if (sql_.substr(at_).starts_with(symbol)) return Take(Token::Kind::kSymbol, at_ + 2);
    }
    if (std::string_view("()[]{},.:*+-/%=<>").find(c) != std::string_view::npos) {
      return Take(Token::Kind::kSymbol, at_ + 1);
    }
    return Fail(FaultAt(sql_, at_, "a character that AWS IoT SQL does not have"));
  }

  template <typename Predicate>
  std::size_t Run(std::size_t from, Predicate predicate) const {
    while (from < sql_.size() && predicate(sql_[from])) ++from;
    return from;
  }

  Status Take(Token::Kind kind, std::size_t end) {
    tokens_.push_back({kind, std::string(sql_.substr(at_, end - at_)), at_});
    at_ = end;
    return {};
  }

  Status Variable() {
    const std::size_t end = Run(at_ + 1, [](char d) { return IsLetter(d) || IsDigit(d); });
    if (end == at_ + 1) return Fail(FaultAt(sql_, at_, "@ wants the name of a variable behind it: @v"));
    return Take(Token::Kind::kVariable, end);
  }

  std::size_t NumberEnd() const {
    std::size_t end = Run(at_, IsDigit);
    if (end + 1 < sql_.size() && sql_[end] == '.' && IsDigit(sql_[end + 1])) end = Run(end + 1, IsDigit);
    if (end < sql_.size() && (sql_[end] == 'e' || sql_[end] == 'E')) {
      const std::size_t sign = end + 1 < sql_.size() && (sql_[end + 1] == '-' || sql_[end + 1] == '+') ? 1 : 0;
      const std::size_t digits = Run(end + 1 + sign, IsDigit);
      if (digits > end + 1 + sign) end = digits;
    }
    return end;
  }

  // A quote that stands twice is one of the text. A backslash is a character like any other.
  Status Text(char quote) {
    std::string text;
    std::size_t at = at_ + 1;
    for (; at < sql_.size(); ++at) {
      if (sql_[at] != quote) {
        text += sql_[at];
      } else if (at + 1 < sql_.size() && sql_[at + 1] == quote) {
        text += sql_[at++];
      } else {
        tokens_.push_back({Token::Kind::kText, std::move(text), at_});
        at_ = at + 1;
        return {};
      }
    }
    return Fail(FaultAt(sql_, at_, fmt::format("text that begins with {} and has no end", quote)));
  }

  const std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokens(std::string_view sql) {
  if (!IsUtf8(sql)) return Fail(Action::kFixConfig, "the rule is not UTF-8 text");
  return Lexer(sql).Run();
}

Error FaultAt(std::string_view sql, std::size_t offset, std::string_view what) {
  const std::string_view before = sql.substr(0, offset);
  const std::size_t newline = before.rfind('\n');
  const std::string_view line = newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto column = 1 + std::count_if(line.begin(), line.end(), [](char c) {
                        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // a character, not a byte
                      });
  if (sql.find('\n') == std::string_view::npos) {
    return {Action::kFixConfig, fmt::format("column {}: {}", column, what)};
  }
  return {Action::kFixConfig,
          fmt::format("line {}, column {}: {}", 1 + std::count(before.begin(), before.end(), '\n'), column, what)};
}

}  // namespace penumbra::rules
