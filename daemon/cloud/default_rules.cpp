#include "cloud/default_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "cloud/topics.hpp"
#include "rules/topic_filter.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::string_view kStore = "StoreSensorData", kAnomaly = "AnomalyDetection";
constexpr std::size_t kMaxSaid = 20;  // points that SELECT names one by one

// Topics of one form, and where in them the thing stands.
struct Stream {
  std::string filter;            // "sensors/+/temperature"
  std::set<std::size_t> levels;  // as topic() counts; 0: no level is the thing's name
};

std::string Numbered(std::string_view name, std::size_t index) {
  return index == 0 ? std::string(name) : fmt::format("{}{}", name, index + 1);
}

// Which stream's rule is called so; at most as many as there are.
std::optional<std::size_t> IndexOf(std::string_view rule, std::size_t streams) {
  for (std::size_t i = 0; i < std::max<std::size_t>(streams, 1); ++i) {
    if (rule == Numbered(kStore, i) || rule == Numbered(kAnomaly, i)) return i;
  }
  return std::nullopt;
}

std::vector<std::string_view> LevelsOf(std::string_view topic) {
  std::vector<std::string_view> levels;
  for (;;) {
    const std::size_t slash = topic.find('/');
    levels.push_back(topic.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    topic.remove_prefix(slash + 1);
  }
}

// With Basic Ingest topic() and FROM see what is behind the prefix. FROM stands in single quotes, which have no escape:
// a level that has one in it is any level.
std::string FilterOf(std::string_view topic, const std::string& thing) {
  std::string filter;
  for (const std::string_view level : LevelsOf(topic)) {
    const bool any = FindName(level, thing) != std::string_view::npos || level.find('\'') != std::string_view::npos;
    filter += fmt::format("{}{}", filter.empty() ? "" : "/", any ? "+" : level);
  }
  return filter;
}

std::size_t LevelOf(std::string_view topic, const std::string& thing) {
  const auto levels = LevelsOf(topic);
  const auto it = std::find(levels.begin(), levels.end(), thing);
  return it == levels.end() ? 0 : static_cast<std::size_t>(it - levels.begin()) + 1;
}

Stream& StreamOf(std::vector<Stream>& streams, const std::string& filter) {
  const auto same = [&filter](const Stream& stream) { return stream.filter == filter; };
  const auto it = std::find_if(streams.begin(), streams.end(), same);
  if (it != streams.end()) return *it;
  streams.push_back({filter, {}});
  return streams.back();
}

std::vector<Stream> StreamsOf(const Settings& settings) {
  std::vector<Stream> streams;
  for (const bool ingest : {false, true}) {
    for (const ThingSettings& thing : settings.things) {
      const auto [rule, topic] = rules::SplitIngest(thing.topic);
      if (rule.empty() == ingest) continue;
      const auto index = IndexOf(rule, streams.size());
      if (ingest && !index) continue;  // a rule of somebody else's
      const std::string filter = FilterOf(topic, thing.name);
      Stream& stream = ingest && *index < streams.size() ? streams[*index] : StreamOf(streams, filter);
      stream.levels.insert(LevelOf(topic, thing.name));
    }
  }
  if (streams.empty()) streams.push_back({"sensors/+/temperature", {2}});
  return streams;
}

// A name that AWS SQL can say without get(): letters and '_' only, and not a keyword (aws-iot-core.md section 8).
bool IsSqlName(const std::string& name) {
  return name != "value" && !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) != 0 || c == '_'; });
}

std::string StoreSql(const Settings& settings, const Stream& stream) {
  std::set<std::string> points;
  bool sayable = true;
  for (const ThingSettings& thing : settings.things) {
    for (const PointSettings& point : thing.points) {
      sayable = sayable && IsSqlName(point.name);
      points.insert(point.name);
    }
  }
  // The key comes from the topic, which the policy guards, and not from what a device says of itself; unless the topic
  // does not say it. What is stored expires: DynamoDB's ttl is in seconds.
  const std::size_t level = stream.levels.size() == 1 ? *stream.levels.begin() : 0;
  const std::string ttl = "floor(timestamp / 1000) + 2592000 AS ttl";
  if (!sayable || points.empty() || points.size() > kMaxSaid) {
    const std::string thing = level == 0 ? "" : fmt::format("topic({}) AS thing, ", level);
    return fmt::format("SELECT *, {}{} FROM '{}'", thing, ttl, stream.filter);
  }
  const std::string device = level == 0 ? "device_id" : fmt::format("topic({}) AS device_id", level);
  return fmt::format("SELECT {}, timestamp, seq, {}, bad, time, {} FROM '{}'", device, fmt::join(points, ", "), ttl,
                     stream.filter);
}

}  // namespace

std::vector<RuleSettings> DefaultRules(const Settings& settings) {
  std::vector<RuleSettings> rules;
  const std::vector<Stream> streams = StreamsOf(settings);
  for (std::size_t i = 0; i < streams.size(); ++i) {
    rules.push_back({Numbered(kStore, i), StoreSql(settings, streams[i]), "dynamodb", "sensor-data"});
    rules.push_back({Numbered(kAnomaly, i),
                     fmt::format("SELECT * FROM '{}' WHERE value > 40 OR value < 0", streams[i].filter), "lambda",
                     "anomaly-handler"});
  }
  return rules;
}

std::vector<std::string> IngestNotes(const Settings& settings, const std::vector<RuleSettings>& rules) {
  std::map<std::string, std::string> first;  // rule, and a thing that publishes to it
  for (const ThingSettings& thing : settings.things) {
    const auto rule = rules::SplitIngest(thing.topic).rule;
    if (!rule.empty()) first.emplace(rule, thing.name);
  }
  std::vector<std::string> notes;
  for (const auto& [name, thing] : first) {
    const auto named = [&wanted = name](const RuleSettings& rule) { return rule.name == wanted; };
    const bool here = std::any_of(rules.begin(), rules.end(), named);
    notes.push_back(here
                        ? fmt::format("{} publishes straight to rule {}: no other rule sees it", thing, name)
                        : fmt::format("{} publishes straight to rule {}, which is not made here: unless it exists, all "
                                      "that is sent is lost without a word",
                                      thing, name));
  }
  return notes;
}

}  // namespace penumbra::cloud
