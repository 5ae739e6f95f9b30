#include "cli/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/when.hpp"
#include "base/text.hpp"

namespace penumbra::cli {
namespace {

const Json& Member(const Json& object, std::string_view key) {
  static const Json kMissing;
  if (!object.is_object()) return kMissing;
  const auto it = object.find(key);
  return it == object.end() ? kMissing : *it;
}

std::int64_t Number(const Json& object, std::string_view key) {
  return GetInt(object, key).value_or(0);
}

Cell State(const Json& object, std::string_view key) {
  std::string state = Field(object, key);
  const Tone tone = ToneOf(state);
  return {std::move(state), tone};
}

// A count that should be zero.
Cell Trouble(const Json& object, std::string_view key, Tone tone = Tone::kWarning) {
  return {Field(object, key), Number(object, key) > 0 ? tone : Tone::kPlain};
}

std::string AgeOf(const Json& object, std::string_view key, std::int64_t now_ms) {
  const std::int64_t ms = Number(object, key);
  return ms <= 0 ? "-" : api::Age(ms, now_ms);
}

std::string Percent(const Json& object, std::string_view key) {
  const auto share = GetNumber(object, key);
  return share ? fmt::format("{:.0f} %", *share * 100) : "-";
}

std::string Milliseconds(std::int64_t ms) {
  return FormatDuration(std::chrono::milliseconds(std::clamp<std::int64_t>(ms, 0, INT64_MAX / 1'000'000)));
}

std::string Bytes(const Json& object, std::string_view key) {
  return FormatSize(static_cast<std::uint64_t>(std::max<std::int64_t>(Number(object, key), 0)));
}

std::string JoinTexts(const Json& array) {
  std::string out;
  for (const Json& element : array) {
    if (!element.is_string()) continue;
    out += (out.empty() ? "" : ", ") + element.get<std::string>();
  }
  return out.empty() ? "-" : out;
}

std::string ClockText(const Json& clock, const Style& style, std::int64_t now_ms) {
  const bool trusted = GetBool(clock, "trusted").value_or(false);
  std::string text = "clock not trusted: readings wait until it is set";
  if (trusted) text = "clock trusted";
  if (const std::string source = Field(clock, "source"); trusted && source != "-") text += " (" + source + ")";
  if (GetBool(clock, "in_doubt").value_or(false)) text = "clock has jumped: readings wait to see whether it stays";
  text = Paint(text, trusted ? Tone::kGood : Tone::kWarning, style);
  if (Number(clock, "steps") == 0) return text;
  const std::int64_t by_ms = Number(clock, "last_step_ms");
  return text + fmt::format(", set {} by {} {}", by_ms < 0 ? "back" : "ahead",
                            Milliseconds(by_ms < 0 ? (by_ms == INT64_MIN ? INT64_MAX : -by_ms) : by_ms),
                            api::Moment(Number(clock, "last_step_at_ms"), now_ms));
}

// "key" of a section as it stands in a table: JSON, "-" when it is not there.
std::string Text(const Json& section, const std::string& key) {
  return section.is_object() && section.contains(key) ? Dump(section[key]) : "-";
}

// Every key of any of the sections, once, in order.
std::set<std::string> KeysOf(std::initializer_list<const Json*> sections) {
  std::set<std::string> keys;
  for (const Json* section : sections) {
    if (!section->is_object()) continue;
    for (const auto& [key, value] : section->items()) keys.insert(key);
  }
  return keys;
}

std::string ShadowHead(const Json& shadow) {
  const std::string name = Field(shadow, "name");
  return fmt::format("{}, {}; revision {} here, version {} in the cloud\n\n", Printable(Field(shadow, "thing")),
                     name == "-" ? "classic shadow" : "shadow " + Printable(name), Field(shadow, "version"),
                     Field(shadow, "cloud_version"));
}

std::string GatewayLines(const Json& status, const Style& style, std::int64_t now_ms) {
  const Json& gateway = Member(status, "gateway");
  const Json& upstream = Member(status, "upstream");
  const Json& store = Member(status, "store");
  const std::string clock = ClockText(Member(gateway, "clock"), style, now_ms);
  std::string out = fmt::format("gateway   {}, penumbrad {}, started {}, {}\n", Field(gateway, "thing"),
                                Field(gateway, "version"), api::Moment(Number(gateway, "started_ms"), now_ms), clock);
  if (Field(upstream, "endpoint") == "-") {
    out += "upstream  none configured: readings are stored only\n";
  } else {
    const std::int64_t connected = Number(upstream, "connected");
    const std::int64_t things = Number(upstream, "things");
    out += fmt::format("upstream  {}, {}\n", Field(upstream, "endpoint"),
                       Paint(fmt::format("{} of {} sessions online", connected, things),
                             connected >= things ? Tone::kGood : Tone::kWarning, style));
  }
  const std::string wear = Number(store, "write_bytes_per_day") == 0
                               ? std::string("what a day writes is not known yet")
                               : fmt::format("about {} written a day", Bytes(store, "write_bytes_per_day"));
  out += fmt::format("store     {}, {} readings, last commit {}, {}\n", Bytes(store, "bytes"), Field(store, "readings"),
                     api::Moment(Number(store, "last_commit_ms"), now_ms), wear);
  const Json& config = Member(status, "config");
  if (const std::string on_disk = Field(config, "on_disk"); on_disk == "refused" || on_disk == "differs") {
    const std::string text = fmt::format("config    {} {}: {}", Field(config, "file"),
                                         on_disk == "refused" ? "was refused, the one before is in force" : "differs",
                                         Field(config, "reason"));
    out += Paint(text, on_disk == "refused" ? Tone::kBad : Tone::kWarning, style) + "\n";
  }
  const Json& defender = Member(gateway, "defender");
  if (const std::string answer = Field(defender, "answer"); answer == "rejected" || answer == "unanswered") {
    const std::string why = answer == "rejected" ? "reports are rejected: " + Printable(Field(defender, "reason"))
                                                 : std::string("reports are not answered");
    out += Paint("defender  " + why, Tone::kWarning, style) + "\n";
  }
  if (const std::string trouble = Field(store, "trouble"); trouble != "-") {
    out += Paint("store     commits fail: " + trouble, Tone::kBad, style) + "\n";
  }
  return out;
}

// Those with trouble only: a certificate that is good needs no line.
std::string CertificateLines(const Json& status, const Style& style) {
  std::string out;
  for (const Json& certificate : Rows(status, "certificates")) {
    const std::string thing = Field(certificate, "thing");
    const auto line = [&](const std::string& text, Tone tone) {
      out += Paint(fmt::format("credentials  {}: {}", thing, text), tone, style) + "\n";
    };
    if (GetBool(certificate, "rotating").value_or(false)) line("a new certificate is on its way", Tone::kWarning);
    if (const std::string trouble = Field(certificate, "trouble"); trouble != "-") line(trouble, Tone::kWarning);
    if (const std::string error = Field(certificate, "last_error"); error != "-") {
      line("the rotation failed: " + error, Tone::kBad);
    }
  }
  return out;
}

std::string StatusThings(const Json& things, const Style& style, std::int64_t now_ms) {
  Table table(
      {{"THING"}, {"STATE"}, {"LINK"}, {"MQTT"}, {"BACKLOG", true}, {"OLDEST UNSENT"}, {"LAST READING"}, {"TROUBLE"}});
  for (const Json& thing : things) {
    std::string trouble = Field(thing, "reason");
    const std::string link = Field(thing, "last_error");
    if (trouble == "-")
      trouble = link;
    else if (link != "-")
      trouble += "; " + link;
    table.Row({{Field(thing, "thing")},
               State(thing, "state"),
               State(thing, "link"),
               {Field(thing, "protocol")},
               {Field(thing, "backlog")},
               {AgeOf(thing, "oldest_unsent_ms", now_ms)},
               {AgeOf(thing, "last_reading_ms", now_ms)},
               {trouble}});
  }
  return table.empty() ? "no things are configured\n" : table.Text(style);
}

std::string PointsTable(const Json& thing, const Style& style, std::int64_t now_ms) {
  Table table({{"POINT"}, {"VALUE", true}, {"UNIT"}, {"QUALITY"}, {"OF"}, {"TRIED"}, {"TROUBLE"}});
  for (const Json& point : Rows(thing, "points")) {
    const std::string trouble = Field(point, "trouble");
    table.Row({{Field(point, "point")},
               {Field(point, "value")},
               {Field(point, "unit")},
               State(point, "quality"),
               {AgeOf(point, "value_ms", now_ms)},
               {AgeOf(point, "attempt_ms", now_ms)},
               {trouble == "-" ? Field(point, "reason") : trouble}});
  }
  return table.Text(style);
}

std::string BusesTable(const Json& buses, const Style& style) {
  Table table({{"BUS"},
               {"DRIVER"},
               {"STATE"},
               {"LOAD", true},
               {"POLLS", true},
               {"ERRORS", true},
               {"OVERRUNS", true},
               {"RESTARTS", true},
               {"CONFINED"},
               {"REASON"}});
  std::string notes;
  for (const Json& bus : Rows(buses, "buses")) {
    const std::string unconfined = Field(bus, "unconfined");
    const bool runs = Field(bus, "state") == "running";
    if (unconfined != "-") notes += fmt::format("{}: {}\n", Field(bus, "bus"), unconfined);
    table.Row({{Field(bus, "bus")},
               {Field(bus, "driver")},
               State(bus, "state"),
               {Percent(bus, "load")},
               {Field(bus, "polls")},
               Trouble(bus, "errors"),
               Trouble(bus, "overruns"),
               Trouble(bus, "restarts"),
               {!runs               ? "-"
                : unconfined == "-" ? "yes"
                                    : "partly"},
               {Field(bus, "reason")}});
  }
  return table.empty() ? "no buses are configured\n" : table.Text(style) + notes;
}

std::string ExceptionsText(const Json& unit) {
  const Json& exceptions = Member(unit, "exceptions");
  std::string text;
  if (!exceptions.is_object()) return "-";
  for (const auto& [code, count] : exceptions.items()) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", code, Dump(count));
  }
  return text.empty() ? "-" : text;
}

std::string TripText(const Json& unit, const char* quantile) {
  const auto ms = GetNumber(Member(unit, "round_trip_ms"), quantile);
  return ms ? fmt::format("{:.1f}", *ms) : "-";
}

// Of all buses whose driver counts by unit; empty when there is none.
std::string UnitsTable(const Json& buses, const Style& style, std::int64_t now_ms) {
  Table table({{"BUS"},
               {"UNIT", true},
               {"REQUESTS", true},
               {"ANSWERS", true},
               {"TIMEOUTS", true},
               {"CRC", true},
               {"DAMAGED", true},
               {"LATE", true},
               {"EXCEPTIONS"},
               {"P50 ms", true},
               {"P99 ms", true},
               {"LAST ANSWER"}});
  for (const Json& bus : Rows(buses, "buses")) {
    for (const Json& unit : Rows(bus, "units")) {
      table.Row({{Field(bus, "bus")},
                 {Field(unit, "unit")},
                 {Field(unit, "requests")},
                 {Field(unit, "answers")},
                 Trouble(unit, "timeouts"),
                 Trouble(unit, "bad_crc"),
                 Trouble(unit, "bad_frames"),
                 Trouble(unit, "late"),
                 {ExceptionsText(unit)},
                 {TripText(unit, "p50")},
                 {TripText(unit, "p99")},
                 {AgeOf(unit, "last_answer_ms", now_ms)}});
    }
  }
  return table.empty() ? std::string() : "\n" + table.Text(style);
}

}  // namespace

