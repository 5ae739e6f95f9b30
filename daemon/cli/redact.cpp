#include "cli/redact.hpp"

#include <regex>

namespace penumbra::cli {
namespace {

constexpr const char* kRemoved = "[removed]";

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
  static const std::regex kNamed("\\b(password|passwd|secret|token|pin)(\\s*[=:]\\s*)(\"[^\"]*\"|[^\\s\",;]+)",
                                 std::regex::icase);
  std::string out = CutPrivateKeys(std::string(text));
  out = std::regex_replace(out, kPin, std::string("$1") + kRemoved);
  out = std::regex_replace(out, kUrl, std::string("$1") + kRemoved + "@");
  return std::regex_replace(out, kNamed, std::string("$1$2") + kRemoved);
}

OrderedJson RedactAll(const OrderedJson& json) {
  if (json.is_string()) return Redact(json.get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  OrderedJson out = json.is_array() ? OrderedJson::array() : OrderedJson::object();
  if (json.is_array()) {
    for (const OrderedJson& item : json) out.push_back(RedactAll(item));
  } else {
    for (const auto& [key, value] : json.items()) out[key] = RedactAll(value);
  }
  return out;
}

}  // namespace penumbra::cli
