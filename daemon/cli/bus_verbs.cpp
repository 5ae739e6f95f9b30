#include "cli/bus_verbs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/target.hpp"
#include "app/driver_knowledge.hpp"
#include "base/log.hpp"
#include "base/ordered_json.hpp"
#include "base/text.hpp"
#include "cli/bus_plan.hpp"
#include "cli/bus_scan.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cli/replay.hpp"
#include "config/config.hpp"
#include "driver/ask_offline.hpp"

namespace penumbra::cli {
namespace {

using namespace std::chrono_literals;

struct Question {
  std::string_view word;  // on the command line
  std::string_view name;  // in the question
  Duration timeout;
  std::string_view nothing;  // what to say of an empty answer
};

// A scan waits for every address that nobody answers.
constexpr Question kQuestions[] = {
    {"plan", "plan", 5s, "the driver makes no transfers: there are no things with points on this bus"},
    {"scan", "scan", 2min, "no device was found"},
    {"read", "read", 10s, "the driver has nothing to say to that"},
    {"counters", "counters", 5s, "the driver counts nothing"},
    {"self-test", "self_test", 1min, "there is nothing to test on this bus"},
};
constexpr Duration kOtherTimeout = 10s;

const Question* Find(std::string_view word) {
  const auto* it = std::find_if(std::begin(kQuestions), std::end(kQuestions),
                                [word](const Question& question) { return question.word == word; });
  return it == std::end(kQuestions) ? nullptr : it;
}

int Refuse(const Error& error) {
  Complain(error);
  return kExitFailed;
}

BusAnswer AskDriver(const Invocation& invocation, const std::string& bus, const Json& question, Duration timeout) {
  const std::string file = ConfigFile(invocation);
  const LoadedConfig loaded = LoadConfig(file, AskDrivers());
  if (!loaded.Ok()) {
    PrintDiagnostics(loaded.diagnostics);
    return {kExitConfig, {}};
  }
  const auto& buses = loaded.settings.buses;
  if (std::none_of(buses.begin(), buses.end(), [&bus](const BusSettings& known) { return known.name == bus; })) {
    std::vector<std::string> names;
    for (const BusSettings& known : buses) names.push_back(known.name);
    const auto near = Suggest(bus, names);
    Complain(fmt::format(
        "no bus is called \"{}\" in {}{}", bus, file,
        near ? fmt::format("; did you mean \"{}\"?", *near) : fmt::format("; it has: {}", fmt::join(names, ", "))));
    return {kExitFailed, {}};
  }
  log::SetLevel(log::Level::kWarning);  // a scan starts the driver again and again
  auto answer = AskOffline(loaded.settings, bus, question, timeout);
  if (!answer) return {Refuse(answer.error()), {}};
  return {kExitOk, std::move(*answer)};
}

BusAnswer TakeAnswer(const Answer& answer, const Client& client) {
  if (answer.status != 200) return {ComplainOf(answer), {}};
  auto json = ParseOrderedJson(answer.body);
  if (json && json->is_object() && json->contains("answer") && (*json)["answer"].is_array()) {
    return {kExitOk, std::move((*json)["answer"])};
  }
  Complain("penumbrad's answer is not one to a question: is something else listening on " + client.socket().string() +
           "?");
  return {kExitFailed, {}};
}

std::string CellText(const OrderedJson& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "-";
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::vector<std::string> KeysOf(const OrderedJson& objects) {
  std::vector<std::string> keys;
  for (const OrderedJson& object : objects) {
    if (!object.is_object()) continue;
    for (const auto& [key, value] : object.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  return keys;
}

bool IsNumberColumn(const OrderedJson& objects, const std::string& key) {
  return std::all_of(objects.begin(), objects.end(), [&key](const OrderedJson& object) {
    return !object.is_object() || !object.contains(key) || object[key].is_number() || object[key].is_null();
  });
}

// Keys are foreign text as well.
std::string Title(const std::string& foreign) {
  std::string key = Printable(foreign);
  for (char& c : key) c = c == '_' ? ' ' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return key;
}

// How often each thing of the bus is read: of the running daemon, else of the configuration.
std::map<std::string, Duration> IntervalsOf(const Invocation& invocation) {
  std::map<std::string, Duration> intervals;
  const auto socket = FindSocket(invocation);
  const auto answer = socket ? Client(*socket).Get("/v1/things") : Fail(Action::kGiveUp, "");
  const auto json = answer && answer->status == 200 ? ParseJson(answer->body) : Fail(Action::kGiveUp, "");
  if (json) {
    const auto things = json->find("things");
    if (things == json->end() || !things->is_array()) return intervals;
    for (const Json& thing : *things) {
      const auto name = GetString(thing, "thing");
      const auto interval = GetInt(thing, "sample_interval_ms");
      if (name && interval) intervals[*name] = std::chrono::milliseconds(*interval);
    }
    return intervals;
  }
  for (const ThingSettings& thing : LoadConfig(ConfigFile(invocation), AskDrivers()).settings.things) {
    intervals[thing.name] = thing.sample_interval;
  }
  return intervals;
}

// False: the driver predicts no times; its objects are shown as they are.
bool ShowPlan(const Invocation& invocation, const OrderedJson& answer) {
  const OrderedJson plan = PlanJson(invocation.words[1], answer, IntervalsOf(invocation));
  if (plan.is_null()) return false;
  Print(invocation.json ? plan.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n"
                        : PlanView(plan, OutputStyle(invocation.no_color)));
  if (const std::string warning = PlanWarning(plan); !warning.empty()) Complain(warning);
  return true;
}

Result<Json> QuestionOf(const Invocation& invocation) {
  const std::vector<std::string>& words = invocation.words;
  const std::vector<std::string> rest(words.begin() + 2, words.end());
  if (const Question* known = Find(words[0])) {
    auto question = ParseArguments(rest);
    if (question) (*question)["ask"] = known->name;
    if (question && invocation.guess) (*question)["guess"] = *invocation.guess;
    return question;
  }
  if (rest.empty()) return Fail(Action::kGiveUp, "bus ask wants a question: its name or a JSON object");
  if (rest[0].starts_with('{')) return ParseJson(rest[0]);
  auto question = ParseArguments({rest.begin() + 1, rest.end()});
  if (question) (*question)["ask"] = rest[0];
  return question;
}

}  // namespace

Result<Json> ParseArguments(const std::vector<std::string>& words) {
  Json arguments = Json::object();
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(Action::kGiveUp, fmt::format("\"{}\" is not KEY=VALUE, such as from=1", word));
    }
    const std::string text = word.substr(equals + 1);
    const auto json = ParseJson(text);
    arguments[word.substr(0, equals)] = json ? *json : Json(text);
  }
  return arguments;
}

std::string ObjectsView(const OrderedJson& objects, const Style& style) {
  const std::vector<std::string> keys = KeysOf(objects);
  std::vector<Column> columns;
  for (const std::string& key : keys) columns.push_back({Title(key), IsNumberColumn(objects, key)});
  Table table(std::move(columns));
  for (const OrderedJson& object : objects) {
    if (!object.is_object()) continue;
    std::vector<Cell> row;
    for (const std::string& key : keys) row.push_back({object.contains(key) ? CellText(object[key]) : "-"});
    table.Row(std::move(row));
  }
  return keys.empty() ? std::string() : table.Text(style);
}

BusAnswer AskBus(const Invocation& invocation, const std::string& bus, const Json& question, Duration timeout) {
  const auto socket = FindSocket(invocation);
  if (!socket) return {kExitConfig, {}};
  const Client client(*socket);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  const auto answer = client.Post(fmt::format("/v1/buses/{}/ask?timeout_ms={}", api::PercentEncode(bus), ms.count()),
                                  Dump(question), ms + 10s);
  if (answer) return TakeAnswer(*answer, client);
  // With --socket a daemon was meant, and a daemon that we may not talk to may hold the device.
  if (answer.error().action != Action::kBackOff || invocation.socket) {
    Complain(answer.error());
    return {kExitUnavailable, {}};
  }
  static bool said = false;  // a scan asks many times
  if (!said) Complain(fmt::format("no daemon listens on {}; asking the driver itself", socket->string()));
  said = true;
  return AskDriver(invocation, bus, question, timeout);
}

int Bus(const Invocation& invocation) {
  const std::string& word = invocation.words[0];
  if (word == "replay") return Replay(invocation);
  const Question* known = Find(word);
  if (known == nullptr && word != "ask") {
    Complain(fmt::format(
        "\"{}\" is no question; usage: penumbra bus plan|scan|read|counters|self-test|ask BUS, or bus replay FILE",
        word));
    return kExitUsage;
  }
  const auto question = QuestionOf(invocation);
  if (!question) {
    Complain(question.error());
    return kExitUsage;
  }
  const Duration timeout = invocation.timeout.value_or(known != nullptr ? known->timeout : kOtherTimeout);
  if (word == "scan") return Scan(invocation, *question, timeout);
  const BusAnswer answer = AskBus(invocation, invocation.words[1], *question, timeout);
  if (answer.exit_code != kExitOk) return answer.exit_code;
  if (word == "plan" && ShowPlan(invocation, answer.json)) return kExitOk;
  if (invocation.json) {
    Print(answer.json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  } else if (answer.json.empty()) {
    Print(std::string(known != nullptr ? known->nothing : "the driver has nothing to say to that") + "\n");
  } else {
    Print(ObjectsView(answer.json, OutputStyle(invocation.no_color)));
  }
  return kExitOk;
}

}  // namespace penumbra::cli
