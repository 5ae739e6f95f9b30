#include "api/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "api/explain.hpp"
#include "api/metrics.hpp"
#include "api/render.hpp"
#include "api/target.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace penumbra::api {
namespace {

struct Request {
  GatewayView& view;
  const ApiCounters& counters;
  Target target;
  std::string_view body;  // good until the handler returns
  Respond respond;

  const std::string& Part(std::size_t index) const { return target.path[index]; }
  const std::string* Parameter(std::string_view name) const {
    for (const auto& [key, value] : target.query) {
      if (key == name) return &value;
    }
    return nullptr;
  }
  void Answer(const OrderedJson& json) const { respond({.body = Text(json) + "\n"}); }
  void Answer(const Error& error) const;
  void Fail(int status, std::string_view error, std::string_view hint) const {
    respond(ErrorResponse(status, error, hint));
  }
};

void Request::Answer(const Error& error) const {
  switch (error.action) {
    case Action::kRetry:
    case Action::kBackOff:
      return Fail(503, error.message, "try again in a moment");
    case Action::kGiveUp:
    case Action::kFixConfig:
      return Fail(409, error.message, {});
    case Action::kFatal:
      break;
  }
  Fail(500, error.message, "the daemon's journal says more");
}

const ThingSettings* FindThing(const GatewayView& view, const std::string& name) {
  const auto& things = view.settings().things;
  const auto it = std::find_if(things.begin(), things.end(), [&name](const auto& thing) { return thing.name == name; });
  return it == things.end() ? nullptr : &*it;
}

// The gateway's own thing: it has a session and a named shadow, though it is no [[thing]].
bool IsGateway(const GatewayView& view, const std::string& name) {
  return !name.empty() && view.settings().gateway.thing == name && FindThing(view, name) == nullptr;
}

std::string NameHint(const std::string& wrong, const std::vector<std::string>& names, std::string_view otherwise) {
  if (const auto near = Suggest(wrong, names)) return fmt::format("did you mean \"{}\"?", *near);
  return std::string(otherwise);
}

void UnknownThing(const Request& request, const std::string& name) {
  std::vector<std::string> names;
  for (const ThingSettings& thing : request.view.settings().things) names.push_back(thing.name);
  request.Fail(404, fmt::format("no thing is called \"{}\"", name),
               NameHint(name, names, "`penumbra things` lists them"));
}

// --- One function per route --------------------------------------------------------------------------------------

void GetStatus(const Request& request) {
  request.Answer(RenderStatus(request.view));
}

void GetThings(const Request& request) {
  const std::vector<LinkStatus> links = request.view.Links();
  OrderedJson rows = OrderedJson::array();
  for (const ThingSettings& thing : request.view.settings().things) {
    rows.push_back(RenderThingRow(Gather(request.view, links, thing.name), thing));
  }
  request.Answer(OrderedJson{{"things", std::move(rows)}});
}

void GetThing(const Request& request) {
  const ThingSettings* thing = FindThing(request.view, request.Part(2));
  if (thing == nullptr) return UnknownThing(request, request.Part(2));
  request.Answer(RenderThing(Gather(request.view, request.view.Links(), thing->name), *thing));
}

void ReadThing(const Request& request) {
  const ThingSettings* thing = FindThing(request.view, request.Part(2));
  if (thing == nullptr) return UnknownThing(request, request.Part(2));
  request.view.ReadNow(thing->name, [request](const Result<Reading>& reading) {
    if (!reading) return request.Answer(reading.error());
    OrderedJson json{{"thing", reading->thing}};
    json.update(Render(StoredReading{.reading = *reading}));
    request.Answer(json);
  });
}

// {"template":"..","parameters":{"..":".."},"rsa":true}, each optional, and nothing else.
Result<identity::RotationWishes> ReadWishes(std::string_view body) {
  identity::RotationWishes wishes;
  if (body.empty()) return wishes;
  const auto json = ParseJson(body);
  if (!json) return Fail(json.error());
  if (!json->is_object()) return Fail(Action::kGiveUp, "the body is not a JSON object");
  for (const auto& [key, value] : json->items()) {
    if (key == "template" && value.is_string()) {
      wishes.template_name = value.get<std::string>();
    } else if (key == "rsa" && value.is_boolean()) {
      wishes.rsa = value.get<bool>();
    } else if (key == "parameters" && value.is_object()) {
      for (const auto& [name, text] : value.items()) {
        if (!text.is_string()) return Fail(Action::kGiveUp, fmt::format("parameters.{} is not a text", name));
        wishes.parameters[name] = text.get<std::string>();
      }
    } else {
      return Fail(Action::kGiveUp, fmt::format("\"{}\" is unknown or of another type", key));
    }
  }
  return wishes;
}

// {"thing","certificate_id","old_certificate_id"} once the new certificate is in use.
void RotateThing(const Request& request) {
  const std::string& thing = request.Part(2);
  if (FindThing(request.view, thing) == nullptr && !IsGateway(request.view, thing)) {
    return UnknownThing(request, thing);
  }
  const auto wishes = ReadWishes(request.body);
  if (!wishes) return request.Fail(400, wishes.error().message, R"(such as {"template":"..","rsa":true}, or nothing)");
  request.view.RotateCertificate(thing, *wishes, [request](const Result<identity::Enrolled>& result) {
    if (!result) return request.Answer(result.error());
    request.Answer(OrderedJson{{"thing", result->thing},
                               {"certificate_id", result->certificate_id},
                               {"old_certificate_id", result->old_certificate_id}});
  });
}

// A number parameter into `out`; false after it has answered 400.
template <typename Number>
bool TakeNumber(const Request& request, std::string_view name, std::uint64_t max, Number& out) {
  const std::string* text = request.Parameter(name);
  if (text == nullptr) return true;
  const auto number = ParseNumber(*text, max);
  if (!number) {
    request.Fail(400, fmt::format("{}=\"{}\" is not a whole number from 0 to {}", name, *text, max), {});
    return false;
  }
  out = static_cast<Number>(*number);
  return true;
}

// The query of a readings request, or nullopt after it has answered 400.
std::optional<ReadingQuery> TakeReadingQuery(const Request& request) {
  static const std::vector<std::string> kNames = {"since_ms", "until_ms", "after_seq", "limit", "newest"};
  for (const auto& [name, value] : request.target.query) {
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
      request.Fail(400, fmt::format("unknown parameter \"{}\"", name),
                   NameHint(name, kNames, "known: since_ms, until_ms, after_seq, limit, newest"));
      return std::nullopt;
    }
  }
  ReadingQuery query{.thing = request.Part(2), .limit = kDefaultRows};
  int newest = 0;
  if (!TakeNumber(request, "since_ms", INT64_MAX, query.since_ms)) return std::nullopt;
  if (!TakeNumber(request, "until_ms", INT64_MAX, query.until_ms)) return std::nullopt;
  if (!TakeNumber(request, "after_seq", INT64_MAX, query.after_seq)) return std::nullopt;
  if (!TakeNumber(request, "limit", kMaxRows, query.limit)) return std::nullopt;
  if (!TakeNumber(request, "newest", 1, newest)) return std::nullopt;
  query.limit = std::max<std::size_t>(query.limit, 1);
  query.newest_first = newest == 1;
  return query;
}

