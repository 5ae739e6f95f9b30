#include "modbus/scan.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "modbus/meanings.hpp"

namespace penumbra::modbus {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kNsPerMs = 1'000'000;
// A gateway's own answer for a unit behind it that it cannot reach (Modbus Application Protocol V1.1b3, section 7).
constexpr std::uint8_t kGatewayPathUnavailable = 10;
constexpr std::uint8_t kGatewayTargetFailed = 11;
constexpr std::uint16_t kMostWords = 16;

Asked Bad(const std::string& error) {
  return {Asked::Status::kBadQuestion, error};
}

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The number under `key` when it is one from `least` to `most`; `otherwise` when the key is missing; nullopt when it is
// something else.
std::optional<std::int64_t> Number(const Json& question, const char* key, std::int64_t least, std::int64_t most,
                                   std::int64_t otherwise) {
  const auto found = question.find(key);
  if (found == question.end()) return otherwise;
  if (!found->is_number_integer()) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  return value >= least && value <= most ? std::optional(value) : std::nullopt;
}

// How a unit is asked that is perhaps not there: once, and as patiently as the bus.
ThingOptions Stranger(const Configuration& configuration, std::uint8_t unit, std::optional<std::uint32_t> timeout_ms) {
  ThingOptions thing;
  for (const ThingOptions& known : configuration.things) {
    thing.timeout_ms = known.timeout_ms;
    thing.pause_ms = std::max(thing.pause_ms, known.unit == unit ? known.pause_ms : 0);
    if (known.unit == unit) break;
  }
  if (timeout_ms) thing.timeout_ms = timeout_ms;
  thing.unit = unit;
  thing.retries = 0;
  return thing;
}

// Why no unit can be asked at all; nullptr: this one only did not answer well. A server may close the connection
// because of one unit.
const char* LineTrouble(const Outcome& outcome) {
  if (outcome.kind != Outcome::Kind::kFailed) return nullptr;
  const std::string_view reason = outcome.reason;
  return reason.starts_with("connection") && reason != "connection closed" ? outcome.reason : nullptr;
}

bool IsThere(const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::kAnswer) return true;
  return outcome.kind == Outcome::Kind::kException && outcome.exception != kGatewayPathUnavailable &&
         outcome.exception != kGatewayTargetFailed;
}

Json NameOfThing(const Configuration& configuration, std::uint8_t unit) {
  for (const ThingOptions& thing : configuration.things) {
    if (thing.unit == unit) return thing.name;
  }
  return nullptr;
}

// One unit, asked for one register of each table that devices have. False: the scan ends, as `asked` says.
bool ScanUnit(const Configuration& configuration, const ThingOptions& unit, Line& line, const Budget& budget,
              const Say& say, Asked& asked) {
  for (const Table table : {Table::kInput, Table::kHolding}) {
    const std::int64_t begun_ns = line.NowNs();
    const Outcome outcome = line.Exchange(ReadRequest(unit.unit, table, 0, 1), unit, budget);
    if (outcome.kind == Outcome::Kind::kCancelled) {
      asked = {Asked::Status::kCancelled, "cancelled"};
      return false;
    }
    if (IsThere(outcome)) {
      const bool answer = outcome.kind == Outcome::Kind::kAnswer;
      const std::string reply =
          answer ? std::string(NameOf(table)) + " 0 is " + std::to_string(RegisterAt(outcome.pdu.view(), 0))
                 : ExceptionReason(outcome.exception);
      say(Text({{"answer", "found"},
                {"unit", unit.unit},
                {"reply", reply},
                {"time_ms", (outcome.time_ns - begun_ns) / kNsPerMs},
                {"thing", NameOfThing(configuration, unit.unit)}}));
      return true;
    }
    if (outcome.kind == Outcome::Kind::kException) return true;  // a gateway says that nobody is there
    const std::string_view reason = outcome.reason;
    if (LineTrouble(outcome) != nullptr) {
      asked = {Asked::Status::kNoLine, outcome.reason};
      return false;
    }
    if (reason != "timeout" && reason != "deadline" && reason != "connection closed") {
      say(Text({{"answer", "found"},
                {"unit", unit.unit},
                {"reply", "something answers, but wrongly: " + std::string(reason)},
                {"time_ms", nullptr},
                {"thing", NameOfThing(configuration, unit.unit)}}));
      return true;
    }
  }
  return true;
}

std::optional<std::uint8_t> UnitOf(const Json& question, const Configuration& configuration) {
  const bool tcp = configuration.bus.framing() == Framing::kTcp;
  const auto unit = Number(question, "unit", tcp ? 0 : 1, tcp ? 255 : 247, -1);
  if (!unit || *unit < 0) return std::nullopt;
  return static_cast<std::uint8_t>(*unit);
}

