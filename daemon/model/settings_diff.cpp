#include "model/settings_diff.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"

namespace penumbra {
namespace {

using Kind = SettingsChange::Kind;

// One key of a table: its value as the file would have it, and what a change of it takes.
struct Key {
  std::string name;
  Json value;
  Effect effect = Effect::kLive;
};
using Keys = std::vector<Key>;

Json Text(Duration duration) {
  return FormatDuration(duration);
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json OrNull(const std::optional<Duration>& value) {
  return value ? Text(*value) : Json();
}

Json Text(const BreakerSettings& breaker) {
  const auto& [failures, open, max_open] = breaker;
  return {{"failures", failures}, {"open", Text(open)}, {"max_open", Text(max_open)}};
}

Json OrNull(const std::optional<BreakerSettings>& breaker) {
  return breaker ? Text(*breaker) : Json();
}

Json Text(const ReportPolicy& report) {
  const auto& [deadband, percent, max_silence, min_interval] = report;
  return {{"deadband", percent ? Json(Dump(Json(deadband)) + "%") : Json(deadband)},
          {"max_silence", Text(max_silence)},
          {"min_interval", Text(min_interval)}};
}

Json OrNull(const std::optional<WritePolicy>& writable) {
  if (!writable) return {};
  const auto& [min, max, step, ttl, verify] = *writable;
  return {{"min", OrNull(min)}, {"max", OrNull(max)}, {"step", OrNull(step)}, {"ttl", Text(ttl)}, {"verify", verify}};
}

// What the driver reads at open(): a change takes a new one.
void AddDriverOptions(const Json& options, Keys& keys) {
  if (!options.is_object()) return;
  for (const auto& [name, value] : options.items()) keys.push_back({name, value, Effect::kReopen});
}

Keys KeysOf(const GatewaySettings& gateway) {
  const auto& [thing, certificate, private_key] = gateway;
  return {{"thing", thing, Effect::kRestart},
          {"certificate", certificate.string(), Effect::kRestart},
          {"private_key", private_key.string(), Effect::kRestart}};
}

std::string_view Word(MqttProtocol protocol) {
  switch (protocol) {
    case MqttProtocol::k5:
      return "5";
    case MqttProtocol::k311:
      return "3.1.1";
    case MqttProtocol::kAuto:
      break;
  }
  return "auto";
}

Keys KeysOf(const UpstreamSettings& upstream) {
  const auto& [endpoint, port, root_ca, protocol, reconnect_base, reconnect_max, reconnect_stable, connect_timeout,
               operation_timeout, keep_alive, session_expiry, publish_rate, in_flight, connect_rate, status_retained] =
      upstream;
  return {{"endpoint", endpoint, Effect::kReconnect},
          {"port", port, Effect::kReconnect},
          {"root_ca", root_ca.string(), Effect::kReconnect},
          {"protocol", Word(protocol), Effect::kReconnect},
          {"reconnect.base", Text(reconnect_base)},
          {"reconnect.max", Text(reconnect_max)},
          {"reconnect.stable", Text(reconnect_stable)},
          {"connect_timeout", Text(connect_timeout)},
          {"operation_timeout", Text(operation_timeout)},
          {"keep_alive", Text(keep_alive), Effect::kReconnect},
          {"session_expiry", Text(session_expiry), Effect::kReconnect},
          {"limits.publish_rate", publish_rate},
          {"limits.in_flight", in_flight},
          {"limits.connect_rate", connect_rate},
          {"status_retained", status_retained, Effect::kReconnect}};
}

Keys KeysOf(const StoreSettings& store) {
  const auto& [commit_interval, retention, max_size, min_free, write_budget, endurance] = store;
  return {{"commit_interval", Text(commit_interval), Effect::kRestart},
          {"retention", Text(retention), Effect::kRestart},
          {"max_size", max_size, Effect::kRestart},
          {"min_free", OrNull(min_free), Effect::kRestart},
          {"write_budget", OrNull(write_budget), Effect::kRestart},
          {"endurance", OrNull(endurance), Effect::kRestart}};
}

Keys KeysOf(const ClockSettings& clock) {
  const auto& [always_trusted, patience] = clock;
  return {{"trust", always_trusted ? "always" : "auto", Effect::kRestart},
          {"patience", Text(patience), Effect::kRestart}};
}

Keys KeysOf(const PathSettings& paths) {
  const auto& [state, run, drivers, driver_host, profiles] = paths;
  return {{"state", state.string(), Effect::kRestart},
          {"run", run.string(), Effect::kRestart},
          {"drivers", drivers.string(), Effect::kRestart},
          {"driver_host", driver_host.string(), Effect::kRestart},
          // Read with the file, so what is in force is what it made of the things.
          {"profiles", profiles.string()}};
}

std::string_view Word(MayReboot reboot) {
  switch (reboot) {
    case MayReboot::kNobody:
      return "nobody";
    case MayReboot::kAll:
      return "all";
    case MayReboot::kGateway:
      break;
  }
  return "gateway";
}

Keys KeysOf(const OrderSettings& orders) {
  const auto& [reboot, reboot_command, reboot_pause, ttl] = orders;
  return {{"reboot", Word(reboot)},
          {"reboot_command", reboot_command},
          {"reboot_pause", Text(reboot_pause)},
          {"ttl", Text(ttl), Effect::kRestart}};
}

// What the cloud answers to Device Defender's metrics is heard from the next connect of the gateway on.
Keys KeysOf(const HealthSettings& health) {
  const auto& [interval, defender] = health;
  return {{"interval", Text(interval)}, {"defender", defender}};
}

Keys KeysOf(const CredentialSettings& credentials) {
  const auto& [template_name, parameters, rsa, rotate_before] = credentials;
  return {{"template", template_name},
          {"parameters", parameters},
          {"key", rsa ? "rsa-2048" : "p-256"},
          {"rotate_before", rotate_before ? Json(Text(*rotate_before)) : Json()}};
}

Keys KeysOf(const BusSettings& bus) {
  const auto& [name, driver, timeout, retries, breaker, driver_options] = bus;
  (void)name;
  Keys keys{{"driver", driver, Effect::kReopen},
            {"timeout", OrNull(timeout), Effect::kReopen},
            {"retries", retries, Effect::kReopen},
            {"breaker", Text(breaker)}};
  AddDriverOptions(driver_options, keys);
  return keys;
}

Json NamesOf(const std::vector<PointSettings>& points) {
  Json names = Json::array();
  for (const PointSettings& point : points) names.push_back(point.name);
  return names;
}

Keys KeysOf(const ThingSettings& thing) {
  const auto& [name, type, attributes, groups, bus, sample_interval, topic, primary, certificate, private_key,
               telemetry, batch_bytes, batch_interval, timeout, retries, breaker, points, driver_options] = thing;
  (void)name;
  (void)points;  // by name, and their order: ComparePoints
  Keys keys{{"type", type},
            {"attributes", attributes},
            {"groups", groups},
            {"bus", bus, Effect::kReopen},
            {"sample_interval", Text(sample_interval)},
            {"topic", topic},
            {"primary", primary},
            {"certificate", certificate.string(), Effect::kReconnect},
            {"private_key", private_key.string(), Effect::kReconnect},
            {"telemetry", telemetry == Telemetry::kOnReport ? "on_report" : "every_poll"},
            {"batch", OrNull(batch_bytes)},
            {"batch_interval", OrNull(batch_interval)},
            {"timeout", OrNull(timeout), Effect::kReopen},
            {"retries", OrNull(retries), Effect::kReopen},
            {"breaker", OrNull(breaker)}};
  AddDriverOptions(driver_options, keys);
  return keys;
}

Keys KeysOf(const PointSettings& point) {
  const auto& [name, scale, offset, scaled, decimals, unit, min, max, invalid, report, writable, driver_options] =
      point;
  (void)name;
  Keys keys{{"scale", scaled ? Json(scale) : Json()},
            {"offset", scaled ? Json(offset) : Json()},
            {"decimals", decimals},
            {"unit", unit},
            {"min", OrNull(min)},
            {"max", OrNull(max)},
            {"invalid", invalid},
            {"report", Text(report)},
            {"writable", OrNull(writable)}};
  AddDriverOptions(driver_options, keys);
  return keys;
}

const Key* Find(const Keys& keys, const std::string& name) {
  const auto it = std::find_if(keys.begin(), keys.end(), [&name](const Key& key) { return key.name == name; });
  return it == keys.end() ? nullptr : &*it;
}

template <typename Item>
const Item* Find(const std::vector<Item>& items, const std::string& name) {
  const auto it = std::find_if(items.begin(), items.end(), [&name](const Item& item) { return item.name == name; });
  return it == items.end() ? nullptr : &*it;
}

class Comparison {
 public:
  template <typename Table>
  void Tables(const std::string& table, const std::string& name, const Table& from, const Table& to) {
    const Keys before = KeysOf(from);
    const Keys after = KeysOf(to);
    for (const Key& key : after) {
      const Key* old = Find(before, key.name);
      if (old == nullptr || old->value != key.value) Changed(table, name, key, old ? old->value : Json(), key.value);
    }
    for (const Key& key : before) {
      if (Find(after, key.name) == nullptr) Changed(table, name, key, key.value, Json());
    }
  }

  // `prefix`: of the names, "sensor-001." for points. `both` compares two items of one name.
  template <typename Item, typename Both>
  void Lists(const std::string& table, const std::string& prefix, const std::vector<Item>& from,
             const std::vector<Item>& to, Effect appearing, Both both) {
    for (const Item& item : to) {
      const Item* old = Find(from, item.name);
      if (old == nullptr) {
        changes_.push_back({table, prefix + item.name, Kind::kAdded, {}, {}, {}, appearing});
      } else {
        both(*old, item);
      }
    }
    for (const Item& item : from) {
      if (Find(to, item.name) != nullptr) continue;
      changes_.push_back({table, prefix + item.name, Kind::kRemoved, {}, {}, {}, appearing});
    }
  }

  void Thing(const ThingSettings& from, const ThingSettings& to) {
    Tables("thing", to.name, from, to);
    Lists("thing.point", to.name + ".", from.points, to.points, Effect::kReopen,
          [&](const PointSettings& old, const PointSettings& now) {
            Tables("thing.point", to.name + "." + now.name, old, now);
          });
    const Json before = NamesOf(from.points);
    const Json after = NamesOf(to.points);
    const std::set<Json> same(before.begin(), before.end());
    // The driver knows points by their numbers.
    if (before != after && same == std::set<Json>(after.begin(), after.end())) {
      changes_.push_back({"thing", to.name, Kind::kChanged, "order of points", before, after, Effect::kReopen});
    }
  }

  std::vector<SettingsChange> Take() { return std::move(changes_); }

 private:
  void Changed(const std::string& table, const std::string& name, const Key& key, Json from, Json to) {
    changes_.push_back({table, name, Kind::kChanged, key.name, std::move(from), std::move(to), key.effect});
  }

  std::vector<SettingsChange> changes_;
};

}  // namespace

std::string_view ToString(Effect effect) {
  switch (effect) {
    case Effect::kLive:
      return "live";
    case Effect::kReopen:
      return "reopen";
    case Effect::kReconnect:
      return "reconnect";
    case Effect::kRestart:
      break;
  }
  return "restart";
}

std::string_view ToString(SettingsChange::Kind kind) {
  switch (kind) {
    case Kind::kAdded:
      return "added";
    case Kind::kRemoved:
      return "removed";
    case Kind::kChanged:
      break;
  }
  return "changed";
}

std::string ToString(const SettingsChange& change) {
  const std::string where = change.name.empty() ? "[" + change.table + "]" : change.table + " " + change.name;
  return where + ": " + (change.kind == Kind::kChanged ? change.key : std::string(ToString(change.kind)));
}

bool SettingsDiff::NeedsRestart() const {
  return std::any_of(changes.begin(), changes.end(),
                     [](const SettingsChange& change) { return change.effect == Effect::kRestart; });
}

void SettingsDiff::Append(SettingsDiff other) {
  for (SettingsChange& change : other.changes) changes.push_back(std::move(change));
}

SettingsDiff Compare(const DutySettings& running, const DutySettings& wanted) {
  const auto& [orders, health] = wanted;
  Comparison comparison;
  comparison.Tables("orders", "", running.orders, orders);
  comparison.Tables("health", "", running.health, health);
  return {comparison.Take()};
}

SettingsDiff Compare(const Settings& running, const Settings& wanted) {
  const auto& [gateway, upstream, store, clock, paths, credentials, buses, things] = wanted;
  Comparison comparison;
  comparison.Tables("gateway", "", running.gateway, gateway);
  comparison.Tables("upstream", "", running.upstream, upstream);
  comparison.Tables("store", "", running.store, store);
  comparison.Tables("clock", "", running.clock, clock);
  comparison.Tables("paths", "", running.paths, paths);
  comparison.Tables("credentials", "", running.credentials, credentials);
  comparison.Lists("bus", "", running.buses, buses, Effect::kLive, [&](const BusSettings& from, const BusSettings& to) {
    comparison.Tables("bus", to.name, from, to);
  });
  // Its bus learns of it at open().
  comparison.Lists("thing", "", running.things, things, Effect::kReopen,
                   [&](const ThingSettings& from, const ThingSettings& to) { comparison.Thing(from, to); });
  return {comparison.Take()};
}

}  // namespace penumbra
