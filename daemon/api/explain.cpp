#include "api/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "api/when.hpp"
#include "base/text.hpp"

namespace penumbra::api {
namespace {

std::string_view ToString(Obstacle obstacle) {
  switch (obstacle) {
    case Obstacle::kNone:
      return "none";
    case Obstacle::kBus:
      return "bus";
    case Obstacle::kWaiting:
      return "waiting";
    case Obstacle::kDevice:
      return "device";
    case Obstacle::kPoint:
      return "point";
    case Obstacle::kStore:
      return "store";
    case Obstacle::kClock:
      return "clock";
    case Obstacle::kRefused:
      return "refused";
    case Obstacle::kLink:
      return "link";
  }
  return "unknown";
}

const PointStatus* FindPoint(const ExplainInput& in) {
  if (!in.status) return nullptr;
  const auto it = in.status->points.find(in.point.name);
  return it == in.status->points.end() ? nullptr : &it->second;
}

std::string When(const ExplainInput& in, std::int64_t unix_ms) {
  return Moment(unix_ms, in.info.now_ms);
}

std::string ValueText(const ExplainInput& in, const PointStatus& point) {
  if (!HasValue(point.value.value)) return "no value";
  const std::string value = ToJsonText(point.value.value);
  return in.point.unit.empty() ? value : fmt::format("{} {}", value, in.point.unit);
}

std::string Because(const std::string& reason) {
  return reason.empty() ? std::string() : ": " + reason;
}

// "unit 3 on bus hall-a" for Modbus, "address 68 on bus i2c-1" for I2C, else "the device on bus x".
std::string DeviceName(const ExplainInput& in) {
  for (const char* key : {"unit", "address"}) {
    const auto it = in.thing.driver_options.find(key);
    if (it != in.thing.driver_options.end() && it->is_primitive()) {
      return fmt::format("{} {} on bus {}", key, it->is_string() ? it->get<std::string>() : Dump(*it), in.thing.bus);
    }
  }
  return fmt::format("the device on bus {}", in.thing.bus);
}

// As the driver counts it; nullptr: it does not, or the unit was never asked.
const UnitStatus* FindUnit(const ExplainInput& in) {
  const auto option = in.thing.driver_options.find("unit");
  if (!in.bus || option == in.thing.driver_options.end() || !option->is_primitive()) return nullptr;
  const std::string name = option->is_string() ? option->get<std::string>() : Dump(*option);
  const auto it = std::ranges::find(in.bus->units, name, &UnitStatus::unit);
  return it == in.bus->units.end() ? nullptr : &*it;
}

std::string UnitLine(const ExplainInput& in, const UnitStatus& unit) {
  std::string line = fmt::format("last answer {}; {} of {} requests answered, {} timed out",
                                 unit.last_answer_ms == 0 ? "not yet" : When(in, unit.last_answer_ms), unit.answers,
                                 unit.requests, unit.timeouts);
  const std::pair<std::uint64_t, const char*> troubles[] = {{unit.bad_crc, "wrong checksums"},
                                                            {unit.bad_frames, "damaged replies"},
                                                            {unit.late, "late replies"},
                                                            {unit.foreign, "replies nobody asked for"}};
  for (const auto& [count, what] : troubles) {
    if (count > 0) line += fmt::format(", {} {}", count, what);
  }
  for (const auto& [code, count] : unit.exceptions) line += fmt::format(", exception {} {} times", code, count);
  if (unit.p50_ms && unit.p99_ms)
    line += fmt::format("; round trip {:.1f} ms, p99 {:.1f} ms", *unit.p50_ms, *unit.p99_ms);
  return line;
}

std::string BusLine(const ExplainInput& in) {
  if (!in.bus) return fmt::format("{} is not running", in.thing.bus);
  const BusStatus& bus = *in.bus;
  return fmt::format("{} (driver {}) is {}{}; load {:.0f} %, {} polls, {} errors, {} restarts", bus.bus, bus.driver,
                     bus.state, Because(bus.reason), bus.load * 100, bus.polls, bus.errors, bus.restarts);
}

std::string ThingLine(const ExplainInput& in) {
  if (!in.status) return fmt::format("{} is not polled", in.thing.name);
  const ThingStatus& thing = *in.status;
  std::string line =
      fmt::format("{} is {}{}; every {}, last reading {}, {} of {} polls failed, {} overruns", DeviceName(in),
                  thing.state, Because(thing.reason), FormatDuration(thing.sample_interval),
                  When(in, thing.last_reading_ms), thing.failed_polls, thing.polls, thing.overruns);
  if (!thing.breaker.empty() && thing.breaker != "closed") {
    line += fmt::format("; breaker {}: asked less often until it answers", thing.breaker);
  }
  return line;
}

std::string PointLine(const ExplainInput& in) {
  const PointStatus* point = FindPoint(in);
  if (point == nullptr || point->attempt_ms == 0) return "not read yet";
  std::string line = fmt::format("{}, quality {}", ValueText(in, *point), penumbra::ToString(point->value.quality));
  if (!point->value.reason.empty()) line += fmt::format(" ({})", point->value.reason);
  line += fmt::format(", value of {}, last attempt {}", When(in, point->value_ms), When(in, point->attempt_ms));
  if (!point->trouble.empty()) line += ", which failed: " + point->trouble;
  return line;
}

// What became of the newest desired value.
std::string DesiredLine(const ExplainInput& in) {
  if (!in.command) return "nothing is desired";
  const CommandInfo& command = *in.command;
  std::string line = fmt::format("{} (version {}) is {}{}", Dump(command.value), command.version, command.state,
                                 Because(command.reason));
  if (command.superseded > 0) {
    line += fmt::format("; it overtook {} older value{}", command.superseded, command.superseded == 1 ? "" : "s");
  }
  return line;
}

std::string ReportLine(const ExplainInput& in) {
  if (in.thing.telemetry == Telemetry::kEveryPoll) return "every poll is stored and sent";
  const ReportPolicy& report = in.point.report;
  return fmt::format("sent when it moves by more than {}{}, at most every {}, and at least every {}",
                     NumberText(report.deadband), report.deadband_percent ? " %" : "",
                     FormatDuration(report.min_interval), FormatDuration(report.max_silence));
}

std::string StoreLine(const ExplainInput& in) {
  if (!in.store_error.empty()) return "the store does not answer: " + in.store_error;
  std::string line = "no reading of this thing is stored";
  if (in.newest) {
    // The outbox hears of an ack at once, the file with the next commit.
    const std::uint64_t seq = in.newest->reading.seq;
    const OutboxState& outbox = in.outbox;
    const bool acked = outbox.newest_seq >= seq && (outbox.unsent == 0 || seq < outbox.oldest_unsent_seq);
    line = fmt::format("newest reading is seq {} of {}, {}", seq, When(in, in.newest->reading.unix_ms),
                       acked || in.newest->sent ? "sent" : "not yet sent");
  }
  line += "; last commit " + When(in, in.store.last_commit_ms);
  if (!in.store.trouble.empty()) line += "; commits fail: " + in.store.trouble;
  return line;
}

std::string CloudLine(const ExplainInput& in) {
  std::string line = fmt::format("{} unsent", in.outbox.unsent);
  if (in.outbox.unsent > 0) {
    line += fmt::format(", the oldest seq {} of {}", in.outbox.oldest_unsent_seq, When(in, in.outbox.oldest_unsent_ms));
  }
  for (const Gap& gap : in.outbox.gaps) {
    line += fmt::format("; {} readings of {} to {} are lost ({}), of which the cloud is to be told", gap.lost,
                        When(in, gap.from_ms), When(in, gap.to_ms), gap.reason);
  }
  if (!in.delivery.empty()) line += fmt::format("; seq {}: {}", in.newest ? in.newest->reading.seq : 0, in.delivery);
  return line;
}

std::string LinkLine(const ExplainInput& in) {
  if (in.upstream.endpoint.empty()) return "no upstream is configured: readings are stored only";
  if (!in.link) return "no session";
  const LinkStatus& link = *in.link;
  std::string line = link.link;
  if (link.link == "online") {
    line += fmt::format(" since {} (MQTT {})", When(in, link.connected_since_ms), link.protocol);
  }
  if (!link.last_error.empty()) line += "; last trouble: " + link.last_error;
  if (link.link == "waiting" && link.next_attempt_ms > 0) line += "; next attempt " + When(in, link.next_attempt_ms);
  for (const std::string& topic : link.suspended_topics) line += fmt::format("; topic {} is suspended", topic);
  if (link.set_aside > 0) line += fmt::format("; {} messages are set aside", link.set_aside);
  return line;
}

// The last moment something came of this point, for "no value since".
std::string Since(const ExplainInput& in, const PointStatus* point) {
  if (point == nullptr || point->value_ms == 0) return "no value since the daemon started";
  return "last value " + When(in, point->value_ms);
}

// When the unit itself last said anything, whichever thing asked it.
std::string SilentSince(const ExplainInput& in) {
  const UnitStatus* unit = FindUnit(in);
  if (unit == nullptr) return {};
  return unit->last_answer_ms == 0 ? "; it has not answered since the daemon started"
                                   : "; silent since " + When(in, unit->last_answer_ms);
}

std::string LastTry(const ExplainInput& in, const PointStatus* point) {
  return point == nullptr || point->attempt_ms == 0 ? std::string() : ", last try " + When(in, point->attempt_ms);
}

struct Verdict {
  Obstacle obstacle = Obstacle::kNone;
  std::string text;  // what follows "thing.point "
};

// Sensor side: why no fresh value arrives. kNone when one does.
Verdict JudgeReading(const ExplainInput& in) {
  const PointStatus* point = FindPoint(in);
  if (!in.bus || !in.status) {
    return {Obstacle::kBus, fmt::format("is silent: bus {} is not running, so the thing is not polled", in.thing.bus)};
  }
  if (in.bus->state != "running") {
    return {Obstacle::kBus, fmt::format("is silent: bus {} is {}{} ({})", in.bus->bus, in.bus->state,
                                        Because(in.bus->reason), Since(in, point))};
  }
  if (point == nullptr || point->attempt_ms == 0 || in.status->state == "waiting") {
    return {Obstacle::kWaiting, fmt::format("has not been read yet: its thing is polled every {}",
                                            FormatDuration(in.status->sample_interval))};
  }
  const std::string& trouble = point->trouble.empty() ? point->value.reason : point->trouble;
  if (in.status->state == "unreachable") {
    const std::string breaker = in.status->breaker == "open" ? "; breaker open, it is asked less often" : "";
    return {Obstacle::kDevice, fmt::format("is silent: {} does not answer ({}, {} of {} polls failed{}{}{}; {})",
                                           DeviceName(in), trouble.empty() ? in.status->reason : trouble,
                                           in.status->failed_polls, in.status->polls, LastTry(in, point), breaker,
                                           trouble.starts_with("exception") ? "" : SilentSince(in), Since(in, point))};
  }
  if (!point->trouble.empty() || point->value.quality == Quality::kBad) {
    return {Obstacle::kPoint, fmt::format("is silent: {} answers, but not this point ({}{}; {})", DeviceName(in),
                                          trouble, LastTry(in, point), Since(in, point))};
  }
  if (in.status->state == "stale") {
    return {Obstacle::kDevice, fmt::format("is silent: no poll of {} has finished within three intervals{} ({})",
                                           DeviceName(in), Because(in.status->reason), Since(in, point))};
  }
  return {};
}

bool TelemetrySuspended(const ExplainInput& in) {
  const auto& topics = in.link->suspended_topics;
  return std::find(topics.begin(), topics.end(), in.thing.topic) != topics.end();
}

// Cloud side, for a value that is measured.
Verdict JudgeDelivery(const ExplainInput& in) {
  const std::string value = fmt::format("is measured ({})", ValueText(in, *FindPoint(in)));
  if (!in.store.trouble.empty() || !in.store_error.empty()) {
    return {Obstacle::kStore,
            fmt::format("{}, but not stored: {}", value, in.store.trouble.empty() ? in.store_error : in.store.trouble)};
  }
  if (in.upstream.endpoint.empty()) return {Obstacle::kNone, value + " and stored; no upstream is configured"};
  if (!in.link || in.link->link != "online") {
    const std::string link = in.link ? in.link->link : "unknown to the uplink";
    std::string text = fmt::format("{} and stored, but does not reach the cloud: its link is {}{}", value, link,
                                   in.link ? Because(in.link->last_error) : "");
    if (in.link && in.link->next_attempt_ms > 0) {
      text += fmt::format("; next attempt {}", Age(in.link->next_attempt_ms, in.info.now_ms));
    }
    return {Obstacle::kLink, fmt::format("{}; {} unsent", text, in.outbox.unsent)};
  }
  if (TelemetrySuspended(in)) {
    return {Obstacle::kRefused, fmt::format("{} and stored, but the cloud refuses topic {}: it is suspended and tried "
                                            "again from time to time; {} unsent",
                                            value, in.thing.topic, in.outbox.unsent)};
  }
  if (!in.info.clock_trusted && in.outbox.unsent > 0) {
    return {Obstacle::kClock,
            fmt::format("{} and stored, but waits for the clock to be set; {} unsent", value, in.outbox.unsent)};
  }
  std::string rest = in.outbox.unsent > 0 ? fmt::format("{} readings are on their way to the cloud", in.outbox.unsent)
                                          : "all that is stored was acknowledged by the cloud";
  if (in.link->set_aside > 0) {
    rest += fmt::format(
        "; {} messages are set aside, because the connection ends whenever they are sent or the server "
        "takes none so large",
        in.link->set_aside);
  }
  return {Obstacle::kNone, fmt::format("is not silent: {} of {}; {}", ValueText(in, *FindPoint(in)),
                                       When(in, FindPoint(in)->value_ms), rest)};
}

}  // namespace

Explanation Explain(const ExplainInput& in) {
  Explanation result;
  result.thing = in.thing.name;
  result.point = in.point.name;
  result.story = {{"bus", BusLine(in)},       {"thing", ThingLine(in)}, {"point", PointLine(in)},
                  {"report", ReportLine(in)}, {"store", StoreLine(in)}, {"cloud", CloudLine(in)},
                  {"link", LinkLine(in)}};
  if (in.point.writable || in.command) {
    result.story.insert(result.story.begin() + 3, {"desired", DesiredLine(in)});
  }
  if (const UnitStatus* unit = FindUnit(in))
    result.story.insert(result.story.begin() + 1, {"unit", UnitLine(in, *unit)});
  Verdict verdict = JudgeReading(in);
  if (verdict.obstacle == Obstacle::kNone) verdict = JudgeDelivery(in);
  result.obstacle = verdict.obstacle;
  result.verdict = fmt::format("{}.{} {}", result.thing, result.point, verdict.text);
  return result;
}

OrderedJson Render(const Explanation& explanation) {
  OrderedJson story = OrderedJson::array();
  for (const Explanation::Line& line : explanation.story) {
    story.push_back({{"stage", line.stage}, {"text", line.text}});
  }
  return {{"thing", explanation.thing},
          {"point", explanation.point},
          {"silent", explanation.obstacle != Obstacle::kNone},
          {"obstacle", ToString(explanation.obstacle)},
          {"story", std::move(story)},
          {"verdict", explanation.verdict}};
}

}  // namespace penumbra::api
