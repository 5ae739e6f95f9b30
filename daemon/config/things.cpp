#include "config/things.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/core_schema.hpp"
#include "config/points.hpp"
#include "config/schema_check.hpp"
#include "config/topic.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kAttributesWithoutType = 3;
constexpr std::size_t kMostNamesListed = 20;

std::string TextOf(const Node& table, std::string_view key) {
  const Node* value = table.Find(key);
  return value != nullptr && value->IsText() ? value->text : std::string();
}

std::string Label(std::string_view table, const std::string& name) {
  return name.empty() ? std::string(table) : fmt::format("{} {}", table, Quoted(name));
}

// "hall-a", or a stand-in that keeps the origins of nameless tables apart.
std::string PathOf(std::string_view kind, const std::string& name) {
  return fmt::format("{}.{}", kind, name.empty() ? "?" : name);
}

const std::vector<Node>& Tables(const Node& table, std::string_view key) {
  static const std::vector<Node> kNone;
  const Node* list = table.Find(key);
  return list != nullptr && list->kind == Node::Kind::kArray ? list->items : kNone;
}

template <typename Map>
std::string DidYouMean(const std::string& word, const Map& known, std::string_view what) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : known) names.push_back(name);
  if (names.empty()) return fmt::format("; there is no {}", what);
  if (word.size() <= 128) {
    if (const auto near = Suggest(word, names)) return fmt::format("; did you mean \"{}\"?", *near);
  }
  if (names.size() > kMostNamesListed) names.resize(kMostNamesListed);
  return fmt::format("; there {} {}", names.size() == 1 ? "is only" : "are", fmt::join(names, ", "));
}

}  // namespace

BreakerSettings ReadBreaker(const Section& section, Diagnostics& diagnostics) {
  BreakerSettings breaker;
  breaker.failures = static_cast<int>(section.Integer("failures").value_or(breaker.failures));
  breaker.open = section.Time("open").value_or(breaker.open);
  breaker.max_open = section.Time("max_open").value_or(breaker.max_open);
  if (breaker.open > breaker.max_open) {
    diagnostics.Error(section.PlaceOf("open"),
                      fmt::format("breaker: open = \"{}\" is longer than max_open = \"{}\"",
                                  FormatDuration(breaker.open), FormatDuration(breaker.max_open)));
  }
  return breaker;
}

void ThingReader::Read(const Node& root, const Place& gateway_name) {
  if (!settings_.gateway.thing.empty()) thing_names_.emplace(settings_.gateway.thing, gateway_name);
  for (const Node& table : Tables(root, "bus")) {
    if (table.IsTable()) ReadBus(table);
  }
  for (const Node& table : Tables(root, "thing")) {
    if (table.IsTable()) ReadThing(table);
  }
  for (const auto& [name, bus] : buses_) {
    if (!bus.used) {
      diagnostics_.Warning(bus.table->place, fmt::format("no thing is on bus {}; it is not opened", Quoted(name)));
    }
    if (bus.schemas != nullptr && bus.driver_ok && bus.used) {
      drivers_.Check(settings_.buses[bus.index], bus.sound_things, bus.tables);
    }
  }
}

void ThingReader::CheckUnique(const Node& name, std::string_view what, std::map<std::string, Place>& seen) {
  const auto [first, inserted] = seen.emplace(name.text, name.place);
  if (inserted) return;
  if (what == "thing" && name.text == settings_.gateway.thing) {
    diagnostics_.Error(name.place, fmt::format("{} is the gateway's own thing ({}); two connections with one client id "
                                               "throw each other out, so give this thing a name of its own",
                                               Quoted(name.text), ToString(first->second)));
    return;
  }
  diagnostics_.Error(name.place, fmt::format("a second {} is called {}; the first stands at {}", what,
                                             Quoted(name.text), ToString(first->second)));
}

void ThingReader::NoteDriverKeys(const Section& section, const Json& options) {
  for (const auto& [key, unused] : options.items()) section.Note(key);
}

void ThingReader::ReadBus(const Node& table) {
  BusSettings settings;
  settings.name = TextOf(table, "name");
  const Node* driver = table.Find("driver");
  Bus bus;
  bus.table = &table;
  bus.tables.bus = &table;
  const bool driver_named = driver != nullptr && driver->IsText() && !driver->text.empty();
  if (driver_named && CheckValue(*driver, CoreTable("bus")["properties"]["driver"], "driver", diagnostics_)) {
    settings.driver = driver->text;
    bus.schemas = drivers_.Describe(*driver);
  }
  const TableRules rules{&CoreTable("bus"), bus.schemas == nullptr ? nullptr : &bus.schemas->bus,
                         bus.schemas == nullptr};
  bus.driver_ok = CheckTable(table, rules, Label("[[bus]]", settings.name), diagnostics_).driver_ok;

  const Section section(&table, CoreTable("bus"), PathOf("bus", settings.name), origins_);
  section.Note("driver");
  settings.timeout = section.Time("timeout");
  settings.retries = static_cast<int>(section.Integer("retries").value_or(settings.retries));
  settings.breaker = ReadBreaker(section.Sub("breaker"), diagnostics_);
  if (bus.schemas != nullptr) {
    settings.driver_options = DriverOptions(table, bus.schemas->bus);
    NoteDriverKeys(section, settings.driver_options);
  }
  if (const Node* name = table.Find("name"); name != nullptr && name->IsText()) {
    CheckUnique(*name, "bus", bus_names_);
    bus.index = settings_.buses.size();
    buses_.try_emplace(name->text, std::move(bus));
  }
  settings_.buses.push_back(std::move(settings));
}

