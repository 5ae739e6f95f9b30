#include "config/schema_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>
#include <set>
#include <vector>

#include "base/text.hpp"
#include "config/core_schema.hpp"
#include "config/value_text.hpp"

namespace penumbra {
namespace {

// std::regex recurses once a character; no text that a pattern is for is longer.
constexpr std::size_t kLongestPatternText = 1024;
constexpr std::size_t kLongestText = 4096;
// Longer words are no slips of a key; comparing them costs time.
constexpr std::size_t kLongestSuggestWord = 64;

std::string WithHint(std::string message, const Json& schema) {
  if (const auto hint = GetString(schema, "x-hint")) message += "; " + *hint;
  return message;
}

std::vector<std::string> TypesOf(const Json& schema) {
  const auto type = schema.find("type");
  if (type == schema.end()) return {};
  if (type->is_string()) return {type->get<std::string>()};
  std::vector<std::string> types;
  if (type->is_array()) {
    for (const Json& one : *type) {
      if (one.is_string()) types.push_back(one.get<std::string>());
    }
  }
  return types;
}

bool HasType(const Node& value, const std::string& type) {
  switch (value.kind) {
    case Node::Kind::kTable:
      return type == "object";
    case Node::Kind::kArray:
      return type == "array";
    case Node::Kind::kString:
      return type == "string";
    case Node::Kind::kInteger:
      return type == "integer" || type == "number";
    case Node::Kind::kReal:
      return type == "number";
    case Node::Kind::kBool:
      return type == "boolean";
    case Node::Kind::kDate:
      return false;
  }
  return false;
}

std::string TypeInWords(const std::string& type, const Json& schema) {
  const std::string format = GetString(schema, "format").value_or("");
  if (type == "string" && format == "duration") return "a duration in quotes such as \"30s\"";
  if (type == "string" && format == "size") return "a size in quotes such as \"64MiB\"";
  if (type == "string" && format == "deadband") return "a percentage in quotes such as \"1%\"";
  if (type == "string") return "text in quotes";
  if (type == "integer") return "a whole number";
  if (type == "number") return "a number";
  if (type == "boolean") return "true or false";
  if (type == "array") return "a list in [ ]";
  if (type == "object") return "a table";
  return type;
}

// The value as the user would have written it in the type that is wanted, or nothing.
std::string Rewritten(const Node& value, const std::vector<std::string>& types, const Json& schema) {
  const auto wants = [&types](std::string_view type) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  const std::string format = GetString(schema, "format").value_or("");
  if (value.IsText()) {
    double number = 0;
    const char* end = value.text.data() + value.text.size();
    const auto parsed = std::from_chars(value.text.data(), end, number);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number);
    const bool is_whole = is_number && value.text.find_first_of(".eE") == std::string::npos;
    if ((wants("number") && is_number) || (wants("integer") && is_whole)) return value.text;
    if (wants("boolean") && (value.text == "true" || value.text == "false")) return value.text;
    if (wants("array")) return "[" + ToToml(value) + "]";
  }
  if (value.IsNumber() && wants("string")) {
    if (format == "duration") return "\"" + ToToml(value) + "s\"";
    if (format == "size") return "\"" + ToToml(value) + "MiB\"";
    if (format.empty()) return "\"" + ToToml(value) + "\"";
  }
  if (value.kind == Node::Kind::kBool && wants("string") && format.empty()) return "\"" + ToToml(value) + "\"";
  if (value.kind == Node::Kind::kReal && wants("integer") && value.real == std::floor(value.real) &&
      std::abs(value.real) < 1e15) {
    return fmt::format("{:.0f}", value.real);
  }
  return {};
}

bool CheckType(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  const std::vector<std::string> types = TypesOf(schema);
  if (value.kind == Node::Kind::kDate) {
    diagnostics.Error(value.place, fmt::format("{} cannot be a date or time", name));
    return false;
  }
  if (types.empty()) return true;
  if (std::any_of(types.begin(), types.end(), [&value](const auto& type) { return HasType(value, type); })) return true;
  std::vector<std::string> words;
  for (const std::string& type : types) words.push_back(TypeInWords(type, schema));
  std::string message = fmt::format("{} must be {}, not {}", name, fmt::join(words, " or "), Describe(value));
  if (const std::string better = Rewritten(value, types, schema); !better.empty()) {
    message += fmt::format("; write {} = {}", name, better);
  }
  diagnostics.Error(value.place, WithHint(std::move(message), schema));
  return false;
}

std::string JsonAsToml(const Json& json) {
  return Dump(json);  // the same text for strings, numbers and booleans
}

bool Equal(const Node& value, const Json& json) {
  if (value.IsNumber()) return json.is_number() && json.get<double>() == value.Number();
  if (value.IsText()) return json.is_string() && json.get_ref<const std::string&>() == value.text;
  if (value.kind == Node::Kind::kBool) return json.is_boolean() && json.get<bool>() == value.boolean;
  return json == ToJson(value);
}

bool CheckEnum(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  const auto allowed = schema.find("enum");
  if (allowed == schema.end() || !allowed->is_array()) return true;
  std::vector<std::string> words;
  std::vector<std::string> texts;
  for (const Json& one : *allowed) {
    if (Equal(value, one)) return true;
    words.push_back(JsonAsToml(one));
    if (one.is_string()) texts.push_back(one.get<std::string>());
  }
  std::string message = fmt::format("{} cannot be {}; write one of {}", name,
                                    value.IsText() ? Quoted(value.text) : Describe(value), fmt::join(words, ", "));
  if (value.IsText() && value.text.size() <= kLongestSuggestWord) {
    if (const auto near = Suggest(value.text, texts)) message += fmt::format("; did you mean \"{}\"?", *near);
  }
  diagnostics.Error(value.place, WithHint(std::move(message), schema));
  return false;
}

bool CheckNumber(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  const double number = value.Number();
  if (!std::isfinite(number)) {
    diagnostics.Error(value.place, fmt::format("{} must be a finite number, not {}", name, ToToml(value)));
    return false;
  }
  const auto minimum = GetNumber(schema, "minimum");
  const auto maximum = GetNumber(schema, "maximum");
  const auto above = GetNumber(schema, "exclusiveMinimum");
  const auto below = GetNumber(schema, "exclusiveMaximum");
  if ((!minimum || number >= *minimum) && (!maximum || number <= *maximum) && (!above || number > *above) &&
      (!below || number < *below)) {
    return true;
  }
  std::vector<std::string> limits;
  if (minimum) limits.push_back("at least " + NumberText(*minimum));
  if (above) limits.push_back("above " + NumberText(*above));
  if (maximum) limits.push_back("at most " + NumberText(*maximum));
  if (below) limits.push_back("below " + NumberText(*below));
  diagnostics.Error(value.place, WithHint(fmt::format("{} = {} is out of range: it must be {}", name, ToToml(value),
                                                      fmt::join(limits, " and ")),
                                          schema));
  return false;
}

bool MatchesPattern(const std::string& text, const std::string& pattern) {
  if (text.size() > kLongestPatternText) return false;
  try {
    return std::regex_search(text, std::regex(pattern, std::regex::ECMAScript));
  } catch (const std::regex_error&) {
    return true;  // the schema is at fault, not the user; the driver's own check decides
  }
}

std::optional<std::string> TextFault(const Node& value, const Json& schema, const std::string& name) {
  const std::string& text = value.text;
  if (std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F;
      })) {
    return fmt::format("{} {} contains a control character", name, Quoted(text));
  }
  const auto longest = GetInt(schema, "maxLength").value_or(static_cast<std::int64_t>(kLongestText));
  if (static_cast<std::int64_t>(text.size()) > longest) {
    return fmt::format("{} is longer than {} characters", name, longest);
  }
  const auto shortest = GetInt(schema, "minLength").value_or(0);
  if (static_cast<std::int64_t>(text.size()) < shortest) {
    return shortest == 1 ? fmt::format("{} must not be empty", name)
                         : fmt::format("{} is shorter than {} characters", name, shortest);
  }
  if (const auto pattern = GetString(schema, "pattern"); pattern && !MatchesPattern(text, *pattern)) {
    std::string message = fmt::format("{} {} is not allowed", name, text.empty() ? "\"\"" : Quoted(text));
    if (!schema.contains("x-hint")) message += "; it must match " + *pattern;
    return message;
  }
  return std::nullopt;
}

