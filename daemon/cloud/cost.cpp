#include "cloud/cost.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "cloud/infrastructure.hpp"
#include "cloud/topics.hpp"
#include "model/reading.hpp"
#include "model/telemetry_batch.hpp"
#include "rules/parser.hpp"
#include "rules/topic_filter.hpp"
#include "shadow/sync.hpp"

namespace penumbra::cloud {
namespace {

constexpr double kMonthSeconds = 30.0 * 86'400;
constexpr double kMinutes = kMonthSeconds / 60;

Range operator+(Range a, Range b) {
  return {a.least + b.least, a.most + b.most};
}
Range operator*(Range a, double factor) {
  return {a.least * factor, a.most * factor};
}

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// As long as a real one: times and sequence numbers have 13 digits, a value is written like 22.5.
Reading Sample(const ThingSettings& thing) {
  Reading reading;
  reading.thing = thing.name;
  reading.seq = reading.unix_ms = 1'763'841'600'123;
  for (const PointSettings& point : thing.points) reading.values.push_back({point.name, 22.5, Quality::kGood, ""});
  return reading;
}

std::size_t MessageBytes(const ThingSettings& thing) {
  return TelemetryJson(Sample(thing), thing.primary).size() + thing.topic.size();
}

double Units(std::size_t bytes, std::uint64_t unit) {
  return std::ceil(static_cast<double>(bytes) / static_cast<double>(unit));
}

// How often something is told by exception: at least each heartbeat, at most each poll.
Range Reports(const ThingSettings& thing, double polls) {
  double silence = Seconds(std::chrono::hours(24));
  double interval = 0;
  for (const PointSettings& point : thing.points) {
    silence = std::min(silence, Seconds(point.report.max_silence));
    interval = std::max(interval, Seconds(point.report.min_interval));
  }
  const double most = interval > 0 ? std::min(polls, kMonthSeconds / interval) : polls;
  return {std::min(most, kMonthSeconds / std::max(1.0, silence)), most};
}

// Measured values alone do not make a report more often than that in the long run.
Range ShadowReports(const ThingSettings& thing, double polls) {
  const double pace = kMonthSeconds / Seconds(shadow::SyncOptions{}.value_interval);
  const Range told = Reports(thing, polls);
  return {std::min(told.least, pace), std::min(told.most, pace)};
}

bool IsBasicIngest(const std::string& topic) {
  return topic.starts_with("$aws/rules/");
}

// The topics of the things as one key of the configuration, as far as they have one form.
std::string FormOf(const std::vector<ThingSettings>& things) {
  std::set<std::string> forms;
  for (const ThingSettings& thing : things) {
    if (IsBasicIngest(thing.topic)) continue;
    std::string form = thing.topic;
    if (const auto at = form.find(thing.name); at != std::string::npos) form.replace(at, thing.name.size(), "{thing}");
    forms.insert(std::move(form));
  }
  return forms.size() == 1 ? *forms.begin() : "TOPIC";
}

// What goes out of a thing's readings: `readings` in each message of `bytes`, topic included, on `topic`.
struct Sending {
  std::string topic;
  double readings = 1;
  std::size_t bytes = 0;
};

Sending HowSent(const ThingSettings& thing) {
  const std::size_t one = TelemetryJson(Sample(thing), thing.primary).size();
  if (!thing.batch_interval || !thing.batch_bytes) return {thing.topic, 1, one + thing.topic.size()};
  // As many as fit, come in time, and the sender keeps at most (OutboxSender::kMaxFresh / 2).
  const auto limit = std::min<std::uint64_t>(*thing.batch_bytes, TelemetryBatch::kMaxBytes);
  const double fit = std::floor(static_cast<double>(limit - 1) / static_cast<double>(one + 1));
  const double come = std::floor(Seconds(*thing.batch_interval) / std::max(0.05, Seconds(thing.sample_interval)));
  const double readings = std::max(1.0, std::min({fit, come, 128.0}));
  const std::string topic = BatchTopic(thing.name);
  return {topic, readings, static_cast<std::size_t>(readings) * (one + 1) + 1 + topic.size()};
}

struct Counts {
  Range messages, shadow, triggers, actions, begin, reserved;
  double minutes = 0;
};

// AWS says to expect one or two weeks of a connection at best (aws-iot-core.md section 1); one a day is a poor line.
constexpr Range kSessions{kMonthSeconds / (14 * 86'400), kMonthSeconds / 86'400};
// An update, its `accepted`, the new document, and the device's PUBACKs of both.
constexpr double kMessagesOfAnUpdate = 5;

double Filters(Settings settings, const DutySettings& duties) {
  settings.credentials.template_name.clear();  // its answers are for those who ask
  const auto topics = TopicsOf(settings, "+", duties);
  return static_cast<double>(std::count_if(topics.begin(), topics.end(),
                                           [](const CloudTopic& topic) { return topic.use == Use::kSubscribe; }));
}

// Of a thing's sessions: CONNECT, presence, the GET of each shadow; one SUBSCRIBE for each filter where the cloud has
// not kept the session, as it does while a gateway only connects anew.
void CountSessions(bool retained, double filters, double shadows, Counts& counts) {
  const double always = retained ? 3 : 2;
  counts.begin = counts.begin + kSessions * always + Range{filters, kSessions.most * filters};
  counts.shadow = counts.shadow + kSessions * shadows;
  // GET and its answer, the question for jobs and its answer, and a PUBACK for each answer.
  counts.reserved = counts.reserved + kSessions * (3 * (shadows + 1));
}

Counts CountThing(const ThingSettings& thing, const std::vector<RuleSettings>& rules, const Prices& prices) {
  Counts counts;
  const double polls = kMonthSeconds / std::max(0.05, Seconds(thing.sample_interval));
  const Range told = thing.telemetry == Telemetry::kOnReport ? Reports(thing, polls) : Range{polls, polls};
  const Sending sending = HowSent(thing);
  const Range messages = told * (1 / sending.readings) * Units(sending.bytes, prices.message_unit);
  if (!IsBasicIngest(sending.topic)) counts.messages = messages;
  for (const RuleSettings& rule : rules) {
    const auto parsed = rules::ParseStatement(rule.sql);
    if (!parsed || !rules::RuleSees(rule.name, parsed->statement.filter, sending.topic)) continue;
    // By units of 5 KB like messages, with and without the broker.
    counts.triggers = counts.triggers + messages;
    // A rule with a condition acts when it holds, which may be never.
    counts.actions = counts.actions + Range{parsed->statement.select.where ? 0 : messages.least, messages.most};
  }
  const double units = Units(MessageBytes(thing) + 64, prices.shadow_unit);
  const Range reports = ShadowReports(thing, polls);
  counts.shadow = reports * units;
  counts.reserved = reports * kMessagesOfAnUpdate;
  counts.minutes = kMinutes;
  return counts;
}

std::vector<CostRow> Rows(const Settings& settings, const std::vector<RuleSettings>& rules, const Prices& prices,
                          const DutySettings& duties, CostRow* unsettled = nullptr) {
  const HealthSettings& health = duties.health;
  const bool retained = settings.upstream.status_retained;
  const double filters = Filters(settings, {});
  Counts all;
  for (const ThingSettings& thing : settings.things) {
    const Counts one = CountThing(thing, rules, prices);
    all.reserved = all.reserved + one.reserved;
    CountSessions(retained, filters, 1, all);
    all.messages = all.messages + one.messages;
    all.shadow = all.shadow + one.shadow;
    all.triggers = all.triggers + one.triggers;
    all.actions = all.actions + one.actions;
    all.minutes += one.minutes;
  }
  if (!settings.gateway.thing.empty()) {
    all.minutes += kMinutes;
    // The shadow `health` at least once an interval, and each time that something changes: taken to be rare.
    const double reports = kMonthSeconds / std::max(1.0, Seconds(health.interval));
    all.shadow = all.shadow + Range{reports, reports};
    all.reserved = all.reserved + Range{reports, reports} * kMessagesOfAnUpdate;
    CountSessions(retained, Filters(settings, duties), 2, all);
    // The report and its answer.
    const double metrics = health.defender ? 2 * std::min(reports, kMonthSeconds / 300) : 0;
    all.messages = all.messages + Range{metrics, metrics};
  }
  const auto row = [](std::string what, Range count, double million) {
    return CostRow{std::move(what), count, count * (million / 1e6)};
  };
  if (unsettled != nullptr)
    *unsettled = row("updates and answers of shadows as messages", all.reserved, prices.messages);
  return {row("connection minutes", {all.minutes, all.minutes}, prices.connection_minutes),
          row("messages (5 KB units)", all.messages, prices.messages),
          row("shadow operations (1 KB units)", all.shadow, prices.shadow_operations),
          row("rules triggered", all.triggers, prices.rule_triggers),
          row("rule actions", all.actions, prices.rule_actions),
          row("begin of sessions (CONNECT, SUBSCRIBE, presence)", all.begin, prices.messages)};
}

Range Total(const std::vector<CostRow>& rows) {
  Range total;
  for (const CostRow& row : rows) total = total + row.price;
  return total;
}

}  // namespace

Result<Prices> ParsePrices(std::string_view json) {
  const auto parsed = ParseJson(json);
  if (!parsed) return Fail(Action::kFixConfig, "price file: " + parsed.error().message);
  Prices prices;
  prices.as_of = GetString(*parsed, "as_of").value_or("");
  prices.region = GetString(*parsed, "region").value_or("");
  prices.source = GetString(*parsed, "source").value_or("");
  prices.message_unit = static_cast<std::uint64_t>(GetInt(*parsed, "message_unit_bytes").value_or(0));
  prices.shadow_unit = static_cast<std::uint64_t>(GetInt(*parsed, "shadow_unit_bytes").value_or(0));
  if (prices.as_of.empty() || prices.message_unit == 0 || prices.shadow_unit == 0) {
    return Fail(Action::kFixConfig, "price file: as_of, message_unit_bytes and shadow_unit_bytes must be there");
  }
  const auto table = parsed->find("per_million");
  const std::pair<const char*, double*> wanted[] = {{"connection_minutes", &prices.connection_minutes},
                                                    {"messages", &prices.messages},
                                                    {"shadow_operations", &prices.shadow_operations},
                                                    {"rule_triggers", &prices.rule_triggers},
                                                    {"rule_actions", &prices.rule_actions}};
  for (const auto& [name, out] : wanted) {
    const auto price = table == parsed->end() ? std::nullopt : GetNumber(*table, name);
    if (!price || !(*price >= 0)) {
      return Fail(Action::kFixConfig,
                  fmt::format("price file: per_million.{} must be a number of dollars, 0 or more", name));
    }
    *out = *price;
  }
  return prices;
}

Cost Estimate(const Settings& settings, const std::vector<RuleSettings>& rules, const Prices& prices,
              const DutySettings& duties) {
  Cost cost;
  cost.rows = Rows(settings, rules, prices, duties, &cost.unsettled);
  cost.total = Total(cost.rows);
  for (const ThingSettings& thing : settings.things) {
    cost.message_bytes = std::max(cost.message_bytes, MessageBytes(thing));
  }
  const auto consider = [&](std::string how, auto change) {
    Settings changed = settings;
    for (ThingSettings& thing : changed.things) change(thing);
    const Range total = Total(Rows(changed, rules, prices, duties));
    if (total.most < cost.total.most - 1e-9 || total.least < cost.total.least - 1e-9) {
      cost.savings.push_back({std::move(how), total});
    }
  };
  consider("sample_interval twice as long", [](ThingSettings& thing) { thing.sample_interval *= 2; });
  consider("telemetry = \"on_report\" (deadband, max_silence)",
           [](ThingSettings& thing) { thing.telemetry = Telemetry::kOnReport; });
  consider(
      "batch = \"4.5KiB\", batch_interval = \"5m\" (arrays on sensors/<thing>/batch, which rules that write to a table "
      "do "
      "not take)",
      [](ThingSettings& thing) {
        if (thing.batch_interval || IsBasicIngest(thing.topic)) return;
        thing.batch_bytes = 4608;
        thing.batch_interval = std::chrono::minutes(5);
      });
  const auto store =
      std::find_if(rules.begin(), rules.end(), [](const auto& rule) { return rule.action == "dynamodb"; });
  if (store != rules.end()) {
    consider(fmt::format("Basic Ingest: topic = \"$aws/rules/{}/{}\" (one rule only sees it)", store->name,
                         FormOf(settings.things)),
             [&store](ThingSettings& thing) {
               if (!IsBasicIngest(thing.topic)) thing.topic = "$aws/rules/" + store->name + "/" + thing.topic;
             });
  }
  return cost;
}

OrderedJson Render(const Cost& cost, const Prices& prices) {
  const auto range = [](Range r) { return OrderedJson{{"least", r.least}, {"most", r.most}}; };
  OrderedJson rows = OrderedJson::array(), savings = OrderedJson::array();
  const auto render = [&range](const CostRow& row) {
    return OrderedJson{{"what", row.what}, {"count", range(row.count)}, {"dollars", range(row.price)}};
  };
  for (const CostRow& row : cost.rows) rows.push_back(render(row));
  for (const Saving& saving : cost.savings) {
    savings.push_back({{"how", saving.how}, {"dollars", range(saving.price)}});
  }
  return {{"month_days", 30},
          {"prices", {{"as_of", prices.as_of}, {"region", prices.region}, {"source", prices.source}}},
          {"message_bytes", cost.message_bytes},
          {"rows", std::move(rows)},
          {"dollars", range(cost.total)},
          {"not_settled", render(cost.unsettled)},
          {"savings", std::move(savings)}};
}

}  // namespace penumbra::cloud