ThingReader::Bus* ThingReader::BusOf(const Node& table) {
  const Node* name = table.Find("bus");
  if (name == nullptr || !name->IsText()) return nullptr;
  const auto it = buses_.find(name->text);
  if (it == buses_.end()) {
    diagnostics_.Error(name->place, fmt::format("there is no bus {}{}", Quoted(name->text),
                                                DidYouMean(name->text, buses_, "[[bus]]")));
    return nullptr;
  }
  it->second.used = true;
  return &it->second;
}

void ThingReader::CheckProfileDriver(const Node& table, Context& context) {
  const auto wanted = profiles_.DriverOf(table);
  if (!wanted || context.driver.empty() || *wanted == context.driver) return;
  context.complete = false;
  diagnostics_.Error(table.Find("profile")->place, fmt::format("profile {} is for the driver {}, but bus {} uses {}",
                                                               Quoted(TextOf(table, "profile")), *wanted,
                                                               Quoted(TextOf(table, "bus")), context.driver));
}

void ThingReader::ReadThing(const Node& own) {
  std::optional<Node> with_profile = profiles_.Apply(own);
  Context context;
  context.complete = with_profile.has_value();
  const Node& table = merged_.emplace_back(with_profile ? *std::move(with_profile) : own);
  Bus* bus = BusOf(table);
  if (bus != nullptr) {
    context.schemas = bus->schemas;
    context.driver = settings_.buses[bus->index].driver;
  }
  CheckProfileDriver(table, context);
  // Without the right profile a thing lacks keys, or has foreign ones, through no fault of its own.
  if (!context.complete) context.schemas = nullptr;

  ThingSettings thing;
  thing.name = TextOf(table, "name");
  const TableRules rules{&CoreTable("thing"), context.schemas == nullptr ? nullptr : &context.schemas->thing,
                         context.schemas == nullptr};
  context.driver_ok = CheckTable(table, rules, Label("[[thing]]", thing.name), diagnostics_).driver_ok;
  if (const Node* name = table.Find("name"); name != nullptr && name->IsText()) {
    CheckUnique(*name, "thing", thing_names_);
  }
  const Section section(&table, CoreTable("thing"), PathOf("thing", thing.name), origins_);
  ReadThingValues(table, section, thing);
  ReadPoints(table, section.path(), context, thing);
  ReadPrimary(section, thing);
  if (context.schemas != nullptr) {
    thing.driver_options = DriverOptions(table, context.schemas->thing);
    NoteDriverKeys(section, thing.driver_options);
    if (context.driver_ok) {
      bus->sound_things.push_back(thing);
      bus->tables.things.push_back(&table);
    }
  }
  settings_.things.push_back(std::move(thing));
}

void ThingReader::ReadThingValues(const Node& table, const Section& section, ThingSettings& thing) {
  thing.type = section.Text("type").value_or("");
  thing.bus = section.Text("bus").value_or("");
  section.Note("profile");
  if (const Node* attributes = table.Find("attributes"); attributes != nullptr && attributes->IsTable()) {
    for (const auto& [key, value] : attributes->members) {
      if (value.IsText()) thing.attributes.emplace(key, value.text);
    }
    section.Note("attributes");
    CheckAttributes(section, thing);
  }
  if (const Node* groups = table.Find("groups"); groups != nullptr && groups->kind == Node::Kind::kArray) {
    for (const Node& group : groups->items) thing.groups.push_back(group.text);
    section.Note("groups");
  }
  thing.sample_interval = section.Time("sample_interval").value_or(thing.sample_interval);
  ReadTopic(section, thing);
  ReadCredentials(section, thing);
  thing.telemetry = section.Text("telemetry") == "on_report" ? Telemetry::kOnReport : Telemetry::kEveryPoll;
  thing.batch_bytes = section.Size("batch");
  thing.batch_interval = section.Time("batch_interval");
  if (thing.batch_interval && !thing.batch_bytes) {
    diagnostics_.Error(section.PlaceOf("batch_interval"),
                       "batch_interval needs batch = \"4.5KiB\", the size of the arrays that are sent");
  }
  thing.timeout = section.Time("timeout");
  if (const auto retries = section.Integer("retries")) thing.retries = static_cast<int>(*retries);
  if (section.Has("breaker")) thing.breaker = ReadBreaker(section.Sub("breaker"), diagnostics_);
}

