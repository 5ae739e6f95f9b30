#include "app/health.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/log.hpp"
#include "base/version.hpp"
#include "orders/answers.hpp"

namespace penumbra {
namespace {

// A shadow has 8 KB; whoever has more buses in trouble looks at `penumbra status`.
constexpr std::size_t kMaxNamed = 16;
constexpr std::size_t kMaxReason = 120;

// Keys that `before` had and `now` has not, as nulls: a shadow's update removes nothing by leaving it out.
void RemoveGone(const Json& before, Json& now) {
  if (!before.is_object()) return;
  for (const auto& [key, value] : before.items()) {
    if (!now.contains(key)) {
      now[key] = nullptr;
    } else if (value.is_object() && now[key].is_object()) {
      RemoveGone(value, now[key]);
    }
  }
}

double Load(const std::vector<BusStatus>& buses) {
  double most = 0;
  for (const BusStatus& bus : buses) most = std::max(most, bus.load);
  return static_cast<double>(static_cast<int>(most * 1000 + 0.5)) / 1000;
}

std::int64_t OldestUnsentSeconds(const HealthFacts& facts) {
  return facts.oldest_unsent_ms == 0 ? 0 : std::max<std::int64_t>(0, facts.now_ms - facts.oldest_unsent_ms) / 1000;
}

}  // namespace

Json HealthConditions(const HealthFacts& facts) {
  Json buses = Json::object();
  std::size_t running = 0;
  for (const BusStatus& bus : facts.buses) {
    if (bus.state == "running") {
      ++running;
    } else if (buses.size() < kMaxNamed) {
      buses[bus.bus] = bus.reason.empty() ? bus.state : orders::Cut(bus.state + ": " + bus.reason, kMaxReason);
    }
  }
  Json silent = Json::object();
  std::size_t silent_count = 0;
  for (const auto& [name, thing] : facts.things) {
    if (thing.state == "ok" || thing.state == "waiting") continue;
    ++silent_count;
    if (silent.size() < kMaxNamed) silent[name] = thing.state;
  }
  const bool good =
      buses.empty() && silent_count == 0 && facts.store.trouble.empty() && facts.clock_trusted && facts.set_aside == 0;
  Json conditions = {
      {"status", good ? "ok" : "degraded"}, {"version", std::string(kVersion)}, {"clock_trusted", facts.clock_trusted},
      {"buses", facts.buses.size()},        {"buses_running", running},         {"things", facts.things.size()},
      {"things_silent", silent_count}};
  if (!buses.empty()) conditions["bus_trouble"] = std::move(buses);
  if (!silent.empty()) conditions["silent"] = std::move(silent);
  if (facts.set_aside > 0) conditions["set_aside"] = facts.set_aside;
  if (!facts.store.trouble.empty()) conditions["store_trouble"] = orders::Cut(facts.store.trouble, kMaxReason);
  return conditions;
}

Json HealthFigures(const HealthFacts& facts) {
  return {{"timestamp", facts.now_ms / 1000},
          {"sessions", facts.links},
          {"sessions_online", facts.online},
          {"backlog", facts.backlog},
          {"oldest_unsent_s", OldestUnsentSeconds(facts)},
          {"bus_load", Load(facts.buses)},
          {"store_bytes", facts.store.file_bytes},
          {"orders_done", facts.order_counts.done},
          {"orders_failed", facts.order_counts.failed + facts.order_counts.rejected}};
}

Health::Health(World world)
    : world_(std::move(world)),
      defender_({world_.loop, world_.time_trust, world_.store, world_.duties.health, world_.gateway, [] {
                   std::ifstream file("/proc/net/dev");
                   return std::string(std::istreambuf_iterator<char>(file), {});
                 }}) {}

std::vector<std::string> Health::Subscriptions(const std::string& thing) {
  return thing == world_.gateway ? defender_.Subscriptions() : std::vector<std::string>{};
}

void Health::OnOnline(ThingLink& link) {
  if (link.thing() == world_.gateway) link_ = &link;
}

void Health::OnOffline(ThingLink& link) {
  if (link.thing() == world_.gateway) link_ = nullptr;
}

void Health::OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) {
  if (link.thing() == world_.gateway) defender_.OnMessage(topic, payload);
}

HealthFacts Health::Gather() const {
  HealthFacts facts;
  facts.now_ms = world_.time_trust.UnixMs();
  facts.clock_trusted = world_.time_trust.Trusted();
  facts.buses = world_.buses->Buses();
  for (const ThingSettings& thing : world_.settings.things) {
    if (auto status = world_.buses->Thing(thing.name)) facts.things.emplace(thing.name, std::move(*status));
    const OutboxState outbox = world_.store.Outbox(thing.name);
    facts.backlog += outbox.unsent;
    if (outbox.oldest_unsent_ms == 0) continue;
    const std::int64_t oldest = facts.oldest_unsent_ms == 0 ? outbox.oldest_unsent_ms : facts.oldest_unsent_ms;
    facts.oldest_unsent_ms = std::min(oldest, outbox.oldest_unsent_ms);
  }
  for (const LinkStatus& link : world_.uplink.Links()) {
    ++facts.links;
    facts.online += link.link == "online" ? 1 : 0;
    facts.set_aside += link.set_aside;
  }
  facts.store = world_.store.Stats();
  facts.order_counts = world_.all_orders.Totals();
  return facts;
}

void Health::Look() {
  if (world_.buses == nullptr) return;
  const HealthFacts facts = Gather();
  TellSensors(facts);
  if (!world_.gateway.empty()) {
    TellShadow(facts);
    if (world_.duties.health.defender && link_ != nullptr) defender_.Tell(*link_, HealthFigures(facts));
  }
  timer_ = world_.loop.After(kLook, [this] { Look(); });
}

void Health::TellSensors(const HealthFacts& facts) {
  for (const auto& [name, thing] : facts.things) {
    if (thing.state == "waiting") continue;
    SensorState& known = sensors_[name];
    if (known.state == thing.state && known.reason == thing.reason) continue;
    const std::int64_t since = known.state == thing.state ? known.since_ms : facts.now_ms;
    known = {thing.state, thing.reason, since};
    world_.uplink.SetSensor(name, known);
  }
}

void Health::TellShadow(const HealthFacts& facts) {
  const BootTime now = world_.loop.Now();
  Json conditions = HealthConditions(facts);
  const bool due = !reported_at_ || now - *reported_at_ >= world_.duties.health.interval;
  if (!due && conditions == conditions_) return;
  Json report = conditions;
  RemoveGone(conditions_, report);
  report.update(HealthFigures(facts));
  if (const Status told = world_.shadows.Report(world_.gateway, kHealthShadow, report, shadow::Urgency::kPrompt);
      !told) {
    log::Debug("health.not_reported", told.error().message);
    return;
  }
  conditions_ = std::move(conditions);
  reported_at_ = now;
}

}  // namespace penumbra
