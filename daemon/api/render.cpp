#include "api/render.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace penumbra::api {
namespace {

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

// JSON has no NaN: a figure that is not finite is not known.
double Finite(double value) {
  return std::isfinite(value) ? value : 0;
}

OrderedJson RenderGateway(const Settings& settings, const GatewayInfo& info, const std::vector<LinkStatus>& links) {
  OrderedJson json{{"thing", settings.gateway.thing},
                   {"version", info.version},
                   {"started_ms", info.started_ms},
                   {"clock",
                    {{"trusted", info.clock_trusted},
                     {"now_ms", info.now_ms},
                     {"source", info.clock.source},
                     {"in_doubt", info.clock.in_doubt},
                     {"steps", info.clock.steps},
                     {"last_step_ms", info.clock.last_step_ms},
                     {"last_step_at_ms", info.clock.last_step_at_ms},
                     {"drift_ms", info.clock.drift_ms}}},
                   {"uptime_ms", Milliseconds(info.uptime)},
                   {"resident_bytes", info.resident_bytes},
                   {"longest_handler_ms", static_cast<double>(info.longest_handler.count() / 1000) / 1000}};
  if (settings.gateway.thing.empty()) return json;
  const auto link = FindLink(links, settings.gateway.thing).value_or(LinkStatus{.link = "offline"});
  json["link"] = link.link;
  json["protocol"] = link.protocol;
  json["last_error"] = link.last_error;
  if (info.defender.on) {
    json["defender"] = {
        {"answer", info.defender.answer}, {"reason", info.defender.reason}, {"at_ms", info.defender.at_ms}};
  }
  return json;
}

OrderedJson RenderUpstream(const Settings& settings, const std::vector<LinkStatus>& links) {
  std::set<std::string> sessions;
  for (const ThingSettings& thing : settings.things) sessions.insert(thing.name);
  if (!settings.gateway.thing.empty()) sessions.insert(settings.gateway.thing);
  const auto connected = std::count_if(links.begin(), links.end(), [&sessions](const LinkStatus& link) {
    return link.link == "online" && sessions.contains(link.thing);
  });
  return {{"endpoint", settings.upstream.endpoint}, {"connected", connected}, {"things", sessions.size()}};
}

OrderedJson RenderStoreSummary(const StoreStats& stats) {
  return {{"bytes", stats.file_bytes},
          {"readings", stats.readings},
          {"write_bytes_per_day", stats.write_bytes_per_day},
          {"last_commit_ms", stats.last_commit_ms},
          {"last_commit_took_ms", Finite(stats.last_commit_took_ms)},
          {"commits", stats.commits},
          {"committed_readings", stats.committed_readings},
          {"written_bytes", stats.written_bytes},
          {"dropped_queue_full", stats.dropped_queue_full},
          {"dropped_unsent", stats.dropped_unsent},
          {"acks_not_kept", stats.acks_not_kept},
          {"gaps", stats.gaps},
          {"packed_blocks", stats.packed_blocks},
          {"salvaged", stats.salvaged},
          {"salvaging", stats.salvaging},
          {"kept_files", stats.kept_files},
          {"kept_bytes", stats.kept_bytes},
          {"trouble", stats.trouble}};
}

// The newest reading there is: the poll's, or (after a restart, before the first poll) the store's.
std::int64_t LastReadingMs(const ThingFacts& facts) {
  return facts.status && facts.status->last_reading_ms > 0 ? facts.status->last_reading_ms : facts.outbox.newest_ms;
}

OrderedJson RenderStatusThing(const ThingFacts& facts) {
  const LinkStatus link = facts.link.value_or(LinkStatus{.link = "offline"});
  return {{"thing", facts.thing},
          {"link", link.link},
          {"protocol", link.protocol},
          {"backlog", facts.outbox.unsent},
          {"oldest_unsent_ms", facts.outbox.oldest_unsent_ms},
          {"last_reading_ms", LastReadingMs(facts)},
          {"last_error", link.last_error},
          {"state", facts.status ? facts.status->state : ""},
          {"reason", facts.status ? facts.status->reason : ""},
          {"suspended_topics", link.suspended_topics}};
}

OrderedJson RenderPoint(const PointSettings& settings, const PointStatus& point) {
  return {{"point", settings.name},         {"value", ToJson(point.value.value)},
          {"unit", settings.unit},          {"quality", ToString(point.value.quality)},
          {"reason", point.value.reason},   {"value_ms", point.value_ms},
          {"attempt_ms", point.attempt_ms}, {"trouble", point.trouble}};
}

}  // namespace

