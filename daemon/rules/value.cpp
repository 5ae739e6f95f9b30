#include "rules/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/json.hpp"

namespace penumbra::rules {
namespace {

constexpr std::size_t kFewMembers = 16;  // up to here looking for a key twice is fastest without sorting

bool EqualIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// The strings that become numbers by themselves: -?\d+(\.\d+)?(E-?\d+)?, E in any case. What JSON allows beyond ("E+5")
// is not among them.
bool IsNumberText(std::string_view text) {
  return !text.empty() && text.find('+') == std::string_view::npos;
}

// Of a key that comes twice the last value stays, at the place of the first.
void KeepLastOfEachKey(Object& members) {
  if (members.size() <= kFewMembers) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[j].key != members[i].key) continue;
        members[j].value = std::move(members[i].value);
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
        --i;
        break;
      }
    }
    return;
  }
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&members](std::size_t a, std::size_t b) { return members[a].key < members[b].key; });
  std::vector<bool> drop(members.size());
  bool any = false;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i + 1;
    while (end < order.size() && members[order[end]].key == members[order[i]].key) ++end;
    if (end - i > 1) {
      any = true;
      members[order[i]].value = std::move(members[order[end - 1]].value);
      for (std::size_t k = i + 1; k < end; ++k) drop[order[k]] = true;
    }
    i = end;
  }
  if (!any) return;
  Object kept;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!drop[i]) kept.push_back(std::move(members[i]));
  }
  members = std::move(kept);
}

// Builds the value from nlohmann's events, which are strict about JSON and UTF-8 and hand out numbers as text.
class Builder {
 public:
  bool null() { return Add(Value::MakeNull()); }
  bool boolean(bool value) { return Add(Value(value)); }
  bool number_integer(Json::number_integer_t value) { return Add(Value(Number::FromInt(value))); }
  bool number_unsigned(Json::number_unsigned_t value) { return Add(Value(Number::FromUnsigned(value))); }
  bool number_float(Json::number_float_t, const std::string& text) {
    const auto number = Number::Parse(text);
    if (!number) return Refuse(fmt::format("the number {} is beyond 1E999", text.substr(0, 40)));
    return Add(Value(number->Plain()));
  }
  bool string(std::string& value) { return Add(Value(std::move(value))); }
  bool binary(Json::binary_t&) { return Refuse("binary"); }
  bool start_object(std::size_t) { return Open(true); }
  bool key(std::string& value) {
    open_.back().members.push_back({std::move(value), Value()});
    return true;
  }
  bool end_object() {
    Object members = std::move(open_.back().members);
    open_.pop_back();
    KeepLastOfEachKey(members);
    return Add(Value(std::move(members)));
  }
  bool start_array(std::size_t) { return Open(false); }
  bool end_array() {
    Array elements = std::move(open_.back().elements);
    open_.pop_back();
    return Add(Value(std::move(elements)));
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) {
    if (why_.empty()) why_ = error.what();
    return false;
  }

  Value Take() { return std::move(root_); }
  const std::string& why() const { return why_; }

 private:
  struct Level {
    bool object = false;
    Array elements;
    Object members;
  };

  bool Refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool Open(bool object) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      return Refuse(fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    }
    open_.push_back({object, {}, {}});
    if (object) open_.back().members.reserve(8);
    return true;
  }
  bool Add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().object) {
      open_.back().members.back().value = std::move(value);
    } else {
      open_.back().elements.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Level> open_;
  Value root_;
  std::string why_;
};

void AppendQuoted(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20) {
      out += c;
    } else if (c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c == '\b' ? 'b' : 'f';
    } else {
      out += fmt::format("\\u{:04x}", byte);
    }
  }
  out += '"';
}

bool SameObject(const Object& a, const Object& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&b](const Member& member) {
    const auto other = std::find_if(b.begin(), b.end(), [&](const Member& m) { return m.key == member.key; });
    return other != b.end() && member.value == other->value;
  });
}

}  // namespace

Value::Value(Object value) : data_(std::make_shared<const Object>(std::move(value))) {}

