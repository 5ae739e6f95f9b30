#include "config/overrides.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/file_text.hpp"

namespace penumbra {
namespace {

constexpr Duration kMostSilence = std::chrono::hours(24 * 365);

// "10s", or seconds as a number.
Result<Duration> TimeOf(const Json& value, Duration least, Duration most) {
  Result<Duration> time = Fail(Action::kGiveUp, "write a duration such as \"10s\", or seconds");
  if (value.is_string()) time = ParseDuration(value.get_ref<const std::string&>());
  if (value.is_number()) {
    const double seconds = value.get<double>();
    if (seconds >= 0 && seconds <= std::chrono::duration<double>(kMostSilence).count()) {
      time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    }
  }
  if (!time) return time;
  if (*time < least || *time > most) {
    return Fail(Action::kGiveUp, fmt::format("must be {} to {}", FormatDuration(least), FormatDuration(most)));
  }
  return time;
}

// 0.1, or "1%".
bool ReadDeadband(const Json& value, ReportPolicy& report) {
  if (value.is_number() && value.get<double>() >= 0) {
    report.deadband = value.get<double>();
    report.deadband_percent = false;
    return true;
  }
  if (!value.is_string()) return false;
  const std::string& text = value.get_ref<const std::string&>();
  if (text.size() < 2 || text.back() != '%') return false;
  const auto number = ParseJson(text.substr(0, text.size() - 1));
  if (!number || !number->is_number() || number->get<double>() < 0) return false;
  report.deadband = number->get<double>();
  report.deadband_percent = true;
  return true;
}

Status PutReport(PointSettings& point, const Json& config, const std::string& path) {
  if (!config.is_object()) return Fail(Action::kGiveUp, path + " is not an object");
  for (const auto& [key, value] : config.items()) {
    const std::string whole = path + "." + key;
    if (key == "deadband") {
      if (value.is_null() || ReadDeadband(value, point.report)) continue;
      return Fail(Action::kGiveUp, whole + ": write a number such as 0.1, or a share such as \"1%\"");
    }
    Duration* const target = key == "max_silence"    ? &point.report.max_silence
                             : key == "min_interval" ? &point.report.min_interval
                                                     : nullptr;
    if (target == nullptr) {
      return Fail(Action::kGiveUp, whole + " cannot be changed; only deadband, max_silence and min_interval can");
    }
    if (value.is_null()) continue;
    const Duration least = key == "max_silence" ? Duration(std::chrono::seconds(1)) : Duration::zero();
    const auto time = TimeOf(value, least, kMostSilence);
    if (!time) return Fail(time.error().WithContext(whole));
    *target = *time;
  }
  return {};
}

Status Put(ThingSettings& thing, const Json& config) {
  if (!config.is_object()) return Fail(Action::kGiveUp, "config is not an object");
  for (const auto& [key, value] : config.items()) {
    if (key == "sample_interval") {
      if (value.is_null()) continue;
      const auto interval = TimeOf(value, kMinSampleInterval, kMaxSampleInterval);
      if (!interval) return Fail(interval.error().WithContext(key));
      thing.sample_interval = *interval;
      continue;
    }
    if (key != "report") {
      return Fail(Action::kGiveUp, key + " cannot be changed; only sample_interval and report can");
    }
    if (value.is_null()) continue;
    if (!value.is_object()) return Fail(Action::kGiveUp, "report is not an object");
    for (const auto& [name, report] : value.items()) {
      const auto point = std::find_if(thing.points.begin(), thing.points.end(),
                                      [&name = name](const PointSettings& known) { return known.name == name; });
      if (point == thing.points.end()) {
        return Fail(Action::kGiveUp, fmt::format("report.{}: {} has no such point", name, thing.name));
      }
      if (report.is_null()) continue;
      if (auto put = PutReport(*point, report, "report." + name); !put) return put;
    }
  }
  return {};
}

// "report.t.deadband" as {"report":{"t":{"deadband":..}}}, beside what is nested already. What is no such path, or
// would go through something that is no object, stays as it is and is refused by its own name.
Json Nested(const Json& config) {
  constexpr std::string_view kPrefix = "report.";
  if (!config.is_object()) return config;
  Json nested = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (key.rfind(kPrefix, 0) != 0) nested[key] = value;
  }
  for (const auto& [key, value] : config.items()) {
    if (key.rfind(kPrefix, 0) != 0) continue;
    const std::size_t end = key.rfind('.');
    Json* const report = end > kPrefix.size() && end + 1 < key.size() ? &nested["report"] : nullptr;
    Json* const point = report != nullptr && (report->is_null() || report->is_object())
                            ? &(*report)[key.substr(kPrefix.size(), end - kPrefix.size())]
                            : nullptr;
    if (point != nullptr && (point->is_null() || point->is_object())) {
      (*point)[key.substr(end + 1)] = value;
    } else {
      nested[key] = value;
    }
  }
  return nested;
}

// null removes, objects recurse; what becomes empty goes.
void MergeInto(Json& target, const Json& patch) {
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(key);
    } else if (value.is_object()) {
      Json& member = target[key];
      if (!member.is_object()) member = Json::object();
      MergeInto(member, value);
      if (member.empty()) target.erase(key);
    } else {
      target[key] = value;
    }
  }
}

