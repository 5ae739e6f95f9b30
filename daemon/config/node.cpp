#include "config/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/text.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kLongestQuote = 80;

std::string RealToml(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = NumberText(value);
  // TOML tells integers and reals apart by the point or the exponent.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

bool IsBareKey(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  });
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string Joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string ToString(const Place& place) {
  if (place.file == nullptr) return "default";
  return place.line > 0 ? fmt::format("{}:{}", place.file->short_name, place.line) : place.file->short_name;
}

const Node* Node::Find(std::string_view key) const {
  const auto it = members.find(key);
  return it == members.end() ? nullptr : &it->second;
}

std::string Quoted(std::string_view text) {
  if (text.size() > kLongestQuote) {
    // Not in the middle of a UTF-8 sequence.
    std::size_t end = kLongestQuote;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return "\"" + Escaped(text.substr(0, end)) + "...\"";
  }
  return "\"" + Escaped(text) + "\"";
}

std::string Describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kTable:
      return "a table";
    case Node::Kind::kArray:
      return "a list";
    case Node::Kind::kString:
      return "the text " + Quoted(node.text);
    case Node::Kind::kInteger:
    case Node::Kind::kReal:
      return "the number " + ToToml(node);
    case Node::Kind::kBool:
      return node.boolean ? "true" : "false";
    case Node::Kind::kDate:
      return "a date or time";
  }
  return "something else";
}

std::string ToToml(const Node& node) {
  std::vector<std::string> parts;
  switch (node.kind) {
    case Node::Kind::kTable:
      for (const auto& [key, value] : node.members) {
        parts.push_back((IsBareKey(key) ? key : "\"" + Escaped(key) + "\"") + " = " + ToToml(value));
      }
      return parts.empty() ? "{}" : "{ " + Joined(parts) + " }";
    case Node::Kind::kArray:
      for (const Node& item : node.items) parts.push_back(ToToml(item));
      return "[" + Joined(parts) + "]";
    case Node::Kind::kString:
      return "\"" + Escaped(node.text) + "\"";
    case Node::Kind::kInteger:
      return fmt::format("{}", node.integer);
    case Node::Kind::kReal:
      return RealToml(node.real);
    case Node::Kind::kBool:
      return node.boolean ? "true" : "false";
    case Node::Kind::kDate:
      return node.text;
  }
  return {};
}

Json ToJson(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kTable: {
      Json object = Json::object();
      for (const auto& [key, value] : node.members) object[key] = ToJson(value);
      return object;
    }
    case Node::Kind::kArray: {
      Json array = Json::array();
      for (const Node& item : node.items) array.push_back(ToJson(item));
      return array;
    }
    case Node::Kind::kString:
      return node.text;
    case Node::Kind::kInteger:
      return node.integer;
    case Node::Kind::kReal:
      return node.real;
    case Node::Kind::kBool:
      return node.boolean;
    case Node::Kind::kDate:
      return nullptr;
  }
  return nullptr;
}

void Merge(Node& base, Node over, const std::vector<std::string_view>& lists) {
  for (auto& [key, value] : over.members) {
    const auto [it, inserted] = base.members.try_emplace(key, Node{});
    Node& mine = it->second;
    if (inserted) {
      mine = std::move(value);
    } else if (mine.IsTable() && value.IsTable()) {
      mine.key_place = value.key_place;
      Merge(mine, std::move(value));
    } else if (mine.kind == Node::Kind::kArray && value.kind == Node::Kind::kArray &&
               std::find(lists.begin(), lists.end(), key) != lists.end()) {
      std::move(value.items.begin(), value.items.end(), std::back_inserter(mine.items));
    } else {
      mine = std::move(value);
    }
  }
}

}  // namespace penumbra
