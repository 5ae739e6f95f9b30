#include "model/defender.hpp"

#include <fmt/format.h>

#include "base/json.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kMaxReason = 200;

// Never in the middle of a character.
std::string Shortened(std::string text) {
  if (text.size() <= kMaxReason) return text;
  std::size_t end = kMaxReason;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text;
}

}  // namespace

std::string DefenderTopic(const std::string& thing) {
  return fmt::format("$aws/things/{}/defender/metrics/json", thing);
}

std::string RejectionReason(std::string_view payload) {
  const auto body = ParseJson(payload);
  const Json details = body && body->is_object() ? body->value("statusDetails", Json()) : Json();
  const auto code = GetString(details, "ErrorCode");
  const auto message = GetString(details, "ErrorMessage");
  if (!code && !message) return "AWS does not say why";
  return Shortened(code && message ? *code + ": " + *message : code.value_or(message.value_or("")));
}

}  // namespace penumbra
