#include "cli/bus_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/driver_knowledge.hpp"
#include "base/ordered_json.hpp"
#include "base/text.hpp"
#include "cli/bus_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "config/config.hpp"

namespace penumbra::cli {
namespace {

using Steady = std::chrono::steady_clock;

// One slice of a driver lasts some seconds; this is for those that know no slices.
constexpr int kMaxSlices = 256;

// The profiles for the driver of `bus`; none when the configuration cannot be read here.
std::vector<ProfileSummary> ProfilesFor(const Invocation& invocation, const std::string& bus) {
  const std::filesystem::path file = ConfigFile(invocation);
  const LoadedConfig loaded = LoadConfig(file, AskDrivers());
  const auto& buses = loaded.settings.buses;
  const auto found = std::ranges::find(buses, bus, &BusSettings::name);
  if (found == buses.end()) return {};
  std::vector<ProfileSummary> profiles =
      ListProfiles({file.parent_path() / "profiles", loaded.settings.paths.profiles});
  std::erase_if(profiles, [&found](const ProfileSummary& p) { return p.driver != found->driver || p.checks.empty(); });
  return profiles;
}

// The whole scan, slice by slice. Ok: the finds; else `exit_code`, with the finds so far.
BusAnswer ScanSlices(const Invocation& invocation, Json question, Duration timeout) {
  BusAnswer all;
  const auto end = Steady::now() + timeout;
  for (int slice = 0; slice < kMaxSlices; ++slice) {
    const auto left = std::chrono::duration_cast<Duration>(end - Steady::now());
    if (left <= Duration::zero()) {
      Complain(fmt::format("the scan is not finished after {}; --timeout gives it longer, from=N to=M less to do",
                           FormatDuration(timeout)));
      all.exit_code = kExitFailed;
      return all;
    }
    const BusAnswer part = AskBus(invocation, invocation.words[1], question, left);
    all.exit_code = part.exit_code;
    Json next;
    for (const OrderedJson& object : part.json) {
      const Json plain = object;
      if (GetString(plain, "answer") == "next" && plain.contains("next") && plain["next"].is_object()) {
        next = plain["next"];
      } else {
        all.json.push_back(object);
      }
    }
    if (part.exit_code != kExitOk || next.is_null()) return all;
    question.update(next);
  }
  return all;
}

std::vector<Json> ReadFromBus(const Invocation& invocation, const Json& unit, const std::vector<Json>& places) {
  std::vector<Json> values(places.size());
  for (std::size_t first = 0; first < places.size(); first += kMaxPlacesAtOnce) {
    const std::size_t count = std::min(places.size() - first, kMaxPlacesAtOnce);
    Json reads = Json::array();
    for (std::size_t i = 0; i < count; ++i) reads.push_back(places[first + i]);
    const BusAnswer answer = AskBus(invocation, invocation.words[1],
                                    {{"ask", "read"}, {"unit", unit}, {"reads", reads}}, std::chrono::seconds(20));
    for (const OrderedJson& ordered : answer.json) {
      const Json object = ordered;
      const auto index = GetInt(object, "index");
      if (index && *index >= 0 && static_cast<std::size_t>(*index) < count && object.contains("value")) {
        values[first + static_cast<std::size_t>(*index)] = object["value"];
      }
    }
  }
  return values;
}

std::string ProfilesText(const OrderedJson& suggestions) {
  std::string text;
  for (const OrderedJson& suggestion : suggestions) {
    std::string values;
    for (const auto& [point, value] : suggestion["values"].items()) {
      values += fmt::format("{}{} {}", values.empty() ? "" : ", ", point, value.dump());
    }
    text += fmt::format("{}{}{}", text.empty() ? "" : "; ", suggestion["profile"].get<std::string>(),
                        values.empty() ? "" : " (" + values + ")");
  }
  return text.empty() ? "-" : text;
}

}  // namespace

OrderedJson SuggestProfiles(const std::vector<ProfileSummary>& profiles, const Json& unit, const ReadPlaces& read) {
  std::vector<Json> places;
  for (const ProfileSummary& profile : profiles) {
    for (const ProfileCheck& check : profile.checks) {
      if (std::ranges::find(places, check.read) == places.end()) places.push_back(check.read);
    }
  }
  const std::vector<Json> values = read(unit, places);
  OrderedJson suggestions = OrderedJson::array();
  for (const ProfileSummary& profile : profiles) {
    OrderedJson shown = OrderedJson::object();
    const bool fits = !profile.checks.empty() && std::ranges::all_of(profile.checks, [&](const ProfileCheck& check) {
      const auto place = static_cast<std::size_t>(std::ranges::find(places, check.read) - places.begin());
      if (place >= values.size() || !check.Fits(values[place])) return false;
      if (!check.point.empty()) shown[check.point] = check.Scaled(values[place]);
      return true;
    });
    if (fits) suggestions.push_back({{"profile", profile.name}, {"title", profile.title}, {"values", shown}});
  }
  return suggestions;
}

int Scan(const Invocation& invocation, const Json& question, Duration timeout) {
  BusAnswer found = ScanSlices(invocation, question, timeout);
  const std::vector<ProfileSummary> profiles =
      found.json.empty() ? std::vector<ProfileSummary>() : ProfilesFor(invocation, invocation.words[1]);
  for (OrderedJson& object : found.json) {
    const Json plain = object;
    if (profiles.empty() || !plain.contains("unit")) continue;
    object["profiles"] = SuggestProfiles(
        profiles, plain["unit"],
        [&](const Json& unit, const std::vector<Json>& places) { return ReadFromBus(invocation, unit, places); });
  }
  if (invocation.json) {
    Print(found.json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
    return found.exit_code;
  }
  if (found.json.empty() && found.exit_code == kExitOk) Print("no device was found\n");
  for (OrderedJson& object : found.json) {
    object.erase("answer");
    if (object.contains("profiles")) object["profiles"] = ProfilesText(object["profiles"]);
  }
  if (!found.json.empty()) Print(ObjectsView(found.json, OutputStyle(invocation.no_color)));
  return found.exit_code;
}

}  // namespace penumbra::cli
