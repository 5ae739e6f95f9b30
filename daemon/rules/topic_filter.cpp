#include "rules/topic_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace penumbra::rules {
namespace {

constexpr std::size_t kMaxTopicBytes = 256;
constexpr std::string_view kIngest = "$aws/rules/";

std::string_view TakeLevel(std::string_view& topic, bool& last) {
  const std::size_t slash = topic.find('/');
  const std::string_view level = topic.substr(0, slash);
  last = slash == std::string_view::npos;
  topic.remove_prefix(last ? topic.size() : slash + 1);
  return level;
}

}  // namespace

Status CheckFilter(std::string_view filter) {
  const auto refuse = [filter](std::string_view why) {
    return Fail(Action::kFixConfig, fmt::format("the topic filter '{}': {}", filter.substr(0, kMaxTopicBytes), why));
  };
  if (filter.empty()) return refuse("is empty; write FROM 'sensors/+/temperature'");
  if (filter.size() > kMaxTopicBytes) return refuse("is longer than 256 bytes");
  if (filter.find('\0') != std::string_view::npos) return refuse("contains a NUL");
  bool last = false;
  for (std::string_view rest = filter; !last;) {
    const std::string_view level = TakeLevel(rest, last);
    const bool wild = level.find_first_of("+#") != std::string_view::npos;
    if (wild && level.size() > 1) return refuse("+ and # stand for a whole level");
    if (level == "#" && !last) return refuse("# stands at the end");
  }
  return {};
}

bool FilterTakes(std::string_view filter, std::string_view topic) {
  if (filter.empty() || topic.empty()) return false;
  // Wildcards do not reach into the reserved topics.
  if (topic[0] == '$' && filter[0] != '$') return false;
  for (bool filter_last = false, topic_last = false;;) {
    const std::string_view wanted = TakeLevel(filter, filter_last);
    if (wanted == "#") return true;
    const std::string_view level = TakeLevel(topic, topic_last);
    if (wanted != "+" && wanted != level) return false;
    if (filter_last || topic_last) return filter_last == topic_last;
  }
}

bool FiltersMeet(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || (a[0] == '$') != (b[0] == '$')) return false;
  for (bool a_last = false, b_last = false;;) {
    const std::string_view one = TakeLevel(a, a_last), other = TakeLevel(b, b_last);
    if (one == "#" || other == "#") return true;
    if (one != "+" && other != "+" && one != other) return false;
    if (a_last || b_last) return a_last == b_last;
  }
}

Ingest SplitIngest(std::string_view topic) {
  if (!topic.starts_with(kIngest)) return {{}, topic};
  const std::string_view rest = topic.substr(kIngest.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return {rest, {}};
  return {rest.substr(0, slash), rest.substr(slash + 1)};
}

bool RuleSees(std::string_view name, std::string_view filter, std::string_view topic) {
  const Ingest ingest = SplitIngest(topic);
  return ingest.rule.empty() ? FilterTakes(filter, topic) : ingest.rule == name;
}

}  // namespace penumbra::rules
