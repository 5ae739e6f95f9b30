#include "cli/aws_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "base/ordered_json.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/store_verbs.hpp"
#include "cloud/infrastructure.hpp"
#include "cloud/other_messages.hpp"
#include "cloud/rule_trial.hpp"

namespace penumbra::cli {
namespace {

using cloud::RuleTrial;
using cloud::TrialMessage;
using cloud::TrialResult;
using Kind = rules::Outcome::Kind;

constexpr std::size_t kMaxPayloadBytes = 128 * 1024;  // AWS: of a message
constexpr std::uint64_t kReadingsOfAThing = 3;
constexpr std::chrono::hours kDefaultSince{1};

Result<TrialMessage> GivenMessage(const std::string& file, const std::string& topic) {
  std::string bytes;
  const auto read = [&bytes](std::istream& in) {
    bytes.resize(kMaxPayloadBytes + 1);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
  };
  if (file == "-") {
    read(std::cin);
  } else {
    std::ifstream in(file, std::ios::binary);
    if (!in) return Fail(Action::kFixConfig, ErrnoMessage("cannot read " + file, errno));
    read(in);
  }
  if (bytes.size() > kMaxPayloadBytes) {
    return Fail(Action::kGiveUp, fmt::format("{} is larger than 128 KiB; AWS IoT Core takes no such message", file));
  }
  return TrialMessage{topic, std::move(bytes), {}, "given"};
}

// The newest readings of each thing as the store has them.
std::map<std::string, std::vector<Reading>> Newest(const Invocation& invocation) {
  const std::uint64_t most = invocation.limit.value_or(kReadingsOfAThing);
  Archive::Filter filter;
  filter.since_ms =
      NowMs() -
      std::chrono::duration_cast<std::chrono::milliseconds>(invocation.since.value_or(Duration(kDefaultSince))).count();
  std::map<std::string, std::deque<Reading>> newest;
  const penumbra::Status read = ReadStored(invocation, filter, [&](const StoredReading& stored) {
    std::deque<Reading>& readings = newest[stored.reading.thing];
    readings.push_back(stored.reading);
    if (readings.size() > most) readings.pop_front();
  });
  if (!read) Complain(fmt::format("no stored readings ({}): example values instead", read.error().message));
  std::map<std::string, std::vector<Reading>> result;
  for (auto& [thing, readings] : newest) result[thing].assign(readings.begin(), readings.end());
  return result;
}

std::vector<TrialMessage> OwnMessages(const Invocation& invocation, const Settings& settings) {
  auto stored = Newest(invocation);
  std::vector<TrialMessage> messages;
  for (const ThingSettings& thing : settings.things) {
    auto& readings = stored[thing.name];
    const bool example = readings.empty();
    if (example) readings.push_back(cloud::ExampleReading(thing, NowMs()));
    for (TrialMessage& message : cloud::MessagesOf(thing, readings, example ? "example" : "stored")) {
      messages.push_back(std::move(message));
    }
  }
  for (TrialMessage& message : cloud::OtherMessages(settings, NowMs())) messages.push_back(std::move(message));
  return messages;
}

const char* Word(const TrialResult& result) {
  switch (result.kind) {
    case Kind::kFired:
      return result.delivered ? "fired" : "refused";
    case Kind::kNotMatched:
      return "not matched";
    case Kind::kUndefined:
      return "undefined";
    case Kind::kFailed:
      return "failed";
  }
  return "?";
}

Tone ToneOf(const TrialResult& result) {
  if (result.kind == Kind::kFired) return result.delivered ? Tone::kGood : Tone::kBad;
  if (result.kind == Kind::kNotMatched) return Tone::kPlain;
  return result.kind == Kind::kFailed ? Tone::kBad : Tone::kWarning;
}

OrderedJson AsJson(const std::string& bytes) {
  const auto json = ParseOrderedJson(bytes);
  return json ? *json : OrderedJson(bytes);
}

OrderedJson Render(const TrialResult& result) {
  OrderedJson json = {{"topic", result.message.topic},
                      {"source", result.message.source},
                      {"payload", AsJson(result.message.payload)},
                      {"outcome", Word(result)}};
  if (!result.why.empty()) json["why"] = result.why;
  if (result.kind == Kind::kFired) {
    json["destination"] = result.destination;
    json["input"] = AsJson(result.input);
  }
  return json;
}

OrderedJson Render(const RuleTrial& trial) {
  OrderedJson results = OrderedJson::array();
  for (const TrialResult& result : trial.results) results.push_back(Render(result));
  OrderedJson json = {{"name", trial.rule.name},
                      {"sql", trial.rule.sql},
                      {"action", trial.rule.action},
                      {"target", trial.rule.target},
                      {"ok", trial.Ok()},
                      {"notes", trial.notes},
                      {"findings", trial.findings},
                      {"results", std::move(results)}};
  if (!trial.fault.empty()) json["fault"] = trial.fault;
  if (trial.would_fire) json["would_fire"] = Render(*trial.would_fire);
  return json;
}

// A file's lines as one: a table has no others.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string Receives(const TrialResult& result) {
  if (result.kind == Kind::kFailed) return result.why;
  if (result.kind == Kind::kFired && !result.delivered) return result.why;
  if (result.kind != Kind::kFired) return OneLine(result.message.payload);
  return OneLine(result.destination + " <- " + result.input);
}

std::string View(const RuleTrial& trial, const Style& style) {
  std::string out = Printable(fmt::format("{}: {} {}", trial.rule.name, trial.rule.action, trial.rule.target)) +
                    "\n  " + Printable(trial.rule.sql) + "\n";
  const auto line = [&](const std::string& text, Tone tone) {
    out += "  " + Paint(Printable(text), tone, style) + "\n";
  };
  if (!trial.fault.empty()) line("fault: " + trial.fault, Tone::kBad);
  for (const std::string& finding : trial.findings) line("problem: " + finding, Tone::kBad);
  for (const std::string& note : trial.notes) line("note: " + note, Tone::kWarning);
  if (!trial.results.empty() || trial.would_fire) {
    Table table({{"TOPIC"}, {"MESSAGE"}, {"RULE"}, {"THE ACTION RECEIVES, OR THE MESSAGE"}});
    for (const TrialResult& result : trial.results) {
      table.Row({{result.message.topic}, {result.message.source}, {Word(result), ToneOf(result)}, {Receives(result)}});
    }
    if (trial.would_fire) {
      table.Row({{trial.would_fire->message.topic},
                 {"would fire"},
                 {Word(*trial.would_fire), ToneOf(*trial.would_fire)},
                 {Receives(*trial.would_fire)}});
    }
    out += table.Text(style);
  }
  return out + "\n";
}

int ExitCodeOf(const std::vector<RuleTrial>& trials) {
  const auto is_fault = [](const RuleTrial& trial) { return !trial.fault.empty() && !trial.only_cloud; };
  if (std::any_of(trials.begin(), trials.end(), is_fault)) return kExitConfig;
  const bool ok = std::all_of(trials.begin(), trials.end(), [](const RuleTrial& trial) { return trial.Ok(); });
  return ok ? kExitOk : kExitFailed;
}

}  // namespace