OrderedJson RenderStore(const GatewayView& view) {
  constexpr double kDaysPerYear = 365;
  const StoreStats stats = view.Stats();
  const StoreSettings& settings = view.settings().store;
  const double per_year = static_cast<double>(stats.write_bytes_per_day) * kDaysPerYear;
  OrderedJson forecast{{"bytes_per_day", stats.write_bytes_per_day}, {"bytes_per_year", std::llround(per_year)}};
  if (settings.endurance && per_year > 0) {
    const double left =
        static_cast<double>(*settings.endurance - std::min(*settings.endurance, stats.lifetime_written_bytes));
    forecast["endurance_per_year"] = per_year / static_cast<double>(*settings.endurance);
    forecast["years_left"] = left / per_year;
  }
  OrderedJson json{{"file", view.StoreFile().string()}};
  json.update(RenderStoreSummary(stats));
  json.update(OrderedJson{{"wal_bytes", stats.wal_bytes},
                          {"free_bytes", stats.free_bytes},
                          {"vacuuming", stats.vacuuming},
                          {"page_size", stats.page_size},
                          {"checkpoints", stats.checkpoints},
                          {"lifetime_written_bytes", stats.lifetime_written_bytes},
                          {"process_written_bytes", view.Info().written_bytes},
                          {"commit_interval_ms", stats.commit_interval_ms},
                          {"longest_commit_interval_ms", Milliseconds(settings.commit_interval)},
                          {"write_budget", settings.write_budget ? OrderedJson(*settings.write_budget) : OrderedJson()},
                          {"over_budget", stats.over_budget},
                          {"endurance", settings.endurance ? OrderedJson(*settings.endurance) : OrderedJson()},
                          {"forecast", std::move(forecast)},
                          {"max_size", settings.max_size},
                          {"retention_ms", Milliseconds(settings.retention)}});
  return json;
}

std::optional<LinkStatus> FindLink(const std::vector<LinkStatus>& links, const std::string& thing) {
  const auto it =
      std::find_if(links.begin(), links.end(), [&thing](const LinkStatus& link) { return link.thing == thing; });
  return it == links.end() ? std::nullopt : std::optional(*it);
}

ThingFacts Gather(const GatewayView& view, const std::vector<LinkStatus>& links, const std::string& thing) {
  return {thing, view.Thing(thing), FindLink(links, thing), view.Outbox(thing)};
}

OrderedJson RenderStatus(const GatewayView& view) {
  const Settings& settings = view.settings();
  const GatewayInfo info = view.Info();
  const std::vector<LinkStatus> links = view.Links();
  OrderedJson things = OrderedJson::array();
  for (const ThingSettings& thing : settings.things) {
    things.push_back(RenderStatusThing(Gather(view, links, thing.name)));
  }
  OrderedJson certificates = OrderedJson::array();
  for (const identity::CertificateState& state : view.Certificates()) {
    certificates.push_back({{"thing", state.thing},
                            {"certificate_id", state.certificate_id},
                            {"not_after_s", state.not_after_s},
                            {"trouble", state.trouble},
                            {"rotating", state.rotating},
                            {"last_error", state.last_error}});
  }
  OrderedJson buses = OrderedJson::array();
  for (const BusStatus& bus : view.Buses()) buses.push_back(Render(bus));
  // A hundred units would be most of what everybody polls; /v1/buses has them.
  for (OrderedJson& bus : buses) bus.erase("units");
  return {{"gateway", RenderGateway(settings, info, links)},
          {"upstream", RenderUpstream(settings, links)},
          {"things", std::move(things)},
          {"certificates", std::move(certificates)},
          {"buses", std::move(buses)},
          {"store", RenderStoreSummary(view.Stats())},
          {"config", {{"file", info.config.file}, {"on_disk", info.config.on_disk}, {"reason", info.config.reason}}}};
}

OrderedJson Render(const UnitStatus& unit) {
  const auto number = [](const std::optional<double>& value) { return value ? OrderedJson(Finite(*value)) : nullptr; };
  return {
      {"unit", unit.unit},
      {"requests", unit.requests},
      {"answers", unit.answers},
      {"timeouts", unit.timeouts},
      {"bad_crc", unit.bad_crc},
      {"bad_frames", unit.bad_frames},
      {"late", unit.late},
      {"foreign", unit.foreign},
      {"exceptions", unit.exceptions},
      {"last_answer_ms", unit.last_answer_ms},
      {"round_trip_ms", {{"p50", number(unit.p50_ms)}, {"p90", number(unit.p90_ms)}, {"p99", number(unit.p99_ms)}}}};
}

