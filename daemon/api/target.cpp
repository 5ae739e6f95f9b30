#include "api/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace penumbra::api {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsUnreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// What comes before the next `separator`; `rest` moves behind it.
std::string_view TakeUntil(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

// Decoded text that is safe to look up and to repeat in an answer.
Result<std::string> Decode(std::string_view text, std::string_view what) {
  auto decoded = PercentDecode(text);
  if (!decoded) return Fail(Action::kGiveUp, fmt::format("bad percent encoding in the {}", what));
  if (decoded->find('\0') != std::string::npos || !IsUtf8(*decoded)) {
    return Fail(Action::kGiveUp, fmt::format("the {} is not UTF-8 text", what));
  }
  return std::move(*decoded);
}

Status ParsePath(std::string_view path, Target& target) {
  while (!path.empty()) {
    const std::string_view segment = TakeUntil(path, '/');
    if (segment.empty()) continue;
    if (target.path.size() == kMaxSegments) return Fail(Action::kGiveUp, "the path has too many parts");
    auto decoded = Decode(segment, "path");
    if (!decoded) return Fail(decoded.error());
    target.path.push_back(std::move(*decoded));
  }
  return {};
}

Status ParseQuery(std::string_view query, Target& target) {
  while (!query.empty()) {
    std::string_view value = TakeUntil(query, '&');
    if (value.empty()) continue;
    if (target.query.size() == kMaxParameters) return Fail(Action::kGiveUp, "too many query parameters");
    auto name = Decode(TakeUntil(value, '='), "query");
    if (!name) return Fail(name.error());
    auto decoded = Decode(value, "query");
    if (!decoded) return Fail(decoded.error());
    const auto same = [&name](const auto& parameter) { return parameter.first == *name; };
    if (std::any_of(target.query.begin(), target.query.end(), same)) {
      return Fail(Action::kGiveUp, fmt::format("the query parameter \"{}\" is given twice", *name));
    }
    target.query.emplace_back(std::move(*name), std::move(*decoded));
  }
  return {};
}

}  // namespace

Result<Target> ParseTarget(std::string_view text) {
  if (text.empty() || text.front() != '/') return Fail(Action::kGiveUp, "the request target does not begin with \"/\"");
  text = text.substr(0, text.find('#'));
  const std::string_view path = TakeUntil(text, '?');
  Target target;
  if (const Status status = ParsePath(path, target); !status) return Fail(status.error());
  if (const Status status = ParseQuery(text, target); !status) return Fail(status.error());
  return target;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<std::uint64_t> ParseNumber(std::string_view text, std::uint64_t max) {
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc() || text.empty() || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

}  // namespace penumbra::api
