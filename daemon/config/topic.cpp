#include "config/topic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "config/node.hpp"

namespace penumbra {
namespace {

Result<std::string> Replace(std::string_view pattern, const std::string& thing) {
  std::string out;
  while (!pattern.empty()) {
    const std::size_t brace = pattern.find_first_of("{}");
    out += pattern.substr(0, brace);
    if (brace == std::string_view::npos) return out;
    const std::size_t end = pattern.find('}', brace);
    if (pattern[brace] == '}' || end == std::string_view::npos) {
      return Fail(Action::kFixConfig, "topic has a brace without its partner; the one placeholder is {thing}");
    }
    const std::string_view name = pattern.substr(brace + 1, end - brace - 1);
    if (name != "thing") {
      return Fail(Action::kFixConfig, fmt::format("topic has the unknown placeholder {}; the only one is {{thing}}",
                                                  Quoted(pattern.substr(brace, end - brace + 1))));
    }
    out += thing;
    pattern.remove_prefix(end + 1);
  }
  return out;
}

// Length of "$aws/rules/RULE/" at the beginning, with something behind it; 0: it is not there.
std::size_t BasicIngestPrefix(std::string_view topic) {
  constexpr std::string_view kPrefix = "$aws/rules/";
  if (!topic.starts_with(kPrefix)) return 0;
  const std::size_t slash = topic.find('/', kPrefix.size());
  const bool named = slash != std::string_view::npos && slash > kPrefix.size() && slash + 1 < topic.size();
  if (!named) return 0;
  const std::string_view rule = topic.substr(kPrefix.size(), slash - kPrefix.size());
  const bool right = std::all_of(rule.begin(), rule.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  return right ? slash + 1 : 0;
}

}  // namespace

Result<std::string> ExpandTopic(std::string_view pattern, const std::string& thing) {
  auto topic = Replace(pattern, thing);
  if (!topic) return topic;
  const auto bad = [](std::string message) { return Fail(Action::kFixConfig, std::move(message)); };
  if (topic->empty()) return bad("topic must not be empty");
  if (topic->find_first_of("+#") != std::string::npos) {
    return bad(fmt::format("topic {} contains + or #, which are wildcards and only for subscriptions", Quoted(*topic)));
  }
  // Basic Ingest: straight to one rule, without the broker and its price. Its prefix does not count as levels.
  const std::size_t prefix = BasicIngestPrefix(*topic);
  if (topic->front() == '$' && prefix == 0) {
    return bad(
        fmt::format("topic {} begins with $, which AWS reserves; write \"sensors/{{thing}}/temperature\", or for "
                    "Basic Ingest \"$aws/rules/RULE/sensors/{{thing}}/temperature\"",
                    Quoted(*topic)));
  }
  if (topic->size() > kMaxTopicBytes) {
    return bad(fmt::format("topic has {} bytes; AWS IoT allows {}", topic->size(), kMaxTopicBytes));
  }
  if (const auto slashes = std::count(topic->begin() + static_cast<std::ptrdiff_t>(prefix), topic->end(), '/');
      slashes > kMaxTopicSlashes) {
    return bad(fmt::format("topic has {} slashes; AWS IoT allows {}", slashes, kMaxTopicSlashes));
  }
  for (const std::string& own :
       {"status/" + thing, "sensors/" + thing + "/batch", "sensors/" + thing + "/command/ack", "commands/" + thing}) {
    if (*topic == own || (own.starts_with("commands/") && topic->starts_with(own + "/"))) {
      return bad(fmt::format("topic {} is used by the gateway for something else; choose another", Quoted(*topic)));
    }
  }
  return topic;
}

}  // namespace penumbra
