#include "cli/redact.hpp"

#include <fmt/format.h>

#include <regex>

namespace penumbra::cli {
namespace {

constexpr const char* kRemoved = "[removed]";
constexpr const char* kSecretName =
    "(?:[\\w-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[\\w-]*|(?:\\b|[\\w-]*[_-])(?:pin|psk))";

// The parameters of a provisioning template are whatever somebody's enrolment asks for.
bool IsNamedSecret(const std::string& key) {
  static const std::regex kName(std::string("(?:.*\\.)?") + kSecretName, std::regex::icase);
  return key.ends_with("credentials.parameters") || std::regex_match(key, kName);
}

std::string CutPrivateKeys(std::string text) {
  static constexpr std::string_view kBegin = "-----BEGIN ";
  static constexpr std::string_view kEnd = "-----END ";
  std::size_t from = 0;
  while ((from = text.find(kBegin, from)) != std::string::npos) {
    const std::size_t name_end = text.find("-----", from + kBegin.size());
    const std::string name =
        text.substr(from + kBegin.size(), name_end == std::string::npos ? 0 : name_end - from - kBegin.size());
    if (name.find("PRIVATE KEY") == std::string::npos) {
      from += kBegin.size();
      continue;
    }
    const std::size_t end = text.find(kEnd, from);
    // A key that is cut off is a secret all the same.
    const std::size_t stop =
        end == std::string::npos ? text.size() : std::min(text.size(), end + kEnd.size() + name.size() + 5);
    text.replace(from, stop - from, kRemoved);
  }
  return text;
}

}  // namespace

std::string Redact(std::string_view text) {
  static const std::regex kPin("(pin-value=)[^;&\\s\"]*", std::regex::icase);
  static const std::regex kUrl("(://[^/\\s:@\"]*:)[^/\\s@\"]*@");
  // The quotes of JSON in the text of a line are escaped ones.
  static const std::regex kNamed(
      fmt::format(R"re(({})(\\*["']?\s*[=:]\s*)(\\*"[^"]*"|'[^']*'|[^\s",;]+))re", kSecretName), std::regex::icase);
  // What the checker of the configuration says of a value without quotes: a PIN is often a number.
  static const std::regex kUnquoted(
      R"re((must be text in quotes, not the number )[^;\s]+(; write [\w.-]+ = )\\*"[^"]*")re");
  static const std::regex kParameters(R"re((\bparameters must be a table, not the text )\\*"[^"]*")re");
  static const std::regex kBearer("\\b(bearer\\s+)[^\\s\",;]+", std::regex::icase);
  std::string out = CutPrivateKeys(std::string(text));
  out = std::regex_replace(out, kPin, std::string("$1") + kRemoved);
  out = std::regex_replace(out, kUrl, std::string("$1") + kRemoved + "@");
  out = std::regex_replace(out, kUnquoted, std::string("$1") + kRemoved + "$2" + kRemoved);
  out = std::regex_replace(out, kParameters, std::string("$1") + kRemoved);
  out = std::regex_replace(out, kBearer, std::string("$1") + kRemoved);
  return std::regex_replace(out, kNamed, std::string("$1$2") + kRemoved);
}

OrderedJson RedactAll(const OrderedJson& json) {
  if (json.is_string()) return Redact(json.get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  OrderedJson out = json.is_array() ? OrderedJson::array() : OrderedJson::object();
  if (json.is_array()) {
    for (const OrderedJson& item : json) out.push_back(RedactAll(item));
  } else {
    for (const auto& [key, value] : json.items()) {
      out[key] = value.is_string() && IsNamedSecret(key) ? OrderedJson(kRemoved) : RedactAll(value);
    }
    // A row of the configuration in force.
    const auto name = json.find("key");
    if (name != json.end() && name->is_string() && json.contains("value") &&
        IsNamedSecret(name->get_ref<const std::string&>())) {
      out["value"] = kRemoved;
    }
  }
  return out;
}

}  // namespace penumbra::cli