// The points of "reads", judged as those of a configuration are.
std::optional<ThingOptions> ParseReads(const Json& question, const ThingOptions& unit, std::string& error) {
  Json points = question["reads"];
  if (!points.is_array() || points.empty() || points.size() > kMaxReads) {
    error =
        "reads is a list of 1 to " + std::to_string(kMaxReads) + " places, such as {\"table\":\"input\",\"address\":1}";
    return std::nullopt;
  }
  // The same place twice is a fault of a configuration, and none here: each stands in a thing of its own.
  ThingOptions all = unit;
  for (const Json& point : points) {
    const Json configuration{{"bus", {{"transport", "tcp"}, {"host", "h"}}},
                             {"things", Json::array({{{"unit", 1}, {"points", Json::array({point})}}})}};
    const auto parsed =
        ParseConfiguration(Text(configuration), [&error](const std::string&, const std::string& message) {
          if (error.empty()) error = message;
        });
    if (!parsed) return std::nullopt;
    all.points.push_back(parsed->things.front().points.front());
  }
  return all;
}

Json JsonOf(const Value& value) {
  if (const auto* real = std::get_if<double>(&value); real != nullptr && !std::isfinite(*real)) return nullptr;
  return std::visit([](const auto& v) { return Json(v); }, value);
}

std::vector<std::uint16_t> WordsIn(const Outcome& outcome, std::size_t count) {
  std::vector<std::uint16_t> words;
  for (std::size_t i = 0; i < count; ++i) words.push_back(RegisterAt(outcome.pdu.view(), i));
  return words;
}

// What one place says; or "reason".
Json ReadPlace(const PointOptions& point, const Outcome& outcome) {
  if (outcome.kind == Outcome::Kind::kException) return {{"reason", ExceptionReason(outcome.exception)}};
  if (outcome.kind != Outcome::Kind::kAnswer) return {{"reason", outcome.reason}};
  if (IsBits(point.table)) return {{"value", BitAt(outcome.pdu.view(), 0)}};
  const auto words = WordsIn(outcome, WordsOf(point.encoding));
  const Decoded decoded = Decode(point.encoding, words);
  if (decoded.fault != nullptr) return {{"reason", decoded.fault}};
  const Json value = JsonOf(decoded.value);
  return value.is_null() ? Json{{"reason", "not a number"}} : Json{{"value", value}};
}

Asked ReadPlaces(const Json& question, const ThingOptions& unit, Line& line, const Budget& budget, const Say& say) {
  std::string error;
  const auto thing = ParseReads(question, unit, error);
  if (!thing) return Bad(error);
  bool silent = false;
  for (std::size_t i = 0; i < thing->points.size(); ++i) {
    const PointOptions& point = thing->points[i];
    Json answer{{"reason", "timeout"}};
    // A unit that did not answer once is not asked all the rest.
    if (!silent) {
      const Item item = point.item();
      const Outcome outcome = line.Exchange(ReadRequest(unit.unit, item.table, item.address, item.count), unit, budget);
      if (outcome.kind == Outcome::Kind::kCancelled) return {Asked::Status::kCancelled, "cancelled"};
      if (const char* reason = LineTrouble(outcome)) return {Asked::Status::kNoLine, reason};
      silent = outcome.kind == Outcome::Kind::kFailed && std::string_view(outcome.reason) == "timeout";
      answer = ReadPlace(point, outcome);
    }
    Json object{{"answer", "read"}, {"index", i}};
    object.update(answer);
    say(Text(object));
  }
  return {};
}

const char* NameOfOrder(Order order) {
  switch (order) {
    case Order::kAbcd:
      return "ABCD";
    case Order::kCdab:
      return "CDAB";
    case Order::kBadc:
      return "BADC";
    case Order::kDcba:
      break;
  }
  return "DCBA";
}

void SayWords(Table table, std::uint16_t address, const std::vector<std::uint16_t>& words, std::optional<double> guess,
              const Say& say) {
  Json hex = Json::array();
  for (const std::uint16_t word : words) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    std::string text;
    for (int shift = 12; shift >= 0; shift -= 4) text += kDigits[(word >> shift) & 15];
    hex.push_back(text);
  }
  say(Text({{"answer", "words"}, {"table", NameOf(table)}, {"address", address}, {"words", std::move(hex)}}));
  std::vector<Meaning> meanings = MeaningsOf(words, guess);
  if (meanings.size() > kMaxDecodes && guess) meanings.resize(kMaxDecodes);
  for (const Meaning& meaning : meanings) {
    Json object{{"answer", "decode"},
                {"address", address + meaning.first},
                {"type", NameOf(meaning.encoding.type)},
                {"order", NameOfOrder(meaning.encoding.order)},
                {"scale", meaning.scale},
                {"value", meaning.value}};
    if (guess) object["off_percent"] = std::round(std::min(meaning.off, 1e6) * 10000) / 100;
    say(Text(object));
  }
}

