#include "app/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.hpp"
#include "base/version.hpp"
#include "model/defender_metrics.hpp"

namespace penumbra {
namespace {

// A shadow has 8 KB; whoever has more buses in trouble looks at `penumbra status`.
constexpr std::size_t kMaxNamed = 16;
constexpr std::size_t kMaxReason = 120;

std::string Short(const std::string& text) {
  return text.size() <= kMaxReason ? text : text.substr(0, kMaxReason);
}

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

std::string DefenderTopic(const std::string& thing) {
  return fmt::format("$aws/things/{}/defender/metrics/json", thing);
}

Json HealthConditions(const HealthFacts& facts) {
  Json buses = Json::object();
  std::size_t running = 0;
  for (const BusStatus& bus : facts.buses) {
    if (bus.state == "running") {
      ++running;
    } else if (buses.size() < kMaxNamed) {
      buses[bus.bus] = bus.reason.empty() ? bus.state : Short(bus.state + ": " + bus.reason);
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
  if (!facts.store.trouble.empty()) conditions["store_trouble"] = Short(facts.store.trouble);
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

std::optional<NetworkTotals> ParseNetworkTotals(std::string_view proc_net_dev) {
  std::istringstream lines{std::string(proc_net_dev)};
  NetworkTotals totals;
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(' ');
    if (line.substr(begin, colon - begin) == "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    std::array<std::uint64_t, 10> numbers{};
    bool whole = true;
    for (std::uint64_t& number : numbers) whole = whole && static_cast<bool>(fields >> number);
    if (!whole) continue;
    found = true;
    totals.bytes_in += numbers[0];
    totals.packets_in += numbers[1];
    totals.bytes_out += numbers[8];
    totals.packets_out += numbers[9];
  }
  return found ? std::optional(totals) : std::nullopt;
}

bool DefenderDue(std::optional<BootTime> last, BootTime now, Duration interval) {
  return !last || now - *last >= std::max(interval, kLeastDefenderInterval);
}

Json DefenderReport(const HealthFacts& facts, const std::optional<NetworkTotals>& before,
                    const std::optional<NetworkTotals>& now) {
  const auto number = [](auto value) { return Json::array({Json{{"number", value}}}); };
  Json report = {{"header", {{"report_id", facts.now_ms / 1000}, {"version", "1.0"}}},
                 {"custom_metrics",
                  {{defender::kBacklog, number(facts.backlog)},
                   {defender::kOldestUnsent, number(OldestUnsentSeconds(facts))},
                   {defender::kBusLoad, number(Load(facts.buses))}}}};
  if (!before || !now) return report;
  // An interface that went away takes its counters along.
  const auto since = [](std::uint64_t from, std::uint64_t to) { return to >= from ? to - from : 0; };
  report["metrics"] = {{"network_stats",
                        {{"bytes_in", since(before->bytes_in, now->bytes_in)},
                         {"bytes_out", since(before->bytes_out, now->bytes_out)},
                         {"packets_in", since(before->packets_in, now->packets_in)},
                         {"packets_out", since(before->packets_out, now->packets_out)}}}};
  return report;
}

std::vector<std::string> Health::Subscriptions(const std::string& thing) {
  if (thing != world_.gateway || !world_.duties.health.defender) return {};
  return {DefenderTopic(thing) + "/rejected"};
}

void Health::OnOnline(ThingLink& link) {
  if (link.thing() == world_.gateway) link_ = &link;
}

void Health::OnOffline(ThingLink& link) {
  if (link.thing() == world_.gateway) link_ = nullptr;
}

void Health::OnMessage(ThingLink& link, const std::string& topic, const std::string& payload) {
  if (link.thing() != world_.gateway || topic != DefenderTopic(world_.gateway) + "/rejected") return;
  const auto body = ParseJson(payload);
  const Json details = body && body->is_object() ? body->value("statusDetails", Json()) : Json();
  log::Warning("health.defender_rejected",
               "Device Defender takes no metrics; were its custom metrics created, and as numbers?",
               {{"answer", Short(Dump(details))}});
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
    if (world_.duties.health.defender) TellDefender(facts);
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

void Health::TellDefender(const HealthFacts& facts) {
  const BootTime now = world_.loop.Now();
  if (link_ == nullptr || !DefenderDue(defended_at_, now, world_.duties.health.interval)) return;
  defended_at_ = now;
  std::ifstream file("/proc/net/dev");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto network = ParseNetworkTotals(text);
  link_->Publish(DefenderTopic(world_.gateway), Dump(DefenderReport(facts, network_, network)),
                 [this, network](const Status& taken) {
                   // What a lost report counted is part of the next one.
                   if (taken) network_ = network;
                 });
}

}  // namespace penumbra
