// A value of AWS IoT SQL, from JSON and to JSON, and the standard conversions between types. Undefined is a value of
// its own: an attribute that is not there, a function called with something it cannot take. Copies are cheap: arrays
// and objects are shared and never changed. Pure; any thread. Source: AWS IoT developer guide, "Data types";
// aws-iot-core.md section 8.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "rules/number.hpp"

namespace penumbra::rules {

class Value;
struct Member;
using Array = std::vector<Value>;
using Object = std::vector<Member>;  // in the order of the text; every key once

class Value {
 public:
  struct Null {
    friend bool operator==(Null, Null) { return true; }
  };
  using Data = std::variant<std::monostate, Null, bool, Number, std::string, std::shared_ptr<const Array>,
                            std::shared_ptr<const Object>>;

  Value() = default;  // Undefined
  explicit Value(bool value) : data_(value) {}
  explicit Value(Number value) : data_(value) {}
  explicit Value(std::string value) : data_(std::move(value)) {}
  explicit Value(Array value) : data_(std::make_shared<const Array>(std::move(value))) {}
  explicit Value(Object value);
  static Value MakeNull() {
    Value value;
    value.data_ = Null{};
    return value;
  }
  static Value Of(std::optional<Number> number) { return number ? Value(*number) : Value(); }

  bool IsUndefined() const { return std::holds_alternative<std::monostate>(data_); }
  bool IsNull() const { return std::holds_alternative<Null>(data_); }
  const bool* AsBool() const { return std::get_if<bool>(&data_); }
  const Number* AsNumber() const { return std::get_if<Number>(&data_); }
  const std::string* AsString() const { return std::get_if<std::string>(&data_); }
  const Array* AsArray() const;
  const Object* AsObject() const;
  // nullptr: no object, or no such key.
  const Value* Member(std::string_view key) const;
  // "Int", "Decimal", "String", ...
  std::string_view TypeName() const;

  // The standard conversions; nullopt: the result is Undefined.
  std::optional<Number> ToNumber() const;  // also text that is a number
  std::optional<Number> ToInt() const;     // towards zero
  std::optional<bool> ToBool() const;      // also "true" and "false" in any case
  std::optional<std::string> ToText() const;

  // The operator '=': different types are not equal, numbers are compared as numbers, members in any order. Undefined
  // equals nothing here; the operator itself answers Undefined.
  friend bool operator==(const Value& a, const Value& b);

 private:
  Data data_;
};

struct Member {
  std::string key;
  Value value;
};

// As strict as base/json.hpp's ParseJson, but numbers keep all their digits, and keys their order; of a key that
// comes twice the last value counts. Error kGiveUp: where and why.
Result<Value> ParseValue(std::string_view json);

// One line of JSON. Undefined members and elements are left out; Undefined itself is "".
std::string ToJsonText(const Value& value);
void AppendJson(const Value& value, std::string& out);

}  // namespace penumbra::rules