Tone ToneOf(std::string_view state) {
  static constexpr std::string_view kGood[] = {"ok", "online", "running", "good", "closed"};
  static constexpr std::string_view kBad[] = {"unreachable", "quarantined", "misconfigured", "unprovisioned", "bad"};
  if (std::find(std::begin(kGood), std::end(kGood), state) != std::end(kGood)) return Tone::kGood;
  if (std::find(std::begin(kBad), std::end(kBad), state) != std::end(kBad)) return Tone::kBad;
  return state == "-" ? Tone::kPlain : Tone::kWarning;
}

std::string Field(const Json& object, std::string_view key) {
  const Json& member = Member(object, key);
  if (member.is_null()) return "-";
  if (!member.is_string()) return Printable(Dump(member));
  const auto& text = member.get_ref<const std::string&>();
  return text.empty() ? "-" : Printable(text);
}

const Json& Rows(const Json& object, std::string_view key) {
  static const Json kNone = Json::array();
  const Json& rows = Member(object, key);
  return rows.is_array() ? rows : kNone;
}

std::string StatusView(const Json& status, const Style& style, std::int64_t now_ms) {
  return GatewayLines(status, style, now_ms) + CertificateLines(status, style) + "\n" +
         StatusThings(Rows(status, "things"), style, now_ms) + "\n" + BusesTable(status, style);
}

