#include "api/metrics.hpp"

#include <fmt/format.h>

#include <chrono>

#include "api/render.hpp"
#include "base/text.hpp"

namespace penumbra::api {
namespace {

class Exposition {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  void Sample(double value) { out_ += fmt::format("{} {}\n", name_, NumberText(value)); }
  void Sample(std::uint64_t value) { out_ += fmt::format("{} {}\n", name_, value); }
  void Sample(std::string_view label, std::string_view label_value, double value) {
    out_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name_, label, EscapeLabel(label_value), NumberText(value));
  }
  void Sample(std::string_view label, std::string_view label_value, std::uint64_t value) {
    out_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name_, label, EscapeLabel(label_value), value);
  }
  // `labels` as they stand between the braces.
  void SampleWith(std::string_view labels, std::uint64_t value) {
    out_ += fmt::format("{}{{{}}} {}\n", name_, labels, value);
  }
  void SampleWith(std::string_view labels, double value) {
    out_ += fmt::format("{}{{{}}} {}\n", name_, labels, NumberText(value));
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string name_;
  std::string out_;
};

// One sample per element of `range`, from a projection.
template <typename Range, typename Label, typename Value>
void Each(Exposition& out, std::string_view name, std::string_view type, std::string_view help, std::string_view key,
          const Range& range, Label label, Value value) {
  out.Family(name, type, help);
  for (const auto& element : range) out.Sample(key, label(element), value(element));
}

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void Daemon(Exposition& out, const GatewayInfo& info, const ApiCounters& counters) {
  out.Family("penumbra_uptime_seconds", "gauge", "Time since the daemon started.");
  out.Sample(Seconds(info.uptime));
  out.Family("penumbra_clock_trusted", "gauge", "1 when the wall clock is believed.");
  out.Sample(std::uint64_t{info.clock_trusted});
  out.Family("penumbra_resident_memory_bytes", "gauge", "Resident memory of the daemon itself.");
  out.Sample(info.resident_bytes);
  out.Family("penumbra_longest_handler_seconds", "gauge", "Longest time the event loop was kept busy by one handler.");
  out.Sample(Seconds(info.longest_handler));
  out.Family("penumbra_api_requests_total", "counter", "Requests answered by the local API.");
  out.Sample(counters.requests);
  out.Family("penumbra_api_evicted_connections_total", "counter", "Idle connections closed to make room for others.");
  out.Sample(counters.evicted_connections);
  out.Family("penumbra_api_refused_connections_total", "counter", "Connections refused because too many were open.");
  out.Sample(counters.refused_connections);
}

void Buses(Exposition& out, const std::vector<BusStatus>& buses) {
  const auto bus = [](const BusStatus& b) -> const std::string& { return b.bus; };
  Each(out, "penumbra_bus_running", "gauge", "1 when the bus's driver host runs.", "bus", buses, bus,
       [](const BusStatus& b) { return std::uint64_t{b.state == "running"}; });
  Each(out, "penumbra_bus_load", "gauge", "Share of the last minute spent in requests.", "bus", buses, bus,
       [](const BusStatus& b) { return b.load; });
  Each(out, "penumbra_bus_polls_total", "counter", "Requests that brought at least one value.", "bus", buses, bus,
       [](const BusStatus& b) { return b.polls; });
  Each(out, "penumbra_bus_errors_total", "counter", "Requests that brought none.", "bus", buses, bus,
       [](const BusStatus& b) { return b.errors; });
  Each(out, "penumbra_bus_overruns_total", "counter", "Polls skipped because the bus was busy.", "bus", buses, bus,
       [](const BusStatus& b) { return b.overruns; });
  Each(out, "penumbra_bus_restarts_total", "counter", "Restarts of the driver host.", "bus", buses, bus,
       [](const BusStatus& b) { return b.restarts; });
}

// `sample(labels, unit)` writes the samples of one unit.
template <typename Sample>
void EachUnit(Exposition& out, std::string_view name, std::string_view type, std::string_view help,
              const std::vector<BusStatus>& buses, Sample sample) {
  out.Family(name, type, help);
  for (const BusStatus& bus : buses) {
    for (const UnitStatus& unit : bus.units) {
      sample(fmt::format("bus=\"{}\",unit=\"{}\"", EscapeLabel(bus.bus), EscapeLabel(unit.unit)), unit);
    }
  }
}

void Units(Exposition& out, const std::vector<BusStatus>& buses) {
  struct Counter {
    const char* name;
    const char* help;
    std::uint64_t UnitStatus::*count;
  };
  static constexpr Counter kCounters[] = {
      {"penumbra_unit_requests_total", "Requests to a unit since its driver host was started.", &UnitStatus::requests},
      {"penumbra_unit_answers_total", "Requests that a unit answered.", &UnitStatus::answers},
      {"penumbra_unit_timeouts_total", "Requests that a unit did not answer in time.", &UnitStatus::timeouts},
      {"penumbra_unit_bad_crc_total", "Replies of a unit with a wrong checksum.", &UnitStatus::bad_crc},
      {"penumbra_unit_bad_frames_total", "Replies of a unit that were no answer to the request.",
       &UnitStatus::bad_frames},
      {"penumbra_unit_late_replies_total", "Replies of a unit to what was given up.", &UnitStatus::late},
      {"penumbra_unit_foreign_replies_total", "Replies in a unit's name that nobody asked for.", &UnitStatus::foreign}};
  for (const Counter& counter : kCounters) {
    EachUnit(out, counter.name, "counter", counter.help, buses,
             [&out, &counter](const std::string& labels, const UnitStatus& unit) {
               out.SampleWith(labels, unit.*counter.count);
             });
  }
  EachUnit(out, "penumbra_unit_exceptions_total", "counter", "Exception replies of a unit, by code.", buses,
           [&out](const std::string& labels, const UnitStatus& unit) {
             for (const auto& [code, count] : unit.exceptions) {
               out.SampleWith(fmt::format("{},code=\"{}\"", labels, EscapeLabel(code)), count);
             }
           });
  EachUnit(out, "penumbra_unit_last_answer_timestamp_seconds", "gauge", "Time of a unit's last answer, 0 if none.",
           buses, [&out](const std::string& labels, const UnitStatus& unit) {
             out.SampleWith(labels, static_cast<double>(unit.last_answer_ms) / 1000);
           });
  EachUnit(out, "penumbra_unit_round_trip_seconds", "gauge", "Quantiles of a unit's last 128 round trips.", buses,
           [&out](const std::string& labels, const UnitStatus& unit) {
             const std::pair<const char*, std::optional<double>> quantiles[] = {
                 {"0.5", unit.p50_ms}, {"0.9", unit.p90_ms}, {"0.99", unit.p99_ms}};
             for (const auto& [quantile, ms] : quantiles) {
               if (ms) out.SampleWith(fmt::format("{},quantile=\"{}\"", labels, quantile), *ms / 1000);
             }
           });
}

double SensorOk(const ThingFacts& facts) {
  return facts.status && facts.status->state == "ok" ? 1 : 0;
}

void Things(Exposition& out, const std::vector<ThingFacts>& things) {
  const auto thing = [](const ThingFacts& f) -> const std::string& { return f.thing; };
  Each(out, "penumbra_thing_online", "gauge", "1 when the thing's MQTT session is up.", "thing", things, thing,
       [](const ThingFacts& f) { return std::uint64_t{f.link && f.link->link == "online"}; });
  Each(out, "penumbra_thing_backlog", "gauge", "Stored readings without an acknowledgement.", "thing", things, thing,
       [](const ThingFacts& f) { return f.outbox.unsent; });
  Each(out, "penumbra_thing_oldest_unsent_timestamp_seconds", "gauge", "Time of the oldest unsent reading, 0 if none.",
       "thing", things, thing,
       [](const ThingFacts& f) { return static_cast<double>(f.outbox.oldest_unsent_ms) / 1000; });
  Each(out, "penumbra_thing_last_reading_timestamp_seconds", "gauge", "Time of the newest reading, 0 if none.", "thing",
       things, thing,
       [](const ThingFacts& f) { return f.status ? static_cast<double>(f.status->last_reading_ms) / 1000 : 0.0; });
  Each(out, "penumbra_thing_failed_polls_total", "counter", "Polls that brought no value.", "thing", things, thing,
       [](const ThingFacts& f) { return f.status ? f.status->failed_polls : std::uint64_t{0}; });
  Each(out, "penumbra_thing_sensor_ok", "gauge", "1 when the device behind the thing answers.", "thing", things, thing,
       SensorOk);
  Each(out, "penumbra_thing_in_flight", "gauge", "Messages sent and not acknowledged.", "thing", things, thing,
       [](const ThingFacts& f) { return static_cast<std::uint64_t>(f.link ? f.link->in_flight : 0); });
  Each(out, "penumbra_thing_refused_total", "counter", "Messages that the cloud refused.", "thing", things, thing,
       [](const ThingFacts& f) { return f.link ? f.link->refused : std::uint64_t{0}; });
  Each(out, "penumbra_thing_set_aside", "gauge",
       "Messages set aside now, because the connection ends whenever they are sent or the server takes none so large.",
       "thing", things, thing, [](const ThingFacts& f) { return f.link ? f.link->set_aside : std::size_t{0}; });
  Each(out, "penumbra_thing_set_aside_total", "counter", "How often a message was set aside.", "thing", things, thing,
       [](const ThingFacts& f) { return f.link ? f.link->set_aside_total : std::uint64_t{0}; });
  Each(out, "penumbra_thing_acked_total", "counter", "Messages acknowledged by the cloud.", "thing", things, thing,
       [](const ThingFacts& f) { return f.link ? f.link->acked : std::uint64_t{0}; });
  Each(out, "penumbra_thing_connects_total", "counter", "MQTT sessions that came up.", "thing", things, thing,
       [](const ThingFacts& f) { return f.link ? f.link->connects : std::uint64_t{0}; });
}

void Orders(Exposition& out, const orders::BookCounters& orders) {
  out.Family("penumbra_orders_total", "counter", "Commands, jobs and executions that came to an end, by how.");
  const auto end = [&out](std::string_view how, std::uint64_t count) { out.Sample("end", how, count); };
  end("succeeded", orders.done);
  end("failed", orders.failed);
  end("rejected", orders.rejected);
  end("cancelled", orders.cancelled);
  out.Family("penumbra_orders_duplicates_total", "counter", "Orders that came again and were not done again.");
  out.Sample(orders.duplicates);
  out.Family("penumbra_orders_expired_total", "counter", "Orders that were too old when their turn came.");
  out.Sample(orders.expired);
  out.Family("penumbra_order_answers_lost_total", "counter", "Answers that the cloud would not take.");
  out.Sample(orders.answers_lost);
}

void StoreFigures(Exposition& out, const StoreStats& stats) {
  out.Family("penumbra_store_bytes", "gauge", "Size of the database with its log.");
  out.Sample(stats.file_bytes);
  out.Family("penumbra_store_readings", "gauge", "Readings held, sent and unsent.");
  out.Sample(stats.readings);
  out.Family("penumbra_store_commits_total", "counter", "Group commits.");
  out.Sample(stats.commits);
  out.Family("penumbra_store_committed_readings_total", "counter", "Readings committed.");
  out.Sample(stats.committed_readings);
  out.Family("penumbra_store_written_bytes_total", "counter", "Bytes handed to the file system.");
  out.Sample(stats.written_bytes);
  out.Family("penumbra_store_dropped_queue_full_total", "counter", "Readings dropped because the store was too slow.");
  out.Sample(stats.dropped_queue_full);
  out.Family("penumbra_store_dropped_unsent_total", "counter", "Unsent readings removed by retention.");
  out.Sample(stats.dropped_unsent);
  out.Family("penumbra_store_write_bytes_per_day", "gauge", "What a day costs the card at the present pace.");
  out.Sample(stats.write_bytes_per_day);
  out.Family("penumbra_store_acks_not_kept_total", "counter", "Acks beyond the bound on holes: sent again.");
  out.Sample(stats.acks_not_kept);
  out.Family("penumbra_store_gaps", "gauge", "Gap records that the cloud has not acknowledged.");
  out.Sample(stats.gaps);
  out.Family("penumbra_store_kept_bytes", "gauge", "Databases set aside beside the store's, damaged or not its own.");
  out.Sample(stats.kept_bytes);
  out.Family("penumbra_store_in_trouble", "gauge", "1 while commits fail.");
  out.Sample(std::uint64_t{!stats.trouble.empty()});
}

}  // namespace

std::string EscapeLabel(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Metrics(const GatewayView& view, const ApiCounters& counters) {
  Exposition out;
  Daemon(out, view.Info(), counters);
  const std::vector<BusStatus> buses = view.Buses();
  Buses(out, buses);
  Units(out, buses);
  std::vector<ThingFacts> things;
  const std::vector<LinkStatus> links = view.Links();
  for (const ThingSettings& thing : view.settings().things) things.push_back(Gather(view, links, thing.name));
  Things(out, things);
  StoreFigures(out, view.Stats());
  Orders(out, view.Orders());
  return out.Take();
}

}  // namespace penumbra::api