bool IsStored(const GatewayView& view, const std::string& thing) {
  const std::vector<std::string> stored = view.StoredThings();
  return std::find(stored.begin(), stored.end(), thing) != stored.end();
}

void GetReadings(const Request& request) {
  auto query = TakeReadingQuery(request);
  if (!query) return;
  if (FindThing(request.view, query->thing) == nullptr && !IsStored(request.view, query->thing)) {
    return UnknownThing(request, query->thing);
  }
  const std::size_t limit = query->limit;
  const bool newest = query->newest_first;
  ++query->limit;  // one more than asked tells whether there are more
  request.view.Readings(std::move(*query), [request, limit, newest](Result<std::vector<StoredReading>> rows) {
    if (!rows) return request.Answer(rows.error());
    const bool more = rows->size() > limit;
    if (more) rows->erase(newest ? rows->begin() : rows->end() - 1);
    request.respond({.body = RenderReadings(request.Part(2), *rows, newest, more, kMaxRowBytes) + "\n"});
  });
}

ExplainInput GatherExplain(const GatewayView& view, const ThingSettings& thing, const PointSettings& point) {
  ExplainInput in{.thing = thing, .point = point, .upstream = view.settings().upstream, .info = view.Info()};
  for (BusStatus& bus : view.Buses()) {
    if (bus.bus == thing.bus) in.bus = std::move(bus);
  }
  in.status = view.Thing(thing.name);
  in.link = FindLink(view.Links(), thing.name);
  in.outbox = view.Outbox(thing.name);
  in.store = view.Stats();
  in.command = view.Command(thing.name, point.name);
  return in;
}