std::string ThingsView(const Json& things, const Style& style, std::int64_t now_ms) {
  Table table({{"THING"},
               {"BUS"},
               {"STATE"},
               {"EVERY"},
               {"LAST READING"},
               {"POLLS", true},
               {"FAILED", true},
               {"LINK"},
               {"BACKLOG", true},
               {"REASON"}});
  for (const Json& thing : Rows(things, "things")) {
    table.Row({{Field(thing, "thing")},
               {Field(thing, "bus")},
               State(thing, "state"),
               {Milliseconds(Number(thing, "sample_interval_ms"))},
               {AgeOf(thing, "last_reading_ms", now_ms)},
               {Field(thing, "polls")},
               Trouble(thing, "failed_polls"),
               State(thing, "link"),
               {Field(thing, "backlog")},
               {Field(thing, "reason")}});
  }
  return table.empty() ? "no things are configured\n" : table.Text(style);
}

std::string ThingView(const Json& thing, const Style& style, std::int64_t now_ms) {
  const Json& session = Member(thing, "session");
  const Json& outbox = Member(thing, "outbox");
  const auto tone = [&style](const Json& object, std::string_view key) {
    const std::string state = Field(object, key);
    return Paint(state, ToneOf(state), style);
  };
  std::string out =
      fmt::format("{} ({}) on bus {}, every {}: {}\n", Field(thing, "thing"), Field(thing, "type"), Field(thing, "bus"),
                  Milliseconds(Number(thing, "sample_interval_ms")), tone(thing, "state"));
  if (const std::string reason = Field(thing, "reason"); reason != "-") out += "  " + reason + "\n";
  out += fmt::format("polls     {}, {} failed, {} overruns, breaker {}, last reading {}\n", Field(thing, "polls"),
                     Field(thing, "failed_polls"), Field(thing, "overruns"), Field(thing, "breaker"),
                     api::Moment(Number(thing, "last_reading_ms"), now_ms));
  out += fmt::format("link      {}, MQTT {}, {} acknowledged, {} refused, {} in flight\n", tone(session, "link"),
                     Field(session, "protocol"), Field(session, "acked"), Field(session, "refused"),
                     Field(session, "in_flight"));
  if (const std::string error = Field(session, "last_error"); error != "-") out += "  " + error + "\n";
  if (const Json& topics = Rows(session, "suspended_topics"); !topics.empty()) {
    out += "  suspended: " + Printable(JoinTexts(topics)) + "\n";
  }
  if (const auto aside = Number(session, "set_aside"); aside > 0) {
    out += fmt::format("  set aside: {} messages that seem to end the connection or are too large for the server\n",
                       aside);
  }
  out += fmt::format("outbox    {} unsent, newest seq {}, topic {}\n\n", Field(outbox, "unsent"),
                     Field(outbox, "newest_seq"), Field(thing, "topic"));
  return out + PointsTable(thing, style, now_ms);
}