OrderedJson Render(const BusStatus& bus) {
  OrderedJson units = OrderedJson::array();
  for (const UnitStatus& unit : bus.units) units.push_back(Render(unit));
  return {{"bus", bus.bus},           {"driver", bus.driver},
          {"state", bus.state},       {"reason", bus.reason},
          {"load", Finite(bus.load)}, {"polls", bus.polls},
          {"errors", bus.errors},     {"overruns", bus.overruns},
          {"restarts", bus.restarts}, {"log_lines_dropped", bus.log_lines_dropped},
          {"pid", bus.pid},           {"unconfined", bus.unconfined},
          {"units", std::move(units)}};
}

OrderedJson Render(const LinkStatus& link) {
  return {{"link", link.link},
          {"protocol", link.protocol},
          {"last_error", link.last_error},
          {"connected_since_ms", link.connected_since_ms},
          {"next_attempt_ms", link.next_attempt_ms},
          {"connects", link.connects},
          {"published", link.published},
          {"acked", link.acked},
          {"refused", link.refused},
          {"in_flight", link.in_flight},
          {"set_aside", link.set_aside},
          {"set_aside_total", link.set_aside_total},
          {"leaving", link.leaving},
          {"suspended_topics", link.suspended_topics}};
}

OrderedJson RenderGaps(const std::vector<Gap>& gaps) {
  OrderedJson rows = OrderedJson::array();
  for (const Gap& gap : gaps) {
    rows.push_back({{"reason", gap.reason},
                    {"lost", gap.lost},
                    {"from_seq", gap.from_seq},
                    {"to_seq", gap.to_seq},
                    {"from_ms", gap.from_ms},
                    {"to_ms", gap.to_ms}});
  }
  return rows;
}

OrderedJson Render(const OutboxState& outbox) {
  return {{"unsent", outbox.unsent},
          {"oldest_unsent_seq", outbox.oldest_unsent_seq},
          {"oldest_unsent_ms", outbox.oldest_unsent_ms},
          {"newest_seq", outbox.newest_seq},
          {"newest_ms", outbox.newest_ms},
          {"gaps", RenderGaps(outbox.gaps)}};
}

OrderedJson RenderThingRow(const ThingFacts& facts, const ThingSettings& settings) {
  const ThingStatus status = facts.status.value_or(ThingStatus{.sample_interval = settings.sample_interval});
  return {{"thing", settings.name},
          {"bus", settings.bus},
          {"state", status.state},
          {"reason", status.reason},
          {"breaker", status.breaker},
          {"sample_interval_ms", Milliseconds(status.sample_interval)},
          {"last_reading_ms", LastReadingMs(facts)},
          {"polls", status.polls},
          {"failed_polls", status.failed_polls},
          {"overruns", status.overruns},
          {"link", facts.link ? facts.link->link : "offline"},
          {"backlog", facts.outbox.unsent}};
}

OrderedJson RenderThing(const ThingFacts& facts, const ThingSettings& settings) {
  OrderedJson json = RenderThingRow(facts, settings);
  json["type"] = settings.type;
  json["attributes"] = settings.attributes;
  json["groups"] = settings.groups;
  json["topic"] = settings.topic;
  json["outbox"] = Render(facts.outbox);
  json["session"] = Render(facts.link.value_or(LinkStatus{.link = "offline"}));
  OrderedJson points = OrderedJson::array();
  for (const PointSettings& point : settings.points) {
    PointStatus known{.value = {.point = point.name, .quality = Quality::kBad, .reason = "not read yet"}};
    if (facts.status) {
      if (const auto it = facts.status->points.find(point.name); it != facts.status->points.end()) known = it->second;
    }
    points.push_back(RenderPoint(point, known));
  }
  json["points"] = std::move(points);
  return json;
}

OrderedJson RenderOrders(const GatewayView& view, const std::vector<std::string>& things) {
  OrderedJson rows = OrderedJson::array();
  for (const std::string& thing : things) {
    for (const orders::OrderRow& row : view.OrdersOf(thing)) {
      rows.push_back({{"thing", thing},
                      {"kind", ToString(row.channel)},
                      {"id", row.anonymous ? OrderedJson() : OrderedJson(row.id)},
                      {"action", row.action},
                      {"state", ToString(row.phase)},
                      {"verdict", ToString(row.verdict)},
                      {"reason", row.reason},
                      {"result", row.result},
                      {"received_ms", row.receipt.unix_ms},
                      {"asked_ms", row.receipt.asked_ms}});
    }
  }
  return {{"orders", std::move(rows)}};
}