bool CheckText(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  std::optional<std::string> fault = TextFault(value, schema, name);
  if (!fault) fault = FormatFault(value.text, schema, name);
  if (!fault) return true;
  diagnostics.Error(value.place, WithHint(*std::move(fault), schema));
  return false;
}

bool CheckArray(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  bool ok = true;
  const auto size = static_cast<std::int64_t>(value.items.size());
  if (const auto most = GetInt(schema, "maxItems"); most && size > *most) {
    diagnostics.Error(value.place, fmt::format("{} has {} entries; at most {} are allowed", name, size, *most));
    ok = false;
  }
  if (const auto least = GetInt(schema, "minItems"); least && size < *least) {
    diagnostics.Error(value.place, fmt::format("{} has {} entries; at least {} are needed", name, size, *least));
    ok = false;
  }
  const auto items = schema.find("items");
  if (items == schema.end()) return ok;
  const bool tables = GetBool(schema, "x-tables").value_or(false);
  for (const Node& item : value.items) {
    if (!tables) {
      ok = CheckValue(item, *items, name, diagnostics) && ok;
    } else if (!item.IsTable()) {
      diagnostics.Error(item.place, WithHint(fmt::format("{} must hold tables, not {}", name, Describe(item)), schema));
      ok = false;
    }
  }
  return ok;
}