std::string BusesView(const Json& buses, const Style& style, std::int64_t now_ms) {
  return BusesTable(buses, style) + UnitsTable(buses, style, now_ms);
}

std::string DiagnosticText(const Json& diagnostic) {
  if (Number(diagnostic, "line") <= 0) {
    return fmt::format("{}: {}: {}", Field(diagnostic, "file"), Field(diagnostic, "severity"),
                       Field(diagnostic, "message"));
  }
  return fmt::format("{}:{}:{}: {}: {}", Field(diagnostic, "file"), Number(diagnostic, "line"),
                     Number(diagnostic, "column"), Field(diagnostic, "severity"), Field(diagnostic, "message"));
}

namespace {

// What a change touches, as an operator would say it.
Cell EffectCell(const Json& change) {
  const std::string effect = Field(change, "effect");
  if (effect == "restart") return {"needs a restart", Tone::kBad};
  if (effect == "reopen") return {"its bus opens anew", Tone::kWarning};
  if (effect == "reconnect") return {"connects anew", Tone::kWarning};
  return {effect == "live" ? "while running" : effect, effect == "live" ? Tone::kGood : Tone::kPlain};
}

std::string_view ResultText(const std::string& result) {
  if (result == "unchanged") return "nothing differs from what is in force";
  if (result == "applied") return "the new configuration is in force";
  if (result == "would_apply") return "a reload would apply this";
  if (result == "needs_restart") return "refused: needs a restart; the old configuration stays in force";
  if (result == "wrong") return "refused: the file is wrong; the old configuration stays in force";
  return result;
}

}  // namespace