int AwsRulesTest(const Invocation& invocation, const LoadedConfig& loaded) {
  const bool given = invocation.payload.has_value();
  if (given != invocation.topic.has_value()) {
    Complain("--payload FILE and --topic TOPIC belong together");
    return kExitUsage;
  }
  std::vector<TrialMessage> messages;
  if (given) {
    auto message = GivenMessage(*invocation.payload, *invocation.topic);
    if (!message) {
      Complain(message.error());
      return kExitFailed;
    }
    messages.push_back(std::move(*message));
  } else {
    messages = OwnMessages(invocation, loaded.settings);
  }
  const auto& configured = loaded.aws.rules;
  const auto rules = configured.empty() ? cloud::DefaultRules(loaded.settings) : configured;
  for (const std::string& note : cloud::IngestNotes(loaded.settings, rules)) Complain(note);
  const auto trials = cloud::TryRules(loaded.settings, rules, messages, NowMs(), given);
  if (invocation.json) {
    OrderedJson told = OrderedJson::array();
    for (const RuleTrial& trial : trials) told.push_back(Render(trial));
    Print(OrderedJson{{"rules", std::move(told)}}.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
    return ExitCodeOf(trials);
  }
  std::string out;
  for (const RuleTrial& trial : trials) out += View(trial, OutputStyle(invocation.no_color));
  Print(out);
  return ExitCodeOf(trials);
}

}  // namespace penumbra::cli
