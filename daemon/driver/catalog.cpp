#include "driver/catalog.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>

#include "base/text.hpp"
#include "driver/paths.hpp"
#include "driver/spawn.hpp"
#include "driver/wire.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

constexpr auto kDeadline = 5s;
constexpr std::size_t kMaxOutput = 1024 * 1024;

int MsUntil(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// Everything the child writes until it closes its end. nullopt: too late, or too much.
std::optional<std::string> ReadUntilEnd(int fd, std::chrono::steady_clock::time_point end) {
  std::string text;
  std::array<char, 16384> part{};
  while (text.size() <= kMaxOutput) {
    pollfd p{fd, POLLIN, 0};
    const int ready = ::poll(&p, 1, MsUntil(end));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    const ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
  return std::nullopt;
}

// Kills what still runs after `end`; answers how it ended.
std::string WaitForEnd(const Child& child, std::chrono::steady_clock::time_point end) {
  pollfd p{child.pidfd.get(), POLLIN, 0};
  if (::poll(&p, 1, MsUntil(end)) <= 0) {
    KillChild(child);
    ::poll(&p, 1, 1000);
  }
  int status = 0;
  return Reap(child, status) ? DescribeExit(status) : "cannot be killed";
}

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return Fail(Action::kBackOff, ErrnoMessage("pipe", errno));
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Runs `driver-host MODE FILE` for a driver that the gateway has.
Result<Json> Ask(const PathSettings& paths, const std::string& driver, const char* mode, const std::string& input) {
  const std::filesystem::path file = DriverFile(paths, driver);
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) {
    return Fail(Action::kFixConfig, NoSuchDriver(paths, driver));
  }
  Result<Json> json = RunDriverHost(paths, {mode, file.string()}, input, kDeadline);
  if (!json) return Fail(json.error().WithContext("driver '" + driver + "'"));
  return json;
}

Result<Json> Schema(const Json& description, const char* key) {
  const std::string text = GetString(description, key).value_or("");
  if (text.empty()) return Json::object();
  Result<Json> schema = ParseJson(text);
  if (schema && schema->is_object()) return schema;
  return Fail(Action::kFixConfig, std::string("its ") + key + " is not a JSON object");
}

std::int64_t Ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

Json OptionsOf(const Json& driver_options) {
  return driver_options.is_object() ? driver_options : Json::object();
}

Json ThingConfiguration(const ThingSettings& thing) {
  Json json = OptionsOf(thing.driver_options);
  json["name"] = thing.name;
  if (thing.timeout) json["timeout_ms"] = Ms(*thing.timeout);
  if (thing.retries) json["retries"] = *thing.retries;
  json["points"] = Json::array();
  for (const PointSettings& point : thing.points) {
    Json p = OptionsOf(point.driver_options);
    p["name"] = point.name;
    json["points"].push_back(std::move(p));
  }
  return json;
}

}  // namespace

Result<Json> RunDriverHost(const PathSettings& paths, const std::vector<std::string>& arguments,
                           const std::string& input, Duration time) {
  const Result<UniqueFd> in = MemoryFile("penumbra-input", input);
  if (!in) return Fail(in.error());
  Result<Pipe> out = MakePipe();
  if (!out) return Fail(out.error());
  std::vector<std::string> command{DriverHostPath(paths).string()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const Result<Child> child = Spawn(command, {{in->get(), STDIN_FILENO}, {out->write.get(), STDOUT_FILENO}});
  if (!child) return Fail(child.error());
  out->write.Reset();
  const auto end = std::chrono::steady_clock::now() + time;
  const std::optional<std::string> output = ReadUntilEnd(out->read.get(), end);
  const std::string how = WaitForEnd(*child, output ? end : std::chrono::steady_clock::now());
  if (!output) {
    return Fail(Action::kFixConfig, "gives no result within " + FormatDuration(time) + " (or too much of one)");
  }
  Result<Json> json = ParseJson(*output);
  if (!json || !json->is_object()) return Fail(Action::kFixConfig, "fails: " + how);
  if (const auto error = GetString(*json, "error")) return Fail(Action::kFixConfig, *error);
  return json;
}

namespace {

Result<DriverDescription> DescriptionOf(const Json& json) {
  DriverDescription description;
  description.name = GetString(json, "name").value_or("");
  description.version = GetString(json, "version").value_or("");
  description.can_write = GetBool(json, "can_write").value_or(false);
  if (const auto list = json.find("capabilities"); list != json.end() && list->is_array()) {
    for (const Json& name : *list) {
      if (name.is_string()) description.capabilities.push_back(name.get<std::string>());
    }
  }
  const std::array<std::pair<const char*, Json*>, 3> schemas{{{"bus_schema", &description.bus_schema},
                                                              {"thing_schema", &description.thing_schema},
                                                              {"point_schema", &description.point_schema}}};
  for (const auto& [key, target] : schemas) {
    Result<Json> schema = Schema(json, key);
    if (!schema) return Fail(schema.error());
    *target = std::move(*schema);
  }
  return description;
}

}  // namespace

Result<DriverDescription> DescribeDriver(const PathSettings& paths, const std::string& driver) {
  const Result<Json> json = Ask(paths, driver, "--describe", "");
  if (!json) return Fail(json.error());
  Result<DriverDescription> description = DescriptionOf(*json);
  if (!description) return Fail(description.error().WithContext("driver '" + driver + "'"));
  return description;
}

Result<DriverDescription> DescribeDriverFile(const PathSettings& paths, const std::string& file) {
  const Result<Json> json = RunDriverHost(paths, {"--describe", file}, "", kDeadline);
  return json ? DescriptionOf(*json) : Fail(json.error());
}

Result<std::vector<std::pair<std::string, std::string>>> CheckDriverConfiguration(const PathSettings& paths,
                                                                                  const std::string& driver,
                                                                                  const Json& configuration) {
  const Result<Json> json = Ask(paths, driver, "--check", Dump(configuration));
  if (!json) return Fail(json.error());
  std::vector<std::pair<std::string, std::string>> complaints;
  const auto list = json->find("complaints");
  if (list == json->end() || !list->is_array()) {
    return Fail(Action::kFixConfig, "driver '" + driver + "' gives no result when it checks the configuration");
  }
  // One request asks for all points of a thing.
  const Json things = configuration.value("things", Json::array());
  for (std::size_t i = 0; i < things.size(); ++i) {
    const std::size_t points = things[i].value("points", Json::array()).size();
    if (points <= wire::kMaxPoints) continue;
    complaints.emplace_back(fmt::format("/things/{}", i),
                            fmt::format("{} points are more than the {} that one thing may have; make it two things on "
                                        "the same bus and unit",
                                        points, wire::kMaxPoints));
  }
  for (const Json& complaint : *list) {
    complaints.emplace_back(GetString(complaint, "pointer").value_or(""), GetString(complaint, "message").value_or(""));
  }
  return complaints;
}

Json DriverConfiguration(const BusSettings& bus, const std::vector<ThingSettings>& things_on_bus) {
  Json options = OptionsOf(bus.driver_options);
  if (bus.timeout) options["timeout_ms"] = Ms(*bus.timeout);
  options["retries"] = bus.retries;
  Json things = Json::array();
  for (const ThingSettings& thing : things_on_bus) things.push_back(ThingConfiguration(thing));
  return Json{{"bus", std::move(options)}, {"things", std::move(things)}};
}

}  // namespace penumbra