std::string ReloadView(const Json& report, const Style& style) {
  Table table({{"WHAT"}, {"CHANGE"}, {"FROM"}, {"TO"}, {"APPLIED"}});
  for (const Json& change : Rows(report, "changes")) {
    const std::string name = Field(change, "name");
    const std::string key = Field(change, "key");
    table.Row({{name == "-" ? "[" + Field(change, "table") + "]" : Field(change, "table") + " " + name},
               {key == "-" ? Field(change, "change") : key},
               {Field(change, "from")},
               {Field(change, "to")},
               EffectCell(change)});
  }
  const std::string result = Field(report, "result");
  const bool well = result == "unchanged" || result == "applied" || result == "would_apply";
  return (table.empty() ? "" : table.Text(style)) +
         Paint(std::string(ResultText(result)), well ? Tone::kGood : Tone::kBad, style) + "\n";
}

std::string OrdersView(const Json& orders, const Style& style, std::int64_t now_ms) {
  Table table({{"THING"}, {"KIND"}, {"ID"}, {"ACTION"}, {"STATE"}, {"VERDICT"}, {"RECEIVED"}, {"RESULT"}});
  for (const Json& order : Rows(orders, "orders")) {
    const std::string verdict = Field(order, "verdict");
    // Why not, or what it brought.
    std::string result = Field(order, "reason");
    if (result == "-") result = Field(order, "result");
    table.Row({{Field(order, "thing")},
               {Field(order, "kind")},
               {Field(order, "id")},
               {Field(order, "action")},
               {Field(order, "state")},
               {verdict, verdict == "failed" || verdict == "rejected" ? Tone::kBad : Tone::kPlain},
               {AgeOf(order, "received_ms", now_ms)},
               {result == "{}" ? "-" : result}});
  }
  if (!table.empty()) return table.Text(style);
  // Whoever looks for one that never came here finds out why.
  return "no orders are under way or remembered (an execution of AWS IoT Commands comes in if its target is the thing: "
         "thing/NAME, not client/NAME)\n";
}

std::string OutboxView(const Json& outbox, const Style& style, std::int64_t now_ms) {
  Table table({{"THING"},
               {"UNSENT", true},
               {"OLDEST UNSENT"},
               {"OLDEST SEQ", true},
               {"NEWEST SEQ", true},
               {"NEWEST"},
               {"IN FLIGHT", true},
               {"LINK"},
               {"SUSPENDED"},
               {"SET ASIDE", true}});
  for (const Json& thing : Rows(outbox, "things")) {
    std::string name = Field(thing, "thing");
    if (!GetBool(thing, "configured").value_or(true)) name += " (not configured)";
    table.Row({{std::move(name)},
               Trouble(thing, "backlog"),
               {AgeOf(thing, "oldest_unsent_ms", now_ms)},
               {Number(thing, "oldest_unsent_seq") > 0 ? Field(thing, "oldest_unsent_seq") : "-"},
               {Number(thing, "newest_seq") > 0 ? Field(thing, "newest_seq") : "-"},
               {AgeOf(thing, "newest_ms", now_ms)},
               {Field(thing, "in_flight")},
               State(thing, "link"),
               {JoinTexts(Rows(thing, "suspended_topics"))},
               Trouble(thing, "set_aside")});
  }
  if (table.empty()) return "no things are configured\n";
  const bool one = Number(outbox, "unsent") == 1;
  std::string out = table.Text(style) +
                    fmt::format("\n{} reading{} for the cloud\n", Field(outbox, "unsent"), one ? " waits" : "s wait");
  for (const Json& thing : Rows(outbox, "things")) {
    for (const Json& gap : Rows(thing, "gaps")) {
      out += fmt::format("{}: {} readings of {} to {} are lost ({}); the cloud is to be told\n", Field(thing, "thing"),
                         Field(gap, "lost"), AgeOf(gap, "from_ms", now_ms), AgeOf(gap, "to_ms", now_ms),
                         Field(gap, "reason"));
    }
  }
  return out;
}

