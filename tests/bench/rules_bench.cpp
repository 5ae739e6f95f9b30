// Messages a second through rules, on one thread: the payload is parsed once for all of them, each rule that sees the
// topic is run, and the input of its action is made (table keys checked). Rates are by the thread's CPU time, which is
// what one core does; "wall" is by the clock and lower on a busy machine. The guide's two rules first, which are the
// target's (100,000 a second), then the two that Penumbra writes, and the parts. One JSON line per row, medians of
// runs.
//
//   rules_bench [messages=200000] [runs=5]
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "model/reading.hpp"
#include "rules/action.hpp"
#include "rules/rule.hpp"

namespace penumbra {
namespace {

struct Configured {
  std::string name;
  rules::Rule rule;
  rules::Action action;
};

Configured Make(const char* name, const char* sql, const char* action) {
  return {name, std::move(*rules::Rule::Parse(sql)), std::move(*rules::Action::Make(action, "target"))};
}

// A hundred different messages of ten things, one in ten of them too hot.
std::vector<std::pair<std::string, std::string>> Messages() {
  std::vector<std::pair<std::string, std::string>> messages;
  for (int i = 0; i < 100; ++i) {
    Reading reading;
    reading.thing = fmt::format("sensor-{:03}", i % 10);
    reading.seq = 4711 + static_cast<std::uint64_t>(i);
    reading.unix_ms = 1'763'841'600'123 + i * 30'000;
    const double temperature = i % 10 == 3 ? 41.5 : 20 + i % 7 * 0.5;
    reading.values = {{"temperature", temperature, Quality::kGood, ""}, {"humidity", 51.2, Quality::kGood, ""}};
    messages.emplace_back("sensors/" + reading.thing + "/temperature", TelemetryJson(reading, "temperature"));
  }
  return messages;
}

double CpuSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Counts {
  std::size_t fired = 0, bytes = 0;
};

void RunOne(const std::vector<Configured>& rules, const std::pair<std::string, std::string>& message, Counts& counts) {
  const rules::Payload payload(message.second);
  rules::Facts facts;
  facts.topic = message.first;
  for (const Configured& configured : rules) {
    if (!configured.rule.Sees(configured.name, message.first)) continue;
    const rules::Outcome outcome = configured.rule.Run(payload, facts);
    if (outcome.kind != rules::Outcome::Kind::kFired) continue;
    const auto delivery = configured.action.Deliver(outcome, payload, facts);
    if (!delivery.refused.empty()) std::abort();
    ++counts.fired;
    counts.bytes += delivery.input.size();
  }
}

void Report(const char* what, const std::vector<Configured>& rules, int count, int runs) {
  const auto messages = Messages();
  std::vector<double> rates, wall;
  Counts counts;
  for (int run = 0; run < runs; ++run) {
    counts = {};
    const auto start = std::chrono::steady_clock::now();
    const double cpu_start = CpuSeconds();
    for (int i = 0; i < count; ++i) RunOne(rules, messages[static_cast<std::size_t>(i) % messages.size()], counts);
    rates.push_back(count / (CpuSeconds() - cpu_start));
    wall.push_back(count / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(rates.begin(), rates.end());
  std::sort(wall.begin(), wall.end());
  fmt::print(
      "{{\"what\":\"{}\",\"messages_per_s\":{:.0f},\"best\":{:.0f},\"wall\":{:.0f},\"us_per_message\":{:.2f},\"fired\":"
      "{},\"bytes\":{}}"
      "}\n",
      what, rates[rates.size() / 2], rates.back(), wall[wall.size() / 2], 1e6 / rates[rates.size() / 2], counts.fired,
      counts.bytes);
}

}  // namespace
}  // namespace penumbra

int main(int argc, char** argv) {
  using namespace penumbra;
  const int count = argc > 1 ? std::atoi(argv[1]) : 200'000, runs = argc > 2 ? std::atoi(argv[2]) : 5;
  std::vector<Configured> guide, ours;
  guide.push_back(Make("StoreSensorData", "SELECT * FROM 'sensors/+/temperature'", "dynamodb"));
  guide.push_back(
      Make("AnomalyDetection", "SELECT * FROM 'sensors/+/temperature' WHERE value > 40 OR value < 0", "lambda"));
  ours.push_back(
      Make("StoreSensorData",
           "SELECT topic(2) AS device_id, timestamp, seq, humidity, temperature, bad, time, floor(timestamp / 1000) + "
           "2592000 AS ttl FROM 'sensors/+/temperature'",
           "dynamodb"));
  ours.push_back(
      Make("AnomalyDetection", "SELECT * FROM 'sensors/+/temperature' WHERE value > 40 OR value < 0", "lambda"));
  Report("the guide's two rules", guide, count, runs);
  Report("the two rules that penumbra writes", ours, count, runs);
  Report("parsing the payload alone", {}, count, runs);
  return 0;
}
