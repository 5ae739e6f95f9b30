// Collections and encodings.
#include "rules/characters.hpp"
#include "rules/digest.hpp"
#include "rules/function_table.hpp"

namespace penumbra::rules {
namespace {

std::optional<std::size_t> Index(const Value& value) {
  const auto whole = value.ToInt();
  const auto index = whole ? whole->ToInt64() : std::nullopt;
  if (!index || *index < 0) return std::nullopt;
  return static_cast<std::size_t>(*index);
}

Value Get(const Arguments& arguments, Environment&) {
  if (const Object* object = arguments[0].AsObject()) {
    (void)object;
    const std::string* key = arguments[1].AsString();  // no conversion here
    const Value* member = key == nullptr ? nullptr : arguments[0].Member(*key);
    return member == nullptr ? Value() : *member;
  }
  const auto index = Index(arguments[1]);
  if (!index) return {};
  if (const Array* array = arguments[0].AsArray()) return *index < array->size() ? (*array)[*index] : Value();
  const std::string* text = arguments[0].AsString();
  if (text == nullptr || *index >= CountCharacters(*text)) return {};
  const std::size_t begin = OffsetOfCharacter(*text, *index);
  return Value(text->substr(begin, OffsetOfCharacter(*text, *index + 1) - begin));
}

// The members of `base`, then those of `added`; a key that both have keeps what `added` says, as AWS merges, we
// believe.
Object Merged(const Object& base, const Object& added) {
  Object merged = base;
  for (const Member& member : added) {
    bool known = false;
    for (Member& old : merged) {
      if (old.key != member.key) continue;
      old.value = member.value;
      known = true;
      break;
    }
    if (!known) merged.push_back(member);
  }
  return merged;
}

Value Transform(const Arguments& arguments, Environment& environment) {
  const std::string* mode = arguments[0].AsString();
  const Object* added = arguments[1].AsObject();
  const Array* array = arguments[2].AsArray();
  if (mode == nullptr || *mode != "enrichArray" || added == nullptr || array == nullptr) return {};
  Array enriched;
  for (const Value& element : *array) {
    const Object* object = element.AsObject();
    if (object == nullptr) return {};
    environment.Charge(object->size() * (added->size() + 1));
    if (environment.failed()) return {};
    enriched.emplace_back(Merged(*object, *added));
  }
  return Value(std::move(enriched));
}

bool IsBase64(const Value& scheme) {
  const std::string* name = scheme.AsString();
  return name != nullptr && *name == "base64";
}

Value Encode(const Arguments& arguments, Environment& environment) {
  if (!IsBase64(arguments[1])) return {};
  const auto text = TextOf(arguments[0], environment);
  return text ? environment.Text(ToBase64(*text)) : Value();
}

// What is no base64 is Null. What is JSON inside becomes a value that '.' looks into.
Value Decode(const Arguments& arguments, Environment& environment) {
  if (arguments.size() != 2 || !IsBase64(arguments[1])) return {};
  const std::string* text = arguments[0].AsString();
  if (text == nullptr) return arguments[0].IsUndefined() ? Value() : Value::MakeNull();
  const auto bytes = FromBase64(*text);
  if (!bytes) return Value::MakeNull();
  environment.Charge(bytes->size() / 64);
  if (auto value = ParseValue(*bytes)) return std::move(*value);
  return environment.Text(MendUtf8(*bytes));
}

constexpr FunctionEntry kEntries[] = {
    {Function::kGet, Get},
    {Function::kTransform, Transform},
    {Function::kEncode, Encode},
    {Function::kDecode, Decode},
};

}  // namespace

std::span<const FunctionEntry> DataFunctions() {
  return kEntries;
}

}  // namespace penumbra::rules