void NoteOrigins(const std::string& prefix, const Json& config, std::vector<Origin>& origins) {
  for (const auto& [key, value] : config.items()) {
    const std::string path = prefix + "." + key;
    if (value.is_object()) {
      NoteOrigins(path, value, origins);
      continue;
    }
    Origin origin{path, Dump(value), "update_config"};
    const auto known = std::find_if(origins.begin(), origins.end(), [&](const Origin& one) { return one.key == path; });
    if (known == origins.end()) {
      origins.push_back(std::move(origin));
    } else {
      *known = std::move(origin);
    }
  }
}

}  // namespace

std::filesystem::path OverridesFile(const PathSettings& paths) {
  return paths.state / "overrides.json";
}

Result<Json> ReadOverrides(const std::filesystem::path& file) {
  std::error_code ec;
  if (!std::filesystem::exists(file, ec) && !ec) return Json::object();
  const auto text = ReadFileText(file);
  if (!text) return Fail(Action::kFixConfig, text.error().message);
  if (text->size() > kMaxOverrideBytes) return Fail(Action::kFixConfig, file.string() + " is too large");
  auto parsed = ParseJson(*text);
  if (!parsed) return Fail(Action::kFixConfig, parsed.error().message);
  if (!parsed->is_object()) return Fail(Action::kFixConfig, "not a JSON object");
  return parsed;
}

Status CheckOverride(const ThingSettings& thing, const Json& config) {
  ThingSettings trial = thing;
  return Put(trial, Nested(config));
}

Json MergeOverride(const Json& overrides, const std::string& thing, const Json& config) {
  Json merged = overrides.is_object() ? overrides : Json::object();
  MergeInto(merged, Json{{thing, Nested(config)}});
  return merged;
}

void ApplyOverrides(const std::filesystem::path& file, LoadedConfig& loaded) {
  const auto warn = [&](const std::string& message) {
    loaded.diagnostics.push_back({file.string(), 0, 0, true, message + "; what update_config set is left out"});
  };
  const auto overrides = ReadOverrides(file);
  if (!overrides) return warn(overrides.error().message);
  for (const auto& [name, config] : overrides->items()) {
    const auto thing = std::find_if(loaded.settings.things.begin(), loaded.settings.things.end(),
                                    [&name = name](const ThingSettings& known) { return known.name == name; });
    if (thing == loaded.settings.things.end()) continue;  // it may come again
    ThingSettings changed = *thing;
    if (const Status put = Put(changed, config); !put) {
      warn(fmt::format("thing {}: {}", name, put.error().message));
      continue;
    }
    *thing = std::move(changed);
    NoteOrigins("thing." + name, config, loaded.origins);
  }
}

}  // namespace penumbra