Asked ReadWords(const Json& question, const ThingOptions& unit, Line& line, const Budget& budget, const Say& say) {
  const auto table_name = question.find("table");
  const Table table = table_name != question.end() && *table_name == "input" ? Table::kInput : Table::kHolding;
  if (table_name != question.end() && *table_name != "input" && *table_name != "holding") {
    return Bad("table is input or holding");
  }
  const auto address = Number(question, "address", 0, 65535, -1);
  auto count = Number(question, "count", 1, kMostWords, 2);
  if (!address || *address < 0) return Bad("address is a protocol address from 0 to 65535, such as address=1");
  if (!count) return Bad("count is a number of registers from 1 to " + std::to_string(kMostWords));
  std::optional<double> guess;
  if (const auto given = question.find("guess"); given != question.end()) {
    if (!given->is_number()) return Bad("guess is the number that the device should show");
    guess = given->get<double>();
  }
  *count = std::min(*count, 65536 - *address);
  const auto first = static_cast<std::uint16_t>(*address);
  const auto read = [&] {
    return line.Exchange(ReadRequest(unit.unit, table, first, static_cast<std::uint16_t>(*count)), unit, budget);
  };
  Outcome outcome = read();
  // The register may be the last one that there is.
  if (outcome.kind == Outcome::Kind::kException && *count > 1 && !question.contains("count")) {
    *count = 1;
    outcome = read();
  }
  switch (outcome.kind) {
    case Outcome::Kind::kAnswer:
      SayWords(table, first, WordsIn(outcome, static_cast<std::size_t>(*count)), guess, say);
      return {};
    case Outcome::Kind::kException:
      return {Asked::Status::kRefused, std::string("the unit refuses: ") + ExceptionReason(outcome.exception)};
    case Outcome::Kind::kCancelled:
      return {Asked::Status::kCancelled, "cancelled"};
    case Outcome::Kind::kFailed:
      break;
  }
  return {Asked::Status::kNoLine, outcome.reason};
}

}  // namespace

Asked Scan(const Json& question, const Configuration& configuration, Line& line, const Budget& budget, const Say& say) {
  const bool tcp = configuration.bus.framing() == Framing::kTcp;
  const std::int64_t least = tcp ? 0 : 1, most = tcp ? 255 : 247;
  const auto from = Number(question, "from", least, most, 1);
  const auto to = Number(question, "to", least, most, 247);
  const auto timeout_ms = Number(question, "timeout_ms", 10, 10'000, 0);
  if (!from || !to || *from > *to) {
    return Bad("from and to are unit ids from " + std::to_string(least) + " to " + std::to_string(most));
  }
  if (!timeout_ms) return Bad("timeout_ms is a time from 10 to 10000");
  const auto patience = *timeout_ms > 0 ? std::optional(static_cast<std::uint32_t>(*timeout_ms)) : std::nullopt;
  const std::int64_t slice_end_ns = line.NowNs() + kScanSliceNs;
  Asked asked;
  for (std::int64_t unit = *from; unit <= *to; ++unit) {
    // Never half a unit: what the deadline cuts off is asked again in the next slice.
    if (unit > *from && line.NowNs() >= slice_end_ns) {
      say(Text({{"answer", "next"}, {"next", {{"from", unit}}}}));
      return {};
    }
    const ThingOptions stranger = Stranger(configuration, static_cast<std::uint8_t>(unit), patience);
    if (!ScanUnit(configuration, stranger, line, budget, say, asked)) return asked;
  }
  return {};
}

Asked ReadRaw(const Json& question, const Configuration& configuration, Line& line, const Budget& budget,
              const Say& say) {
  const auto unit = UnitOf(question, configuration);
  if (!unit) return Bad("read wants the unit to ask, such as unit=1");
  const ThingOptions stranger = Stranger(configuration, *unit, std::nullopt);
  return question.contains("reads") ? ReadPlaces(question, stranger, line, budget, say)
                                    : ReadWords(question, stranger, line, budget, say);
}

}  // namespace penumbra::modbus
