// Functions over text. Positions and lengths count characters. indexof() of what is not there is -1, as Java's is; AWS
// does not say.
#include <algorithm>

#include "base/text.hpp"
#include "rules/characters.hpp"
#include "rules/digest.hpp"
#include "rules/function_table.hpp"
#include "rules/regex.hpp"

namespace penumbra::rules {
namespace {

template <std::string (*Run)(std::string_view)>
Value Mapped(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  return text ? environment.Text(Run(*text)) : Value();
}

template <bool (*Run)(std::string_view, std::string_view)>
Value Tested(const Arguments& arguments, Environment& environment) {
  const auto a = TextOf(arguments[0], environment), b = TextOf(arguments[1], environment);
  return a && b ? Value(Run(*a, *b)) : Value();
}

Value Count(std::size_t count) {
  return Value(Number::FromUnsigned(count));
}

Value Chr(const Arguments& arguments, Environment&) {
  const auto number = arguments[0].ToNumber();
  const auto code = number ? number->ToWhole(Number::Rounding::kDown).ToInt64() : std::nullopt;
  if (!code || *code < 0 || *code > 127) return {};
  return Value(std::string(1, static_cast<char>(*code)));
}

Value Concat(const Arguments& arguments, Environment& environment) {
  if (arguments.empty()) return {};
  // The documentation gives both "returned unmodified" and concat(1) = "1"; the table counts.
  if (arguments.size() == 1) return arguments[0];
  const auto is_array = [](const Value& value) { return value.AsArray() != nullptr; };
  if (std::any_of(arguments.begin(), arguments.end(), is_array)) {
    Array joined;
    for (const Value& argument : arguments) {
      if (const Array* array = argument.AsArray()) {
        environment.Charge(array->size());
        joined.insert(joined.end(), array->begin(), array->end());
      } else if (!argument.IsUndefined()) {
        joined.push_back(argument);
      }
      if (environment.failed()) return {};
    }
    return Value(std::move(joined));
  }
  std::string joined;
  for (const Value& argument : arguments) {
    const auto text = TextOf(argument, environment);
    if (!text) return {};
    joined += *text;
    if (joined.size() > kMaxTextBytes) break;
  }
  return environment.Text(std::move(joined));
}

Value IndexOf(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment), part = TextOf(arguments[1], environment);
  if (!text || !part) return {};
  const std::size_t at = text->find(*part);
  if (at == std::string::npos) return Value(Number::FromInt(-1));
  return Count(CountCharacters(std::string_view(*text).substr(0, at)));
}

Value Length(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  return text ? Count(CountCharacters(*text)) : Value();
}

Value NumBytes(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  return text ? Count(text->size()) : Value();
}

// The spaces that lpad and rpad add: 0..1000.
std::optional<std::size_t> Spaces(const Value& value) {
  const auto number = value.ToNumber();
  if (!number) return std::nullopt;
  const Number whole = number->ToWhole(Number::Rounding::kDown);
  if (whole.is_negative()) return 0;
  return static_cast<std::size_t>(std::min<std::int64_t>(whole.ToInt64().value_or(1000), 1000));
}

template <bool kLeft>
Value Pad(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  const auto spaces = Spaces(arguments[1]);
  if (!text || !spaces) return {};
  const std::string padding(*spaces, ' ');
  return environment.Text(kLeft ? padding + *text : *text + padding);
}

std::string TrimEnds(std::string_view text, std::string_view what, bool left, bool right) {
  const std::size_t begin = left ? text.find_first_not_of(what) : 0;
  if (begin == std::string_view::npos) return {};
  const std::size_t end = right ? text.find_last_not_of(what) : text.size() - 1;
  if (end == std::string_view::npos) return {};
  return std::string(text.substr(begin, end - begin + 1));
}

constexpr std::string_view kTabsAndSpaces = " \t", kWhiteSpace = " \t\r\n\v\f";
std::string Ltrim(std::string_view text) {
  return TrimEnds(text, kTabsAndSpaces, true, false);
}
std::string Rtrim(std::string_view text) {
  return text.empty() ? "" : TrimEnds(text, kTabsAndSpaces, false, true);
}
std::string Trim(std::string_view text) {
  return TrimEnds(text, kWhiteSpace, true, true);
}

bool EndsWith(std::string_view text, std::string_view part) {
  return text.ends_with(part);
}
bool StartsWith(std::string_view text, std::string_view part) {
  return text.starts_with(part);
}

Value Replace(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment), from = TextOf(arguments[1], environment),
             to = TextOf(arguments[2], environment);
  if (!text || !from || !to) return {};
  if (from->empty()) return environment.Text(*text);
  std::string out;
  std::size_t behind = 0;
  for (std::size_t at; (at = text->find(*from, behind)) != std::string::npos; behind = at + from->size()) {
    out.append(*text, behind, at - behind).append(*to);
    if (out.size() > kMaxTextBytes) return environment.Text(std::move(out));
  }
  out.append(*text, behind);
  return environment.Text(std::move(out));
}