std::string ShadowView(const Json& shadow, const Style& style) {
  const Json& state = Member(shadow, "state");
  const Json& desired = Member(state, "desired");
  const Json& reported = Member(state, "reported");
  Table table({{"KEY"}, {"DESIRED"}, {"REPORTED"}});
  for (const std::string& key : KeysOf({&desired, &reported})) {
    const bool differs = desired.contains(key) && Text(desired, key) != Text(reported, key);
    table.Row({{key}, {Text(desired, key), differs ? Tone::kWarning : Tone::kPlain}, {Text(reported, key)}});
  }
  const bool pending = GetBool(shadow, "pending").value_or(false);
  return ShadowHead(shadow) + (table.empty() ? "nothing is reported yet\n" : table.Text(style)) + "\n" +
         Paint(pending ? "not all of this is in the cloud yet" : "the cloud shows the same",
               pending ? Tone::kWarning : Tone::kGood, style) +
         "\n";
}

std::string ShadowDiffView(const Json& diff, const Style& style) {
  const Json& cloud = Member(diff, "cloud");
  const Json& to_send = Member(diff, "to_send");
  Table table({{"SECTION"}, {"KEY"}, {"LOCAL"}, {"CLOUD"}, {"BASE"}, {"WILL SEND"}});
  for (const char* section : {"desired", "reported"}) {
    const Json& local = Member(Member(diff, "local"), section);
    const Json& theirs = Member(cloud, section);
    const Json& base = Member(Member(diff, "base"), section);
    const Json& patch = Member(to_send, section);
    for (const std::string& key : KeysOf({&local, &theirs, &base, &patch})) {
      const bool goes = patch.is_object() && patch.contains(key);
      table.Row(
          {{section},
           {key},
           {Text(local, key)},
           {Text(theirs, key)},
           {Text(base, key)},
           {goes && patch[key].is_null() ? "(removes it)" : Text(patch, key), goes ? Tone::kWarning : Tone::kPlain}});
    }
  }
  std::string out = ShadowHead(diff);
  if (cloud.is_null()) out += "the cloud has no such shadow, as far as known\n";
  out += table.empty() ? "" : table.Text(style);
  out += to_send.empty() ? "\nnothing to send\n" : "\nto send: " + Printable(Dump(to_send)) + "\n";
  if (const std::string blocked = Field(diff, "blocked"); blocked != "-") {
    out += Paint("the cloud refuses it: " + Printable(blocked), Tone::kBad, style) + "\n";
  }
  return out;
}

std::string ExplainView(const Json& explanation, const Style& style) {
  std::string out;
  for (const Json& line : Rows(explanation, "story")) {
    out += fmt::format("{:<7} {}\n", Field(line, "stage"), Field(line, "text"));
  }
  const bool silent = GetBool(explanation, "silent").value_or(false);
  return out + Paint(Field(explanation, "verdict"), silent ? Tone::kBad : Tone::kGood, style) + "\n";
}

std::string ConfigView(const Json& config, const Style& style, bool with_origin) {
  const Json& values = Rows(config, "values");
  if (with_origin) {
    Table table({{"KEY"}, {"VALUE"}, {"ORIGIN"}});
    for (const Json& value : values)
      table.Row({{Field(value, "key")}, {Field(value, "value")}, {Field(value, "origin")}});
    return table.Text(style);
  }
  std::string out;
  for (const Json& value : values) {
    out += fmt::format("{} = {}\n", Field(value, "key"), Field(value, "value"));
  }
  return out;
}

}  // namespace penumbra::cli