// AWS IoT CreateThing: names [a-zA-Z0-9_.,@/:#-]+ to 128, values the same characters to 800.
void ThingReader::CheckAttributes(const Section& section, const ThingSettings& thing) {
  const Node* attributes = section.Raw("attributes");
  if (thing.type.empty() && attributes->members.size() > kAttributesWithoutType) {
    diagnostics_.Warning(attributes->key_place,
                         fmt::format("AWS IoT allows {} attributes without a thing type, here are {}; add type = "
                                     "\"...\"",
                                     kAttributesWithoutType, attributes->members.size()));
  }
  const auto plain = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("_.,@/:#-").find(c) != std::string_view::npos;
    });
  };
  for (const auto& [key, value] : thing.attributes) {
    const Node* at = attributes->Find(key);
    if (key.empty() || key.size() > 128 || !plain(key)) {
      diagnostics_.Error(at->key_place, fmt::format("attribute name {} is not allowed; AWS IoT takes 1 to 128 letters, "
                                                    "digits and _ . , @ / : # -",
                                                    Quoted(key)));
    }
    if (!plain(value)) {
      diagnostics_.Warning(at->place, fmt::format("attribute {} = {}: AWS IoT takes only letters, digits and _ . , @ / "
                                                  ": # - in values, no spaces",
                                                  key, Quoted(value)));
    }
  }
}

void ThingReader::ReadTopic(const Section& section, ThingSettings& thing) {
  const auto pattern = section.Text("topic");
  if (!pattern || pattern->empty() || thing.name.empty()) return;  // reported already
  auto topic = ExpandTopic(*pattern, thing.name);
  if (topic) {
    thing.topic = *std::move(topic);
  } else {
    diagnostics_.Error(section.PlaceOf("topic"), topic.error().message);
  }
}

void ThingReader::ReadCredentials(const Section& section, ThingSettings& thing) {
  const auto read = [&](std::string_view key, std::string_view ending) -> std::filesystem::path {
    if (const Node* raw = section.Raw(key); raw != nullptr && raw->text.starts_with("pkcs11:")) {
      section.Note(key);
      return raw->text;
    }
    if (const auto path = section.File(key, settings_.paths.state)) return *path;
    const std::filesystem::path fallback = settings_.paths.state / "credentials" / (thing.name + std::string(ending));
    section.NoteDefault(key, "\"" + fallback.string() + "\"");
    return fallback;
  };
  thing.certificate = read("certificate", ".pem.crt");
  thing.private_key = read("private_key", ".pem.key");
}

void ThingReader::ReadPoints(const Node& table, const std::string& path, Context& context, ThingSettings& thing) {
  const std::vector<Node>& points = Tables(table, "point");
  if (points.empty() && table.Find("point") == nullptr && table.Find("profile") == nullptr) {
    diagnostics_.Error(table.place, fmt::format("{} has no points; add profile = \"...\" or [[thing.point]] below it",
                                                Label("[[thing]]", thing.name)));
  }
  std::map<std::string, Place> names;
  for (const Node& entry : points) {
    if (!entry.IsTable()) continue;
    const std::string name = TextOf(entry, "name");
    const TableRules rules{&CoreTable("point"), context.schemas == nullptr ? nullptr : &context.schemas->point,
                           context.schemas == nullptr};
    if (!CheckTable(entry, rules, Label("[[thing.point]]", name), diagnostics_).driver_ok) context.driver_ok = false;
    const std::string point_path = fmt::format("{}.point.{}", path, name.empty() ? "?" : name);
    PointSettings point = ReadPoint(entry, point_path, diagnostics_, origins_);
    if (const Node* at = entry.Find("name"); at != nullptr && at->IsText()) CheckUnique(*at, "point", names);
    if (point.writable && context.schemas != nullptr && !context.schemas->can_write) {
      diagnostics_.Error(entry.Find("writable")->key_place,
                         fmt::format("the driver {} cannot write; remove writable", context.driver));
    }
    if (context.schemas != nullptr) {
      point.driver_options = DriverOptions(entry, context.schemas->point);
      NoteDriverKeys(Section(&entry, CoreTable("point"), point_path, origins_), point.driver_options);
    }
    thing.points.push_back(std::move(point));
  }
}

void ThingReader::ReadPrimary(const Section& section, ThingSettings& thing) {
  std::map<std::string, int> names;
  for (const PointSettings& point : thing.points) names.emplace(point.name, 0);
  const bool has_value = names.count("value") != 0;
  const Node* raw = section.Raw("primary");
  if (raw == nullptr || !raw->IsText()) {
    // A point called "value" and a primary point repeated as "value" must be the same.
    if (!thing.points.empty()) thing.primary = has_value ? "value" : thing.points.front().name;
    if (!thing.primary.empty()) section.NoteDefault("primary", "\"" + thing.primary + "\"");
    return;
  }
  thing.primary = section.Text("primary").value_or("");
  if (thing.points.empty()) return;
  if (names.count(thing.primary) == 0) {
    diagnostics_.Error(raw->place, fmt::format("primary = {} names no point of this thing{}", Quoted(thing.primary),
                                               DidYouMean(thing.primary, names, "point")));
  } else if (has_value && thing.primary != "value") {
    diagnostics_.Error(raw->place,
                       "messages repeat the primary point as \"value\", and another point has that name; write primary "
                       "= \"value\" or rename that point");
  }
}

}  // namespace penumbra