void GetExplain(const Request& request) {
  const ThingSettings* thing = FindThing(request.view, request.Part(2));
  if (thing == nullptr) return UnknownThing(request, request.Part(2));
  const std::string& name = request.Part(3);
  const auto point = std::find_if(thing->points.begin(), thing->points.end(),
                                  [&name](const PointSettings& candidate) { return candidate.name == name; });
  if (point == thing->points.end()) {
    std::vector<std::string> names;
    for (const PointSettings& candidate : thing->points) names.push_back(candidate.name);
    return request.Fail(404, fmt::format("{} has no point \"{}\"", thing->name, name),
                        NameHint(name, names, fmt::format("it has: {}", fmt::join(names, ", "))));
  }
  ReadingQuery newest{.thing = thing->name, .limit = 1, .newest_first = true};
  request.view.Readings(std::move(newest), [request, in = GatherExplain(request.view, *thing, *point)](
                                               Result<std::vector<StoredReading>> rows) mutable {
    if (!rows) in.store_error = rows.error().message;
    if (rows && !rows->empty()) {
      in.newest = std::move(rows->back());
      in.delivery = request.view.ExplainDelivery(in.thing.name, in.newest->reading.seq);
    }
    request.Answer(Render(Explain(in)));
  });
}

// The shadow that a request names, or false after it has answered. "" is the classic one.
bool TakeShadowName(const Request& request, std::string& name) {
  if (FindThing(request.view, request.Part(2)) == nullptr && !IsGateway(request.view, request.Part(2))) {
    UnknownThing(request, request.Part(2));
    return false;
  }
  for (const auto& [key, value] : request.target.query) {
    if (key != "name") {
      request.Fail(400, fmt::format("unknown parameter \"{}\"", key), "known: name");
      return false;
    }
    name = value;
  }
  return true;
}

void AnswerShadow(const Request& request, const std::string& name,
                  OrderedJson (*render)(const ShadowState& shadow) = RenderShadow) {
  const auto shadow = request.view.Shadow(request.Part(2), name);
  if (!shadow) return request.Fail(404, shadow.error().message, {});
  request.Answer(render(*shadow));
}

void GetShadow(const Request& request) {
  std::string name;
  if (TakeShadowName(request, name)) AnswerShadow(request, name);
}

void GetShadowDiff(const Request& request) {
  std::string name;
  if (TakeShadowName(request, name)) AnswerShadow(request, name, RenderShadowDiff);
}

void SetDesired(const Request& request) {
  std::string name;
  if (!TakeShadowName(request, name)) return;
  if (IsGateway(request.view, request.Part(2))) {
    return request.Fail(400,
                        fmt::format("{} is the gateway's own thing: nothing can be desired of it", request.Part(2)),
                        "its shadow `health` only reports");
  }
  auto patch = ParseJson(request.body);
  if (!patch) return request.Fail(400, patch.error().message, "the body is a JSON object of keys and values");
  if (!patch->is_object()) return request.Fail(400, "the body is not a JSON object", R"(such as {"setpoint":21.5})");
  request.view.SetDesired(request.Part(2), name, *patch, [request, name](const Status& status) {
    if (!status) return request.Answer(status.error());
    AnswerShadow(request, name);
  });
}

void GetBuses(const Request& request) {
  OrderedJson rows = OrderedJson::array();
  for (const BusStatus& bus : request.view.Buses()) rows.push_back(Render(bus));
  request.Answer(OrderedJson{{"buses", std::move(rows)}});
}

constexpr std::uint64_t kDefaultAskMs = 5000;
constexpr std::uint64_t kMaxAskMs = BusManager::kMaxAskTime / std::chrono::milliseconds(1);
// For a driver that ends just after its deadline, and for one that is killed because it does not.
constexpr Duration kAskGrace = std::chrono::seconds(4);

