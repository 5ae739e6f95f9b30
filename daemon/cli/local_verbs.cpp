#include "cli/local_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "app/driver_knowledge.hpp"
#include "cli/client.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"
#include "driver/catalog.hpp"
#include "driver/paths.hpp"

namespace penumbra::cli {
namespace {

constexpr const char* kDefaultConfig = "/etc/penumbra/penumbra.toml";
constexpr const char* kSocketName = "api.sock";

// Config without its drivers: enough for [paths], and quick. What it says of buses and things is not to be used.
LoadedConfig LoadPaths(const std::string& file) {
  DriverKnowledge nothing;
  nothing.describe = [](const PathSettings&, const std::string&) -> Result<DriverSchemas> {
    return Fail(Action::kGiveUp, "not asked");
  };
  nothing.check = [](const PathSettings&, const BusSettings&,
                     const std::vector<ThingSettings>&) -> Result<std::vector<DriverComplaint>> {
    return std::vector<DriverComplaint>{};
  };
  return LoadConfig(file, nothing);
}

// Reading stopped before [paths]: no such file, or not TOML.
bool PathsAreUnknown(const LoadedConfig& loaded) {
  return loaded.origins.empty();
}

std::size_t Errors(const std::vector<Diagnostic>& diagnostics) {
  return static_cast<std::size_t>(
      std::count_if(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& d) { return !d.warning; }));
}

Style StyleOf(const Invocation& invocation) {
  return OutputStyle(invocation.no_color);
}

// The running daemon's values; nullopt when there is no daemon, and the files have to do.
std::optional<Json> RunningConfig(const Invocation& invocation) {
  const auto socket = FindSocket(invocation);
  if (!socket) return std::nullopt;
  const auto answer = Client(*socket).Get("/v1/config");
  if (!answer || answer->status != 200) return std::nullopt;
  const auto json = ParseJson(answer->body);
  return json ? std::optional(*json) : std::nullopt;
}

void PrintConfig(const Invocation& invocation, const Json& config) {
  Print(invocation.json ? Dump(config) + "\n" : ConfigView(config, StyleOf(invocation), invocation.effective));
}

std::string TypeText(const Json& property) {
  const std::string named = Field(property, "x-unit");
  const std::string unit = named == "-" ? "" : " " + named;
  if (property.contains("enum") && property["enum"].is_array()) {
    std::string out;
    for (const Json& value : property["enum"]) {
      out += (out.empty() ? "" : ", ") + (value.is_string() ? value.get<std::string>() : Dump(value));
    }
    return out + unit;
  }
  std::string type = Field(property, "type");
  const std::string from = Field(property, "minimum");
  const std::string to = Field(property, "maximum");
  if (from != "-" || to != "-") type += fmt::format(" {}..{}", from == "-" ? "" : from, to == "-" ? "" : to);
  return type + unit;
}

bool IsRequired(const Json& schema, const std::string& key) {
  const Json& required = Rows(schema, "required");
  return std::find(required.begin(), required.end(), Json(key)) != required.end();
}

Json DescriptionJson(const DriverDescription& driver) {
  return {{"name", driver.name},           {"version", driver.version},
          {"can_write", driver.can_write}, {"capabilities", driver.capabilities},
          {"bus", driver.bus_schema},      {"thing", driver.thing_schema},
          {"point", driver.point_schema}};
}

// Those with a name of their own: `penumbra bus plan|scan|self-test`.
std::string Questions(const DriverDescription& driver) {
  std::string names;
  for (const std::string& capability : driver.capabilities) {
    if (capability == "write") continue;
    names += (names.empty() ? "" : ", ") + Printable(capability == "ask" ? "its own" : capability);
  }
  return names;
}

int ShowDriver(const Invocation& invocation, const PathSettings& paths, const std::string& name) {
  const auto driver = DescribeDriver(paths, name);
  if (!driver) {
    Complain(driver.error());
    return kExitFailed;
  }
  if (invocation.json) {
    Print(Dump(DescriptionJson(*driver)) + "\n");
    return kExitOk;
  }
  std::string text = fmt::format("{} {}, {}\n", Printable(driver->name), Printable(driver->version),
                                 driver->can_write ? "reads and writes" : "reads only");
  if (const std::string answers = Questions(*driver); !answers.empty()) text += "answers questions: " + answers + "\n";
  text += "\nKeys of its [[bus]]:\n" + SchemaText(driver->bus_schema);
  text += "\nKeys of a [[thing]] on it:\n" + SchemaText(driver->thing_schema);
  text += "\nKeys of a [[thing.point]]:\n" + SchemaText(driver->point_schema);
  Print(text);
  return kExitOk;
}

int ShowDrivers(const Invocation& invocation, const PathSettings& paths) {
  Json rows = Json::array();
  Table table({{"DRIVER"}, {"VERSION"}, {"WRITES"}, {"TROUBLE"}});
  for (const std::string& name : AvailableDrivers(paths)) {
    const auto driver = DescribeDriver(paths, name);
    if (driver) {
      table.Row({{driver->name}, {driver->version}, {driver->can_write ? "yes" : "no"}, {"-"}});
      rows.push_back({{"name", driver->name}, {"version", driver->version}, {"can_write", driver->can_write}});
    } else {
      table.Row({{name}, {"-"}, {"-"}, {driver.error().message, Tone::kBad}});
      rows.push_back({{"name", name}, {"error", driver.error().message}});
    }
  }
  const std::string folder = DriversPath(paths).string();
  if (invocation.json) {
    Print(Dump(Json{{"folder", folder}, {"drivers", std::move(rows)}}) + "\n");
  } else {
    Print(table.empty() ? fmt::format("there are no drivers in {}\n", folder)
                        : table.Text(StyleOf(invocation)) + "\nin " + folder + "\n");
  }
  return kExitOk;
}

}  // namespace

