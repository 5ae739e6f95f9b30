// A gateway made of plain structs: what a test puts in is what the API sees. Default: one modbus bus with one thing
// "sensor-001" of two points, everything well, one reading stored and sent.
#pragma once

#include "api/gateway_view.hpp"

namespace penumbra::test {

inline constexpr std::int64_t kNowMs = 1'763'841'600'000;

class FakeView : public api::GatewayView {
 public:
  FakeView() {
    config.gateway.thing = "gateway-01";
    config.upstream.endpoint = "example.test";
    config.buses.push_back({.name = "hall-a", .driver = "modbus"});
    ThingSettings thing{
        .name = "sensor-001", .type = "TemperatureSensor", .bus = "hall-a", .topic = "sensors/sensor-001/t"};
    thing.driver_options = {{"unit", 3}};
    thing.points = {{.name = "temperature", .unit = "Cel"}, {.name = "humidity", .unit = "%"}};
    config.things.push_back(thing);
    info.version = "9.9.9";
    info.started_ms = kNowMs - 3'600'000;
    info.uptime = std::chrono::hours(1);
    info.now_ms = kNowMs;
    info.clock_trusted = true;
    buses.push_back({.bus = "hall-a", .driver = "modbus", .state = "running", .load = 0.25, .polls = 100});
    ThingStatus status{.thing = "sensor-001", .bus = "hall-a", .state = "ok", .breaker = "closed"};
    status.sample_interval = std::chrono::seconds(30);
    status.last_reading_ms = kNowMs - 4'000;
    status.polls = 100;
    status.points["temperature"] = Read("temperature", 22.5);
    status.points["humidity"] = Read("humidity", 51.0);
    things["sensor-001"] = status;
    links = {{.thing = "gateway-01", .link = "online", .protocol = "5"},
             {.thing = "sensor-001", .link = "online", .protocol = "5", .connected_since_ms = kNowMs - 60'000}};
    outbox["sensor-001"] = {.newest_seq = 4711, .newest_ms = kNowMs - 4'000};
    stats.file_bytes = 4096;
    stats.readings = 1;
    stats.written_bytes = 1000;
    stats.write_bytes_per_day = 24'000;
    stats.last_commit_ms = kNowMs - 1'000;
    rows = {Row(4711, 22.5, true)};
    api::ShadowState shadow{.thing = "sensor-001", .version = 7, .pending = true, .cloud_exists = true};
    shadow.cloud_version = 12;
    shadow.desired = {{"setpoint", 21.5}};
    shadow.reported = {{"setpoint", 20.0}, {"temperature", 22.5}};
    shadow.cloud = {{"desired", {{"setpoint", 21.5}}}, {"reported", {{"setpoint", 20.0}}}};
    shadow.to_send = {{"reported", {{"temperature", 22.5}}}};
    shadows[""] = shadow;
    origins = {{"store.retention", "\"30d\"", "default"}};
  }

  static PointStatus Read(const std::string& point, Value value) {
    return {
        .value = {.point = point, .value = std::move(value)}, .value_ms = kNowMs - 4'000, .attempt_ms = kNowMs - 4'000};
  }
  static StoredReading Row(std::uint64_t seq, double temperature, bool sent) {
    Reading reading{.thing = "sensor-001", .seq = seq, .unix_ms = kNowMs - 4'000};
    reading.values = {{.point = "temperature", .value = temperature},
                      {.point = "humidity", .quality = Quality::kBad, .reason = "timeout"}};
    return {reading, sent};
  }

  std::vector<identity::CertificateState> certificates;
  std::string rotation_error;
  identity::RotationWishes rotation_wishes;  // of the last one

  api::GatewayInfo Info() const override { return info; }
  const Settings& settings() const override { return config; }
  std::vector<Origin> EffectiveConfig() const override { return origins; }
  std::vector<BusStatus> Buses() const override { return buses; }
  std::optional<ThingStatus> Thing(const std::string& thing) const override {
    const auto it = things.find(thing);
    return it == things.end() ? std::nullopt : std::optional(it->second);
  }
  std::vector<LinkStatus> Links() const override { return links; }
  std::vector<identity::CertificateState> Certificates() const override { return certificates; }
  void RotateCertificate(const std::string& thing, const identity::RotationWishes& wishes,
                         std::function<void(Result<identity::Enrolled>)> done) override {
    rotation_wishes = wishes;
    if (!rotation_error.empty()) return done(Fail(Action::kBackOff, rotation_error));
    done(identity::Enrolled{.thing = thing, .certificate_id = "new", .old_certificate_id = "old"});
  }
  StoreStats Stats() const override { return stats; }
  orders::BookCounters Orders() const override { return order_counts; }
  std::vector<orders::OrderRow> OrdersOf(const std::string& thing) const override {
    const auto it = order_rows.find(thing);
    return it == order_rows.end() ? std::vector<orders::OrderRow>{} : it->second;
  }
  std::filesystem::path StoreFile() const override { return "/var/lib/penumbra/penumbra.db"; }
  void Vacuum(std::function<void(Result<std::uint64_t>)> done) override { done(4096); }
  OutboxState Outbox(const std::string& thing) const override {
    const auto it = outbox.find(thing);
    return it == outbox.end() ? OutboxState{} : it->second;
  }
  std::vector<std::string> StoredThings() const override {
    std::vector<std::string> names;
    for (const auto& [name, state] : outbox) names.push_back(name);
    return names;
  }
  // As the store does it: ascending, the limit keeps the newest or the oldest end.
  void Readings(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) override {
    last_query = query;
    if (hold_answers) return held.push_back([done] { done(std::vector<StoredReading>{}); });
    if (!store_error.empty()) return done(Fail(Action::kBackOff, store_error));
    std::vector<StoredReading> found;
    for (const StoredReading& row : rows) {
      if (row.reading.seq > query.after_seq && row.reading.unix_ms >= query.since_ms) found.push_back(row);
    }
    if (found.size() > query.limit) {
      const auto surplus = static_cast<std::ptrdiff_t>(found.size() - query.limit);
      query.newest_first ? found.erase(found.begin(), found.begin() + surplus)
                         : found.erase(found.end() - surplus, found.end());
    }
    done(std::move(found));
  }
  std::string ExplainDelivery(const std::string&, std::uint64_t) const override { return delivery; }
  Result<api::ShadowState> Shadow(const std::string& thing, const std::string& name) const override {
    const auto it = shadows.find(name);
    if (it == shadows.end()) return Fail(Action::kGiveUp, thing + " has no shadow named \"" + name + "\"");
    return it->second;
  }
  void SetDesired(const std::string& thing, const std::string& name, const Json& patch,
                  std::function<void(Status)> done) override {
    last_patch = patch;
    last_shadow = thing + "/" + name;
    if (!patch_error.empty()) return done(Fail(Action::kGiveUp, patch_error));
    shadows[name].desired.merge_patch(patch);
    done({});
  }
  std::optional<api::CommandInfo> Command(const std::string&, const std::string&) const override { return command; }
  void Reload(bool dry_run, std::function<void(Result<api::ReloadReport>)> done) override {
    last_dry_run = dry_run;
    done(reload_report);
  }
  void TryReload(Duration trial, std::function<void(Result<api::ReloadReport>)> done) override {
    last_trial = trial;
    done(reload_report);
  }
  void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) override {
    last_read = thing;
    if (!read_error.empty()) return done(Fail(Action::kBackOff, read_error));
    done(Row(0, 23.5, false).reading);
  }

  void AskBus(const std::string& bus, const Json& question, Duration timeout,
              std::function<void(Result<OrderedJson>)> done) override {
    last_ask = bus + " " + question.dump() + " " + std::to_string(timeout / std::chrono::milliseconds(1));
    if (!ask_error.message.empty()) return done(Fail(ask_error));
    done(ask_answer);
  }

  ThingStatus& thing() { return things["sensor-001"]; }
  LinkStatus& link() { return links[1]; }

  std::map<std::string, std::vector<orders::OrderRow>> order_rows;
  std::optional<Duration> last_trial;
  Settings config;
  api::GatewayInfo info;
  std::vector<Origin> origins;
  std::vector<BusStatus> buses;
  std::map<std::string, ThingStatus> things;
  std::vector<LinkStatus> links;
  StoreStats stats;
  orders::BookCounters order_counts;
  std::map<std::string, OutboxState> outbox;
  std::vector<StoredReading> rows;
  std::string store_error, read_error, delivery = "acknowledged";
  bool hold_answers = false;
  std::vector<std::function<void()>> held;
  ReadingQuery last_query;
  std::string last_ask;
  Error ask_error;
  OrderedJson ask_answer = OrderedJson::array();
  std::optional<bool> last_dry_run;
  Result<api::ReloadReport> reload_report = api::ReloadReport{};
  std::string last_read;
  std::map<std::string, api::ShadowState> shadows;
  std::optional<api::CommandInfo> command;
  Json last_patch;
  std::string last_shadow, patch_error;
};

}  // namespace penumbra::test