void AskBus(const Request& request) {
  const std::string& bus = request.Part(2);
  const auto& buses = request.view.settings().buses;
  if (std::none_of(buses.begin(), buses.end(), [&bus](const BusSettings& b) { return b.name == bus; })) {
    std::vector<std::string> names;
    for (const BusSettings& known : buses) names.push_back(known.name);
    return request.Fail(404, fmt::format("no bus is called \"{}\"", bus),
                        NameHint(bus, names, "`penumbra buses` lists them"));
  }
  const auto question = ParseJson(request.body);
  if (!question || !question->is_object()) {
    return request.Fail(400, question ? "the question is no JSON object" : question.error().message,
                        R"(the body is a question such as {"ask":"plan"})");
  }
  std::uint64_t timeout_ms = kDefaultAskMs;
  if (!TakeNumber(request, "timeout_ms", kMaxAskMs, timeout_ms)) return;
  request.view.AskBus(bus, *question, std::chrono::milliseconds(timeout_ms),
                      [request, bus](Result<OrderedJson> answer) {
                        if (!answer) return request.Answer(answer.error());
                        request.Answer(OrderedJson{{"bus", bus}, {"answer", std::move(*answer)}});
                      });
}

// Of every thing with a session, or of one.
void GetOrders(const Request& request) {
  std::vector<std::string> names;
  for (const LinkStatus& link : request.view.Links()) names.push_back(link.thing);
  if (request.target.path.size() > 2) {
    const std::string& thing = request.Part(2);
    if (std::find(names.begin(), names.end(), thing) == names.end() && FindThing(request.view, thing) == nullptr) {
      return UnknownThing(request, thing);
    }
    names = {thing};
  }
  request.Answer(RenderOrders(request.view, names));
}

void GetOutbox(const Request& request) {
  request.Answer(RenderOutbox(request.view));
}

void GetStore(const Request& request) {
  request.Answer(RenderStore(request.view));
}

void VacuumStore(const Request& request) {
  const StoreStats stats = request.view.Stats();
  if (stats.vacuuming)
    return request.Fail(409, "the store is being vacuumed already", "`penumbra store stats` shows it");
  // It may take longer than anybody waits for an answer: "vacuuming" of /v1/store says when it is over.
  request.view.Vacuum([](const Result<std::uint64_t>& given_back) {
    if (!given_back) return log::Warning("store.vacuum_failed", given_back.error().message);
    log::Notice("store.vacuumed", "unused pages went back to the file system", {{"bytes", *given_back}});
  });
  request.Answer(OrderedJson{{"started", true}, {"bytes", stats.file_bytes}});
}

// Reading the configuration asks the drivers, which a slow card makes slow (app/patience.hpp).
constexpr Duration kReloadTime = std::chrono::minutes(1);

constexpr std::uint64_t kMaxTrialMs = 10 * 60 * 1000;

void Reload(const Request& request) {
  int dry_run = 0;
  std::uint64_t trial_ms = 0;
  for (const auto& [name, value] : request.target.query) {
    if (name != "dry_run" && name != "trial_ms") {
      return request.Fail(400, fmt::format("unknown parameter \"{}\"", name), "known: dry_run, trial_ms");
    }
  }
  if (!TakeNumber(request, "dry_run", 1, dry_run) || !TakeNumber(request, "trial_ms", kMaxTrialMs, trial_ms)) return;
  if (dry_run == 1 && trial_ms != 0) return request.Fail(400, "a dry run is no trial: dry_run or trial_ms", {});
  const auto answer = [request](const Result<ReloadReport>& report) {
    if (!report) return request.Answer(report.error());
    request.Answer(Render(*report));
  };
  if (trial_ms != 0) return request.view.TryReload(std::chrono::milliseconds(trial_ms), answer);
  request.view.Reload(dry_run == 1, answer);
}

void GetConfig(const Request& request) {
  request.Answer(RenderConfig(request.view));
}

void GetMetrics(const Request& request) {
  request.respond(
      {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = Metrics(request.view, request.counters)});
}

// --- The table ---------------------------------------------------------------------------------------------------

struct Route {
  std::string_view method;
  std::vector<std::string_view> path;  // "*" stands for any one segment
  void (*handler)(const Request&);
};