// A bound of substring() as a position: below 0 is 0, beyond the end is the end.
std::optional<std::size_t> Position(const Value& value, std::size_t size) {
  const auto whole = value.ToInt();
  if (!whole) return std::nullopt;
  if (whole->is_negative()) return 0;
  const auto index = whole->ToInt64();
  return index ? std::min(static_cast<std::size_t>(*index), size) : size;
}

Value Substring(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  if (!text) return {};
  const std::size_t size = CountCharacters(*text);
  const auto from = Position(arguments[1], size);
  const auto to = arguments.size() > 2 ? Position(arguments[2], size) : size;
  if (!from || !to) return {};
  if (*from >= *to) return Value(std::string());
  const std::size_t begin = OffsetOfCharacter(*text, *from);
  return Value(text->substr(begin, OffsetOfCharacter(*text, *to) - begin));
}

// Text and expression of the regexp functions. nullopt: the result is Undefined.
std::optional<std::pair<std::string, Regex>> Searched(const Arguments& arguments, Environment& environment) {
  auto text = TextOf(arguments[0], environment);
  const auto pattern = TextOf(arguments[1], environment);
  if (!text || !pattern) return std::nullopt;
  environment.Charge(10'000);  // compiling, and what a hard search may cost
  auto regex = Regex::Compile(*pattern);
  if (!regex) return std::nullopt;
  return std::pair(std::move(*text), std::move(*regex));
}

Value RegexpMatches(const Arguments& arguments, Environment& environment) {
  const auto search = Searched(arguments, environment);
  if (!search) return {};
  const auto found = search->second.Finds(search->first);
  return found ? Value(*found) : environment.Fail(found.error().message);
}

Value RegexpSubstr(const Arguments& arguments, Environment& environment) {
  const auto search = Searched(arguments, environment);
  if (!search) return {};
  const auto found = search->second.First(search->first);
  if (!found) return environment.Fail(found.error().message);
  if (!*found || !IsUtf8(**found)) return {};
  return Value(**found);
}

Value RegexpReplace(const Arguments& arguments, Environment& environment) {
  const auto search = Searched(arguments, environment);
  const auto replacement = TextOf(arguments[2], environment);
  if (!search || !replacement) return {};
  auto replaced = search->second.Replace(search->first, *replacement, kMaxTextBytes);
  if (!replaced) return environment.Fail(replaced.error().message);
  if (!IsUtf8(*replaced)) return {};
  return environment.Text(std::move(*replaced));
}

template <Digest kDigest>
Value Hash(const Arguments& arguments, Environment& environment) {
  const auto text = TextOf(arguments[0], environment);
  return text ? Value(DigestHex(kDigest, *text)) : Value();
}

constexpr FunctionEntry kEntries[] = {
    {Function::kChr, Chr},
    {Function::kConcat, Concat},
    {Function::kEndsWith, Tested<EndsWith>},
    {Function::kStartsWith, Tested<StartsWith>},
    {Function::kIndexOf, IndexOf},
    {Function::kLength, Length},
    {Function::kNumBytes, NumBytes},
    {Function::kLower, Mapped<ToLower>},
    {Function::kUpper, Mapped<ToUpper>},
    {Function::kLpad, Pad<true>},
    {Function::kRpad, Pad<false>},
    {Function::kLtrim, Mapped<Ltrim>},
    {Function::kRtrim, Mapped<Rtrim>},
    {Function::kTrim, Mapped<Trim>},
    {Function::kRegexpMatches, RegexpMatches},
    {Function::kRegexpReplace, RegexpReplace},
    {Function::kRegexpSubstr, RegexpSubstr},
    {Function::kReplace, Replace},
    {Function::kSubstring, Substring},
    {Function::kMd2, Hash<Digest::kMd2>},
    {Function::kMd5, Hash<Digest::kMd5>},
    {Function::kSha1, Hash<Digest::kSha1>},
    {Function::kSha224, Hash<Digest::kSha224>},
    {Function::kSha256, Hash<Digest::kSha256>},
    {Function::kSha384, Hash<Digest::kSha384>},
    {Function::kSha512, Hash<Digest::kSha512>},
};

}  // namespace

std::span<const FunctionEntry> TextFunctions() {
  return kEntries;
}

}  // namespace penumbra::rules
