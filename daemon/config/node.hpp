// The configuration as a tree of our own, each value with the place it stands at, so that merged files and profiles
// keep telling where a value came from, and toml++ stays in one file. Plain values; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace penumbra {

struct SourceFile {
  std::string name;              // for diagnostics, as the user would open it
  std::string short_name;        // for origins: relative to the configuration's folder
  std::filesystem::path folder;  // where relative paths inside it start
  std::string profile;           // the profile it defines; empty for configuration files
  int order = 0;                 // of reading
};

struct Place {
  const SourceFile* file = nullptr;  // owned by the loader, outlives every node
  int line = 0;                      // 1-based; 0: the file as a whole
  int column = 0;
};

// "penumbra.toml:12"
std::string ToString(const Place& place);

struct Node {
  enum class Kind { kTable, kArray, kString, kInteger, kReal, kBool, kDate };

  Kind kind = Kind::kTable;
  Place place;      // of the value; of a table its header
  Place key_place;  // of the key that names it; in an array that of the value
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::map<std::string, Node, std::less<>> members;  // kTable
  std::vector<Node> items;                           // kArray

  bool IsTable() const { return kind == Kind::kTable; }
  bool IsText() const { return kind == Kind::kString; }
  bool IsNumber() const { return kind == Kind::kInteger || kind == Kind::kReal; }
  double Number() const { return kind == Kind::kInteger ? static_cast<double>(integer) : real; }
  // nullptr when this is no table or has no such key.
  const Node* Find(std::string_view key) const;
};

// "a table", "the text \"1\"", "the number 5": for messages.
std::string Describe(const Node& node);
// As one line of TOML.
std::string ToToml(const Node& node);
// For drivers. Dates become null; they are refused before.
Json ToJson(const Node& node);

// `over` onto `base`, as a later file onto an earlier one: tables merge key by key, anything else is replaced. At
// `lists` (only at this level) arrays are appended instead.
void Merge(Node& base, Node over, const std::vector<std::string_view>& lists = {});

// A user's text, made safe and short enough for one line of output.
std::string Quoted(std::string_view text);

}  // namespace penumbra