const std::vector<Route>& Routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", {"v1", "status"}, GetStatus},
      {"GET", {"v1", "things"}, GetThings},
      {"GET", {"v1", "things", "*"}, GetThing},
      {"POST", {"v1", "things", "*", "read"}, ReadThing},
      {"POST", {"v1", "things", "*", "rotate"}, RotateThing},
      {"GET", {"v1", "readings", "*"}, GetReadings},
      {"GET", {"v1", "explain", "*", "*"}, GetExplain},
      {"GET", {"v1", "shadows", "*"}, GetShadow},
      {"GET", {"v1", "shadows", "*", "diff"}, GetShadowDiff},
      {"POST", {"v1", "shadows", "*", "desired"}, SetDesired},
      {"GET", {"v1", "buses"}, GetBuses},
      {"POST", {"v1", "buses", "*", "ask"}, AskBus},
      {"GET", {"v1", "orders"}, GetOrders},
      {"GET", {"v1", "orders", "*"}, GetOrders},
      {"GET", {"v1", "outbox"}, GetOutbox},
      {"GET", {"v1", "store"}, GetStore},
      {"POST", {"v1", "store", "vacuum"}, VacuumStore},
      {"GET", {"v1", "config"}, GetConfig},
      {"POST", {"v1", "reload"}, Reload},
      {"GET", {"metrics"}, GetMetrics},
  };
  return kRoutes;
}

bool Matches(const Route& route, const std::vector<std::string>& path) {
  return std::equal(
      route.path.begin(), route.path.end(), path.begin(), path.end(),
      [](std::string_view pattern, const std::string& part) { return pattern == "*" || pattern == part; });
}

}  // namespace

Response ErrorResponse(int status, std::string_view error, std::string_view hint) {
  return {.status = status, .body = Text(RenderError(error, hint)) + "\n"};
}

// A rotation may wait for others, and for the cloud.
constexpr Duration kRotateTime = std::chrono::minutes(5);

// A trial is looked at to its end, and taken back then.
Duration ReloadTime(const Target& target, Duration usual) {
  std::uint64_t trial_ms = 0;
  for (const auto& [name, value] : target.query) {
    if (name == "trial_ms") trial_ms = ParseNumber(value, kMaxTrialMs).value_or(0);
  }
  return std::max(usual, kReloadTime) + 2 * Duration(std::chrono::milliseconds(trial_ms));
}

Duration AnswerTime(std::string_view target, Duration usual) {
  const auto parsed = ParseTarget(target);
  if (parsed && parsed->path.size() == 2 && parsed->path[1] == "reload") return ReloadTime(*parsed, usual);
  if (parsed && parsed->path.size() == 4 && parsed->path[1] == "things" && parsed->path[3] == "rotate") {
    return kRotateTime;
  }
  const bool ask = parsed && parsed->path.size() == 4 && parsed->path[1] == "buses" && parsed->path[3] == "ask";
  if (!ask) return usual;
  for (const auto& [name, value] : parsed->query) {
    const auto ms = name == "timeout_ms" ? ParseNumber(value, kMaxAskMs) : std::nullopt;
    // Its turn on the bus may come late.
    if (ms) return std::max(usual, Duration(std::chrono::milliseconds(*ms)) + usual + kAskGrace);
  }
  return usual;
}

void Handle(GatewayView& view, const ApiCounters& counters, std::string_view method, std::string_view target,
            std::string_view body, Respond respond) {
  auto parsed = ParseTarget(target);
  if (!parsed) return respond(ErrorResponse(400, parsed.error().message));
  std::string allow;
  for (const Route& route : Routes()) {
    if (!Matches(route, parsed->path)) continue;
    if (route.method == method) return route.handler({view, counters, std::move(*parsed), body, std::move(respond)});
    allow = route.method;
  }
  if (allow.empty()) {
    return respond(
        ErrorResponse(404, "no such path",
                      "known: /v1/status, /v1/things, /v1/readings/<thing>, /v1/explain/<thing>/<point>, "
                      "/v1/shadows/<thing>, /v1/buses, /v1/buses/<bus>/ask, /v1/orders, /v1/outbox, /v1/store, "
                      "/v1/config, "
                      "/v1/reload, /metrics"));
  }
  Response response = ErrorResponse(405, fmt::format("use {} here", allow));
  response.allow = allow;
  respond(std::move(response));
}

}  // namespace penumbra::api
