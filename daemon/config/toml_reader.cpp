#include "config/toml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <sstream>

// Parse errors as values; formatters are not needed.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/text.hpp"

namespace penumbra {
namespace {

// Finds the line where brackets or dotted keys nest too deep, 0 if none. Knows strings and comments just well enough to
// skip them; text that fools it is no TOML, and toml++ stops there.
class DepthScan {
 public:
  explicit DepthScan(std::string_view text) : text_(text) {}

  int LineTooDeep() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        SkipString(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      Count(c);
      if (dots_ > kMaxTomlDepth || brackets_ > kMaxTomlDepth) return line_;
      ++at_;
    }
    return 0;
  }

 private:
  void Count(char c) {
    if (c == '\n') ++line_;
    if (c == '.') {
      ++dots_;
    } else if (c == '=' || c == ',' || c == '\n') {
      dots_ = 0;
    } else if (c == '[' || c == '{') {
      ++brackets_;
      dots_ = 0;
    } else if (c == ']' || c == '}') {
      brackets_ = std::max(0, brackets_ - 1);
    }
  }

  void SkipString(char quote) {
    const std::string triple(3, quote);
    const bool multi_line = text_.substr(at_, 3) == triple;
    at_ += multi_line ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        if (!multi_line) return;
        ++line_;
      }
      if (c == '\\' && quote == '"') {
        at_ += 2;
        continue;
      }
      if (c == quote && (!multi_line || text_.substr(at_, 3) == triple)) {
        at_ += multi_line ? 3 : 1;
        // Up to two quotes may stand directly before the closing three.
        for (int extra = 0; multi_line && extra < 2 && at_ < text_.size() && text_[at_] == quote; ++extra) ++at_;
        return;
      }
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  int dots_ = 0;
  int brackets_ = 0;
};

Place PlaceOf(const toml::source_region& region, const SourceFile& file) {
  return {&file, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

Node Convert(const toml::node& from, const SourceFile& file) {
  Node node;
  node.place = node.key_place = PlaceOf(from.source(), file);
  if (const toml::table* table = from.as_table()) {
    for (auto&& [key, value] : *table) {
      Node& member = node.members.emplace(std::string(key.str()), Convert(value, file)).first->second;
      member.key_place = PlaceOf(key.source(), file);
    }
  } else if (const toml::array* array = from.as_array()) {
    node.kind = Node::Kind::kArray;
    for (const toml::node& item : *array) node.items.push_back(Convert(item, file));
  } else if (const auto* text = from.as_string()) {
    node.kind = Node::Kind::kString;
    node.text = text->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = Node::Kind::kInteger;
    node.integer = integer->get();
  } else if (const auto* real = from.as_floating_point()) {
    node.kind = Node::Kind::kReal;
    node.real = real->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.kind = Node::Kind::kBool;
    node.boolean = boolean->get();
  } else {
    node.kind = Node::Kind::kDate;
    node.text = "date";
  }
  return node;
}

int LineOfBadUtf8(std::string_view text) {
  int line = 1;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    if (!IsUtf8(text.substr(0, end + 1))) return line;
    text.remove_prefix(end + 1);
    ++line;
  }
  return line;
}

}  // namespace

std::optional<Node> ParseToml(std::string_view text, const SourceFile& file, Diagnostics& diagnostics) {
  if (text.size() > kMaxTomlBytes) {
    diagnostics.Error({&file, 0, 0}, fmt::format("larger than {} MiB: is this a configuration?", kMaxTomlBytes >> 20));
    return std::nullopt;
  }
  if (!IsUtf8(text)) {
    diagnostics.Error({&file, LineOfBadUtf8(text), 1}, "not UTF-8 text; save the file in UTF-8");
    return std::nullopt;
  }
  if (const int line = DepthScan(text).LineTooDeep(); line > 0) {
    diagnostics.Error({&file, line, 1}, fmt::format("keys or brackets nested deeper than {} levels", kMaxTomlDepth));
    return std::nullopt;
  }
  try {
    const toml::parse_result result = toml::parse(text);
    if (!result) {
      const toml::parse_error& error = result.error();
      diagnostics.Error(PlaceOf(error.source(), file), fmt::format("not valid TOML: {}", error.description()));
      return std::nullopt;
    }
    return Convert(result.table(), file);
  } catch (const std::exception& e) {  // bad_alloc and the like
    diagnostics.Error({&file, 0, 0}, fmt::format("cannot read this as TOML: {}", e.what()));
    return std::nullopt;
  }
}

}  // namespace penumbra