const Array* Value::AsArray() const {
  const auto* array = std::get_if<std::shared_ptr<const Array>>(&data_);
  return array == nullptr ? nullptr : array->get();
}

const Object* Value::AsObject() const {
  const auto* object = std::get_if<std::shared_ptr<const Object>>(&data_);
  return object == nullptr ? nullptr : object->get();
}

const Value* Value::Member(std::string_view key) const {
  const Object* object = AsObject();
  if (object == nullptr) return nullptr;
  for (const rules::Member& member : *object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string_view Value::TypeName() const {
  if (const Number* number = AsNumber()) return number->is_int() ? "Int" : "Decimal";
  static constexpr std::string_view kNames[] = {"Undefined", "Null", "Boolean", "Decimal", "String", "Array", "Object"};
  return kNames[data_.index()];
}

std::optional<Number> Value::ToNumber() const {
  if (const Number* number = AsNumber()) return *number;
  const std::string* text = AsString();
  if (text == nullptr || !IsNumberText(*text)) return std::nullopt;
  return Number::Parse(*text);
}

std::optional<Number> Value::ToInt() const {
  const auto number = ToNumber();
  if (!number) return std::nullopt;
  return number->ToWhole(Number::Rounding::kToZero);
}

std::optional<bool> Value::ToBool() const {
  if (const bool* value = AsBool()) return *value;
  const std::string* text = AsString();
  if (text == nullptr) return std::nullopt;
  if (EqualIgnoringCase(*text, "true")) return true;
  if (EqualIgnoringCase(*text, "false")) return false;
  return std::nullopt;
}

std::optional<std::string> Value::ToText() const {
  if (const std::string* text = AsString()) return *text;
  if (IsUndefined() || IsNull()) return std::nullopt;
  return ToJsonText(*this);
}

bool operator==(const Value& a, const Value& b) {
  if (a.data_.index() != b.data_.index() || a.IsUndefined()) return false;
  if (a.IsNull()) return true;
  if (const Number* number = a.AsNumber()) return Number::Compare(*number, *b.AsNumber()) == 0;
  if (const bool* value = a.AsBool()) return *value == *b.AsBool();
  if (const std::string* text = a.AsString()) return *text == *b.AsString();
  if (const Array* array = a.AsArray()) return *array == *b.AsArray();
  return SameObject(*a.AsObject(), *b.AsObject());
}

Result<Value> ParseValue(std::string_view json) {
  Builder builder;
  bool parsed = false;
  try {
    parsed = Json::sax_parse(json.begin(), json.end(), &builder);
  } catch (const Json::exception& e) {
    return Fail(Action::kGiveUp, fmt::format("invalid JSON: {}", e.what()));
  }
  if (!parsed) return Fail(Action::kGiveUp, "invalid JSON: " + builder.why());
  return builder.Take();
}

void AppendJson(const Value& value, std::string& out) {
  if (const std::string* text = value.AsString()) {
    AppendQuoted(*text, out);
  } else if (const Number* number = value.AsNumber()) {
    out += number->Text();
  } else if (const bool* truth = value.AsBool()) {
    out += *truth ? "true" : "false";
  } else if (value.IsNull()) {
    out += "null";
  } else if (const Array* array = value.AsArray()) {
    char separator = '[';
    for (const Value& element : *array) {
      if (element.IsUndefined()) continue;
      out += separator;
      AppendJson(element, out);
      separator = ',';
    }
    out += separator == '[' ? "[]" : "]";
  } else if (const Object* object = value.AsObject()) {
    char separator = '{';
    for (const Member& member : *object) {
      if (member.value.IsUndefined()) continue;
      out += separator;
      AppendQuoted(member.key, out);
      out += ':';
      AppendJson(member.value, out);
      separator = ',';
    }
    out += separator == '{' ? "{}" : "}";
  }
}

std::string ToJsonText(const Value& value) {
  std::string out;
  AppendJson(value, out);
  return out;
}

}  // namespace penumbra::rules