std::string ConfigFile(const Invocation& invocation) {
  return invocation.config.value_or(kDefaultConfig);
}

void PrintDiagnostics(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) {
    fmt::print(stderr, "{}\n", Printable(penumbra::ToString(diagnostic)));
  }
}

OrderedJson RenderDiagnostics(const std::string& file, const std::vector<Diagnostic>& diagnostics) {
  OrderedJson rows = OrderedJson::array();
  for (const Diagnostic& diagnostic : diagnostics) {
    rows.push_back({{"file", diagnostic.file},
                    {"line", diagnostic.line},
                    {"column", diagnostic.column},
                    {"severity", diagnostic.warning ? "warning" : "error"},
                    {"message", diagnostic.message}});
  }
  return {{"file", file}, {"ok", Errors(diagnostics) == 0}, {"diagnostics", std::move(rows)}};
}

Json RenderOrigins(const std::string& file, const std::vector<Origin>& origins, bool all) {
  Json values = Json::array();
  for (const Origin& origin : origins) {
    if (!all && origin.origin == "default") continue;
    values.push_back({{"key", origin.key}, {"value", origin.value}, {"origin", origin.origin}});
  }
  return {{"file", file}, {"values", std::move(values)}};
}

std::string SchemaText(const Json& schema) {
  Table table({{"  KEY"}, {"TYPE"}, {"DEFAULT"}, {"MEANING"}});
  const auto properties = schema.is_object() ? schema.find("properties") : schema.end();
  if (properties != schema.end() && properties->is_object()) {
    for (const auto& [key, property] : properties->items()) {
      table.Row({{"  " + key},
                 {TypeText(property)},
                 {IsRequired(schema, key) ? "required" : Field(property, "default")},
                 {Field(property, "description")}});
    }
  }
  // Descriptions are documentation: they wrap on a terminal rather than end in an ellipsis.
  return table.empty() ? "  none\n" : table.Text(Style{});
}

int ConfigCheck(const Invocation& invocation) {
  const std::string file = ConfigFile(invocation);
  const LoadedConfig loaded = LoadConfig(file, AskDrivers());
  std::vector<Diagnostic> diagnostics = loaded.diagnostics;
  if (loaded.Ok()) {
    for (Diagnostic& warning : CheckCredentials(loaded.settings)) diagnostics.push_back(std::move(warning));
  }
  const std::size_t errors = Errors(diagnostics);
  if (invocation.json) {
    Print(RenderDiagnostics(file, diagnostics).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  } else {
    PrintDiagnostics(diagnostics);
    Print(errors > 0 ? fmt::format("{}: {} errors, {} warnings\n", file, errors, diagnostics.size() - errors)
                     : fmt::format("{}: ok, {} buses, {} things, {} warnings\n", file, loaded.settings.buses.size(),
                                   loaded.settings.things.size(), diagnostics.size()));
  }
  return errors > 0 ? kExitConfig : kExitOk;
}

int ConfigShow(const Invocation& invocation) {
  if (invocation.effective) {
    if (const auto running = RunningConfig(invocation)) {
      PrintConfig(invocation, *running);
      return kExitOk;
    }
    Complain("no daemon is reachable; these values are from the files");
  }
  const auto loaded = LoadWhole(invocation);
  if (!loaded) return kExitConfig;
  PrintConfig(invocation, RenderOrigins(ConfigFile(invocation), loaded->origins, invocation.effective));
  return kExitOk;
}

std::optional<LoadedConfig> LoadWhole(const Invocation& invocation) {
  LoadedConfig loaded = LoadConfig(ConfigFile(invocation), AskDrivers());
  if (loaded.Ok()) return loaded;
  PrintDiagnostics(loaded.diagnostics);
  return std::nullopt;
}

std::optional<PathSettings> FindPaths(const Invocation& invocation) {
  std::error_code ignored;
  // Without a configuration (a developer's machine, a new gateway) drivers are still worth a look.
  if (!invocation.config && !std::filesystem::exists(kDefaultConfig, ignored)) return PathSettings();
  const LoadedConfig loaded = LoadPaths(ConfigFile(invocation));
  if (!PathsAreUnknown(loaded)) return loaded.settings.paths;
  PrintDiagnostics(loaded.diagnostics);
  return std::nullopt;
}

int ListDrivers(const Invocation& invocation) {
  const auto paths = FindPaths(invocation);
  if (!paths) return kExitConfig;
  return invocation.words.empty() ? ShowDrivers(invocation, *paths)
                                  : ShowDriver(invocation, *paths, invocation.words[0]);
}

std::optional<std::filesystem::path> FindSocket(const Invocation& invocation) {
  if (invocation.socket) return *invocation.socket;
  const char* variable = std::getenv("PENUMBRA_SOCKET");
  if (variable != nullptr && *variable != '\0') return variable;
  if (!invocation.config) return PathSettings().run / kSocketName;
  const LoadedConfig loaded = LoadPaths(*invocation.config);
  if (PathsAreUnknown(loaded)) {
    PrintDiagnostics(loaded.diagnostics);
    return std::nullopt;
  }
  return loaded.settings.paths.run / kSocketName;
}

std::filesystem::path FindStateDirectory(const Invocation& invocation) {
  const LoadedConfig loaded = LoadPaths(ConfigFile(invocation));
  return PathsAreUnknown(loaded) ? PathSettings().state : loaded.settings.paths.state;
}

}  // namespace penumbra::cli