const Json* PropertyOf(const Json* schema, const std::string& key) {
  if (schema == nullptr) return nullptr;
  const auto properties = schema->find("properties");
  if (properties == schema->end() || !properties->is_object()) return nullptr;
  const auto it = properties->find(key);
  return it == properties->end() ? nullptr : &*it;
}

void AddKeys(const Json* schema, std::vector<std::string>& keys) {
  if (schema == nullptr) return;
  const auto properties = schema->find("properties");
  if (properties == schema->end() || !properties->is_object()) return;
  for (const auto& [key, unused] : properties->items()) keys.push_back(key);
}

// The checks of one table: unknown keys, then missing ones that no misspelt key explains.
class TableCheck {
 public:
  TableCheck(const Node& table, const TableRules& rules, const std::string& label, Diagnostics& diagnostics)
      : table_(table), rules_(rules), label_(label), diagnostics_(diagnostics) {
    AddKeys(rules.core, known_);
    AddKeys(rules.driver, known_);
  }

  TableVerdict Run() {
    for (const auto& [key, value] : table_.members) CheckMember(key, value);
    CheckRequired(rules_.core);
    if (!CheckRequired(rules_.driver)) verdict_.driver_ok = false;
    return verdict_;
  }

 private:
  void CheckMember(const std::string& key, const Node& value) {
    const Json* core = PropertyOf(rules_.core, key);
    const Json* driver = PropertyOf(rules_.driver, key);
    if (core != nullptr) CheckValue(value, Resolve(*core), key, diagnostics_);
    if (driver != nullptr && !CheckValue(value, *driver, key, diagnostics_)) verdict_.driver_ok = false;
    if (core != nullptr || driver != nullptr) return;
    if (const Json* any = AdditionalSchema()) {
      CheckValue(value, *any, key, diagnostics_);
    } else if (!Open()) {
      Unknown(key, value);
    }
  }

  // A map with free keys and one schema for all values, such as attributes.
  const Json* AdditionalSchema() const {
    if (rules_.core == nullptr) return nullptr;
    const auto additional = rules_.core->find("additionalProperties");
    return additional != rules_.core->end() && additional->is_object() ? &*additional : nullptr;
  }

