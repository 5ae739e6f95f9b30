#include "modbus/answers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace penumbra::modbus {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kNsPerMs = 1'000'000;
// Names in one answer; the number is always whole.
constexpr std::size_t kMaxNames = 64;

const char* TransportName(Transport transport) {
  switch (transport) {
    case Transport::kTcp:
      return "tcp";
    case Transport::kRtu:
      return "rtu";
    case Transport::kRtuTcp:
      break;
  }
  return "rtu-tcp";
}

std::string Hex(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// Names of the configuration may hold anything: what is not UTF-8 is replaced.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Milliseconds(const std::optional<std::int64_t>& ns) {
  return ns ? Json(static_cast<double>(*ns / 1000) / 1000) : Json();
}

void SayPlanOf(const BusOptions& bus, const ThingReader& reader, bool several_units, const Say& say) {
  const ThingOptions& thing = reader.options();
  std::int64_t bytes = 0;
  std::int64_t time_ns = several_units ? bus.turnaround_ms * kNsPerMs : 0;
  std::set<std::uint32_t> read;
  const std::vector<Block> plan = reader.Plan();
  for (const Block& block : plan) {
    const std::int64_t block_bytes = RequestBytes(bus.transport) + ReplyBytes(bus.transport, block.table, block.count);
    const std::int64_t block_ns = CostOf(block.table, block.count, reader.costs());
    bytes += block_bytes;
    time_ns += block_ns;
    Json names = Json::array();
    for (const std::uint32_t item : block.items) {
      read.insert(item);
      if (names.size() < kMaxNames) names.push_back(thing.points[item].name);
    }
    say(Text({{"answer", "request"},
              {"thing", thing.name},
              {"unit", thing.unit},
              {"table", NameOf(block.table)},
              {"address", block.address},
              {"count", block.count},
              {"points", std::move(names)},
              {"point_count", block.items.size()},
              {"bytes", block_bytes},
              {"time_us", block_ns / 1000}}));
  }
  Json refused = Json::array();
  for (std::uint32_t i = 0; i < thing.points.size() && refused.size() < kMaxNames; ++i) {
    if (!read.contains(i)) refused.push_back(thing.points[i].name);
  }
  const Learned learned = reader.learned();
  say(Text({{"answer", "thing"},
            {"thing", thing.name},
            {"unit", thing.unit},
            {"points", thing.points.size()},
            {"requests", plan.size()},
            {"bytes", bytes},
            {"time_us", time_ns / 1000},
            {"refused", std::move(refused)},
            {"max_words", learned.max_words.value_or(thing.limits.max_words)},
            {"max_bits", learned.max_bits.value_or(thing.limits.max_bits)},
            {"learned", !learned.empty()}}));
}

}  // namespace

void SayPlan(const BusOptions& bus, std::span<const ThingReader> things, const Say& say) {
  std::set<std::uint8_t> units;
  for (const ThingReader& thing : things) units.insert(thing.options().unit);
  for (const ThingReader& thing : things) SayPlanOf(bus, thing, units.size() > 1, say);
}

void SayCounters(const WireCounters& line, const std::map<std::uint8_t, UnitCounters>& units, std::int64_t now_ns,
                 const Say& say) {
  say(Text({{"answer", "line"},
            {"connects", line.connects},
            {"connect_failures", line.connect_failures},
            {"stale_bytes", line.stale_bytes},
            {"foreign", line.foreign},
            {"anomalies", line.anomalies},
            {"anomaly", line.anomaly}}));
  for (const auto& [id, unit] : units) {
    Json exceptions = Json::object();
    for (const auto& [code, count] : unit.exceptions) exceptions[std::to_string(code)] = count;
    const std::int64_t age_ms = std::max<std::int64_t>(0, now_ns - unit.last_good_ns) / kNsPerMs;
    say(Text({{"answer", "unit"},
              {"unit", id},
              {"requests", unit.requests},
              {"answers", unit.answers},
              {"timeouts", unit.timeouts},
              {"bad_crc", unit.bad_crc},
              {"bad_frames", unit.bad_frames},
              {"late", unit.late},
              {"foreign", unit.foreign},
              {"withheld", unit.withheld},
              {"exceptions", std::move(exceptions)},
              {"last_answer_ms_ago", unit.last_good_ns == 0 ? Json() : Json(age_ms)},
              {"round_trip_ms",
               {{"p50", Milliseconds(unit.round_trips.Percentile(0.5))},
                {"p90", Milliseconds(unit.round_trips.Percentile(0.9))},
                {"p99", Milliseconds(unit.round_trips.Percentile(0.99))}}}}));
  }
}

void SayFrames(const BusOptions& bus, const FrameLog& log, const Say& say) {
  say(Text({{"answer", "line"}, {"transport", TransportName(bus.transport)}, {"baud", bus.baud}}));
  for (const LoggedFrame& frame : log.frames()) {
    Json json{{"answer", "frame"}, {"at_ns", frame.at_ns}, {"kind", NameOf(frame.kind)}};
    if (frame.kind == LoggedFrame::Kind::kNote) {
      json["text"] = std::string(frame.bytes.begin(), frame.bytes.end());
    } else {
      json["hex"] = Hex(frame.bytes);
    }
    say(Text(json));
  }
}

}  // namespace penumbra::modbus