OrderedJson RenderOutbox(const GatewayView& view) {
  const std::vector<LinkStatus> links = view.Links();
  std::vector<std::string> names;
  for (const ThingSettings& thing : view.settings().things) names.push_back(thing.name);
  const std::size_t configured = names.size();
  // Things that left the configuration keep their unsent readings: an operator must be able to see them.
  for (std::string& stored : view.StoredThings()) {
    if (std::find(names.begin(), names.end(), stored) == names.end()) names.push_back(std::move(stored));
  }
  OrderedJson rows = OrderedJson::array();
  std::uint64_t unsent = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const OutboxState outbox = view.Outbox(names[i]);
    const LinkStatus link = FindLink(links, names[i]).value_or(LinkStatus{.link = "offline"});
    unsent += outbox.unsent;
    rows.push_back({{"thing", names[i]},
                    {"backlog", outbox.unsent},
                    {"oldest_unsent_ms", outbox.oldest_unsent_ms},
                    {"oldest_unsent_seq", outbox.oldest_unsent_seq},
                    {"newest_seq", outbox.newest_seq},
                    {"newest_ms", outbox.newest_ms},
                    {"gaps", RenderGaps(outbox.gaps)},
                    {"in_flight", link.in_flight},
                    {"link", link.link},
                    {"suspended_topics", link.suspended_topics},
                    {"set_aside", link.set_aside},
                    {"configured", i < configured}});
  }
  return {{"things", std::move(rows)}, {"unsent", unsent}};
}

OrderedJson Render(const StoredReading& row) {
  const Reading& reading = row.reading;
  OrderedJson values = OrderedJson::object();
  OrderedJson uncertain = OrderedJson::object();
  OrderedJson bad = OrderedJson::object();
  for (const PointValue& point : reading.values) {
    if (point.quality == Quality::kBad) {
      bad[point.point] = point.reason;
      continue;
    }
    values[point.point] = ToJson(point.value);
    if (point.quality == Quality::kUncertain) uncertain[point.point] = point.reason;
  }
  OrderedJson json{{"seq", reading.seq},
                   {"time_ms", reading.unix_ms},
                   {"time_trusted", reading.time_trusted},
                   {"sent", row.sent},
                   {"values", std::move(values)}};
  if (!uncertain.empty()) json["uncertain"] = std::move(uncertain);
  if (!bad.empty()) json["bad"] = std::move(bad);
  return json;
}

std::string RenderReadings(const std::string& thing, const std::vector<StoredReading>& rows, bool newest_first,
                           bool more, std::size_t max_bytes) {
  std::vector<std::string> texts;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string text = Text(Render(newest_first ? rows[rows.size() - 1 - i] : rows[i]));
    bytes += text.size() + 1;
    // The first row always goes, or a reader that pages would never get past it.
    if (bytes > max_bytes && !texts.empty()) {
      more = true;
      break;
    }
    texts.push_back(std::move(text));
  }
  if (newest_first) std::reverse(texts.begin(), texts.end());
  std::string out = "{\"thing\":" + Text(OrderedJson(thing)) + ",\"readings\":[";
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    out += texts[i];
  }
  out += more ? "],\"more\":true}" : "],\"more\":false}";
  return out;
}

OrderedJson RenderConfig(const GatewayView& view) {
  OrderedJson values = OrderedJson::array();
  for (const Origin& origin : view.EffectiveConfig()) {
    values.push_back({{"key", origin.key}, {"value", origin.value}, {"origin", origin.origin}});
  }
  return {{"file", view.Info().config.file}, {"values", std::move(values)}};
}

OrderedJson RenderShadow(const ShadowState& shadow) {
  return {{"thing", shadow.thing},
          {"name", shadow.name},
          {"state", {{"desired", shadow.desired}, {"reported", shadow.reported}}},
          {"version", shadow.version},
          {"cloud_version", shadow.cloud_version},
          {"pending", shadow.pending}};
}

OrderedJson RenderShadowDiff(const ShadowState& shadow) {
  return {{"thing", shadow.thing},
          {"name", shadow.name},
          {"local", {{"desired", shadow.desired}, {"reported", shadow.reported}}},
          {"cloud", shadow.cloud_exists ? OrderedJson(shadow.cloud) : OrderedJson()},
          {"base", {{"desired", shadow.base_desired}, {"reported", shadow.base_reported}}},
          {"to_send", shadow.to_send},
          {"version", shadow.version},
          {"cloud_version", shadow.cloud_version},
          {"pending", shadow.pending},
          {"blocked", shadow.blocked}};
}

OrderedJson RenderError(std::string_view error, std::string_view hint) {
  OrderedJson json{{"error", error}};
  if (!hint.empty()) json["hint"] = hint;
  return json;
}

std::string Text(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace penumbra::api