  bool Open() const {
    if (rules_.driver_unknown) return true;
    return rules_.driver != nullptr && GetBool(*rules_.driver, "additionalProperties").value_or(false);
  }

  void Unknown(const std::string& key, const Node& value) {
    verdict_.driver_ok = false;
    std::string message = fmt::format("unknown key {} in {}", Quoted(key), label_);
    if (diagnostics_.Full() || key.size() > kLongestSuggestWord) {
      diagnostics_.Error(value.key_place, std::move(message));
      return;
    }
    if (const auto near = Suggest(key, known_)) {
      message += fmt::format("; did you mean \"{}\"?", *near);
      suggested_.insert(*near);
    } else if (const auto tables = TablesWith(key); !tables.empty()) {
      message += fmt::format("; it belongs in {}", fmt::join(tables, " or "));
    } else if (known_.size() <= kMostKeysListed) {
      message += fmt::format("; the keys there are {}", fmt::join(known_, ", "));
    }
    diagnostics_.Error(value.key_place, std::move(message));
  }

  bool CheckRequired(const Json* schema) {
    if (schema == nullptr) return true;
    const auto required = schema->find("required");
    if (required == schema->end() || !required->is_array()) return true;
    bool ok = true;
    for (const Json& entry : *required) {
      if (!entry.is_string()) continue;
      const auto key = entry.get<std::string>();
      if (table_.Find(key) != nullptr) continue;
      ok = false;
      if (suggested_.count(key) == 0) Missing(key, PropertyOf(schema, key));
    }
    return ok;
  }

  void Missing(const std::string& key, const Json* property) {
    std::string message = fmt::format("{} needs the key {}", label_, key);
    if (property != nullptr) {
      const Json& schema = Resolve(*property);
      if (const auto text = GetString(schema, "description")) message += ": " + *text;
    }
    diagnostics_.Error(table_.place, std::move(message));
  }

  static constexpr std::size_t kMostKeysListed = 12;

  const Node& table_;
  const TableRules& rules_;
  const std::string& label_;
  Diagnostics& diagnostics_;
  std::vector<std::string> known_;
  std::set<std::string> suggested_;
  TableVerdict verdict_;
};

bool CheckObject(const Node& value, const Json& schema, const std::string& name, Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.errors();
  if (const auto most = GetInt(schema, "maxProperties");
      most && static_cast<std::int64_t>(value.members.size()) > *most) {
    diagnostics.Error(value.place,
                      fmt::format("{} has {} entries; at most {} are allowed", name, value.members.size(), *most));
  }
  if (schema.contains("properties") || schema.contains("additionalProperties")) {
    TableRules rules;
    rules.core = &schema;
    rules.driver_unknown =
        !schema.contains("additionalProperties") || GetBool(schema, "additionalProperties").value_or(false);
    CheckTable(value, rules, GetString(schema, "x-table").value_or(name), diagnostics);
  }
  return diagnostics.errors() == before;
}

}  // namespace

TableVerdict CheckTable(const Node& table, const TableRules& rules, const std::string& label,
                        Diagnostics& diagnostics) {
  return TableCheck(table, rules, label, diagnostics).Run();
}

bool CheckValue(const Node& value, const Json& unresolved, const std::string& name, Diagnostics& diagnostics) {
  const Json& schema = Resolve(unresolved);
  if (!CheckType(value, schema, name, diagnostics)) return false;
  if (!CheckEnum(value, schema, name, diagnostics)) return false;
  switch (value.kind) {
    case Node::Kind::kInteger:
    case Node::Kind::kReal:
      return CheckNumber(value, schema, name, diagnostics);
    case Node::Kind::kString:
      return CheckText(value, schema, name, diagnostics);
    case Node::Kind::kArray:
      return CheckArray(value, schema, name, diagnostics);
    case Node::Kind::kTable:
      return CheckObject(value, schema, name, diagnostics);
    case Node::Kind::kBool:
    case Node::Kind::kDate:
      return true;
  }
  return true;
}

}  // namespace penumbra
