#include "cli/bus_plan.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace penumbra::cli {
namespace {

std::string TextOf(const OrderedJson& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) return "-";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

double NumberOf(const OrderedJson& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}

std::string PlaceOf(const OrderedJson& request) {
  const auto first = static_cast<std::int64_t>(NumberOf(request, "address"));
  const auto count = static_cast<std::int64_t>(NumberOf(request, "count"));
  return count > 1 ? fmt::format("{} {}-{}", TextOf(request, "table"), first, first + count - 1)
                   : fmt::format("{} {}", TextOf(request, "table"), first);
}

std::string Names(const OrderedJson& object, const char* key) {
  std::string text;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return text;
  for (const OrderedJson& name : *it)
    text += (text.empty() ? "" : " ") + (name.is_string() ? name.get<std::string>() : "");
  return text;
}

std::string Percent(const OrderedJson& object) {
  return object.contains("load") ? fmt::format("{:.1f} %", NumberOf(object, "load") * 100) : "-";
}

}  // namespace

OrderedJson PlanJson(const std::string& bus, const OrderedJson& answer,
                     const std::map<std::string, Duration>& intervals) {
  OrderedJson requests = OrderedJson::array(), things = OrderedJson::array();
  double load = 0;
  for (const OrderedJson& object : answer) {
    if (!object.is_object()) continue;
    if (TextOf(object, "answer") == "request") requests.push_back(object);
    if (TextOf(object, "answer") != "thing") continue;
    OrderedJson thing = object;
    const auto interval = intervals.find(TextOf(object, "thing"));
    if (interval != intervals.end() && interval->second > Duration::zero()) {
      const double interval_us = static_cast<double>(interval->second.count()) / 1000;
      const double share = NumberOf(object, "time_us") / interval_us;
      thing["interval_ms"] = static_cast<std::int64_t>(interval_us / 1000);
      thing["load"] = share;
      load += share;
    }
    things.push_back(std::move(thing));
  }
  if (things.empty()) return {};
  return {{"bus", bus},
          {"requests", std::move(requests)},
          {"things", std::move(things)},
          {"load", load},
          {"overloaded", load > 1}};
}

std::string PlanView(const OrderedJson& plan, const Style& style) {
  Table requests({{"THING"}, {"UNIT", true}, {"READS"}, {"BYTES", true}, {"TIME ms", true}, {"POINTS"}});
  for (const OrderedJson& request : plan["requests"]) {
    requests.Row({{TextOf(request, "thing")},
                  {TextOf(request, "unit")},
                  {PlaceOf(request)},
                  {TextOf(request, "bytes")},
                  {fmt::format("{:.1f}", NumberOf(request, "time_us") / 1000)},
                  {Names(request, "points")}});
  }
  Table things({{"THING"},
                {"REQUESTS", true},
                {"BYTES", true},
                {"TIME ms", true},
                {"INTERVAL", true},
                {"LOAD", true},
                {"REFUSED BY THE DEVICE"}});
  for (const OrderedJson& thing : plan["things"]) {
    const auto interval = std::chrono::milliseconds(static_cast<std::int64_t>(NumberOf(thing, "interval_ms")));
    things.Row({{TextOf(thing, "thing")},
                {TextOf(thing, "requests")},
                {TextOf(thing, "bytes")},
                {fmt::format("{:.1f}", NumberOf(thing, "time_us") / 1000)},
                {thing.contains("load") ? FormatDuration(interval) : "-"},
                {Percent(thing)},
                {Names(thing, "refused")}});
  }
  return requests.Text(style) + "\n" + things.Text(style) +
         fmt::format("\nPredicted load of bus {}: {}\n", TextOf(plan, "bus"), Percent(plan));
}

std::string PlanWarning(const OrderedJson& plan) {
  if (!plan["overloaded"].get<bool>()) return {};
  return fmt::format(
      "bus {} needs {} of its time: polls will be late. Longer sample intervals, fewer points, a higher "
      "baud rate or a second bus help",
      TextOf(plan, "bus"), Percent(plan));
}

}  // namespace penumbra::cli
