#include "shadow/message.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace penumbra::shadow {
namespace {

std::string QuoteHugeNumbers(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (std::size_t i = 0; i < text.size();) {
    const bool quoted = text[i] == '"';
    const bool number = text[i] == '-' || (text[i] >= '0' && text[i] <= '9');
    std::size_t end = i + 1;
    if (quoted) {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (number) {
      end = std::min(text.find_first_not_of("+-.0123456789eE", i), text.size());
    }
    const std::string token(text.substr(i, end - i));
    const bool huge = number && std::isinf(std::strtod(token.c_str(), nullptr));
    out += huge ? "\"" + token + "\"" : token;
    i = end;
  }
  return out;
}

}  // namespace

Result<Json> ParseMessage(std::string_view payload) {
  auto body = ParseJson(payload);
  return body ? std::move(body) : ParseJson(QuoteHugeNumbers(payload));
}

std::string MessageOf(const Json& body) {
  constexpr std::size_t kMaxMessage = 200;
  std::string message = GetString(body, "message").value_or("");
  if (message.size() <= kMaxMessage) return message;
  std::size_t end = kMaxMessage;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  message.resize(end);
  return message;
}

std::int64_t VersionOf(const Json& body) {
  return GetInt(body, "version").value_or(0);
}

}  // namespace penumbra::shadow
