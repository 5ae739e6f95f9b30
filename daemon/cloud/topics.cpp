#include "cloud/topics.hpp"

#include <algorithm>
#include <cctype>

#include "identity/answers.hpp"
#include "model/defender.hpp"
#include "model/telemetry_batch.hpp"
#include "orders/answers.hpp"
#include "orders/book.hpp"
#include "shadow/thing_shadows.hpp"

namespace penumbra::cloud {
namespace {

class Collector {
 public:
  void Add(Use use, std::string topic, std::string why, bool retain = false) {
    const auto same = [&](const CloudTopic& known) { return known.use == use && known.topic == topic; };
    if (std::any_of(topics_.begin(), topics_.end(), same)) return;
    topics_.push_back({use, std::move(topic), std::move(why), retain});
  }
  std::vector<CloudTopic> Take() { return std::move(topics_); }

 private:
  std::vector<CloudTopic> topics_;
};

}  // namespace

std::size_t FindName(std::string_view level, std::string_view thing) {
  const auto in_a_word = [level](std::size_t at) {
    return at < level.size() && std::isalnum(static_cast<unsigned char>(level[at])) != 0;
  };
  for (std::size_t at = level.find(thing); at != std::string_view::npos; at = level.find(thing, at + 1)) {
    if (!(at > 0 && in_a_word(at - 1)) && !in_a_word(at + thing.size())) return at;
  }
  return std::string_view::npos;
}

std::string WithPlaceholder(const std::string& topic, const std::string& thing, const std::string& placeholder) {
  std::string out;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t slash = topic.find('/', begin);
    std::string level = topic.substr(begin, slash == std::string::npos ? slash : slash - begin);
    if (const std::size_t at = FindName(level, thing); at != std::string_view::npos) {
      placeholder == "+" ? level = "+" : level.replace(at, thing.size(), placeholder);
    }
    out += level;
    if (slash == std::string::npos) return out;
    out += '/';
    begin = slash + 1;
  }
}

std::vector<CloudTopic> TopicsOf(const Settings& settings, const std::string& placeholder, const DutySettings& duties) {
  Collector topics;
  // First of those that use their topic always: the reason that is said of it is theirs.
  for (const bool collects : {false, true}) {
    for (const ThingSettings& thing : settings.things) {
      if (thing.batch_interval.has_value() != collects) continue;
      topics.Add(Use::kPublish, WithPlaceholder(thing.topic, thing.name, placeholder),
                 collects ? "readings while the cloud refuses their batches" : "readings");
    }
  }
  const bool batches = std::any_of(settings.things.begin(), settings.things.end(),
                                   [](const ThingSettings& thing) { return thing.batch_bytes.has_value(); });
  if (batches) topics.Add(Use::kPublish, BatchTopic(placeholder), "readings in batches");
  if (!settings.things.empty()) {
    topics.Add(Use::kPublish, "sensors/" + placeholder + "/gap", "which readings are lost, and why");
  }
  topics.Add(Use::kPublish, "status/" + placeholder, "presence, and the last will: without it CONNECT is refused",
             settings.upstream.status_retained);

  const std::string reserved = "$aws/things/" + placeholder;
  for (const char* request : {"get", "update"}) {
    topics.Add(Use::kPublish, reserved + "/shadow/" + request, "the thing's shadow");
    topics.Add(Use::kPublish, reserved + "/shadow/name/+/" + request, "its named shadows");
  }
  for (std::string& filter : shadow::ThingShadows::Filters(placeholder)) {
    topics.Add(Use::kSubscribe, std::move(filter), "answers and news of shadows");
  }
  topics.Add(Use::kPublish, orders::CommandAnswerTopic(placeholder), "answers to commands");
  topics.Add(Use::kPublish, reserved + "/jobs/start-next", "takes the next job");
  topics.Add(Use::kPublish, orders::JobUpdateTopic(placeholder, "+"), "what became of a job");
  topics.Add(Use::kPublish, orders::ExecutionAnswerTopic(placeholder, "+"), "what became of a command execution");
  for (std::string& filter : orders::OrderBook::Filters(placeholder)) {
    topics.Add(Use::kSubscribe, std::move(filter), "commands, jobs, executions");
  }
  if (duties.health.defender && !settings.gateway.thing.empty()) {
    const std::string metrics = DefenderTopic(placeholder);
    topics.Add(Use::kPublish, metrics, "Device Defender's metrics, of the gateway");
    for (const char* answer : {"/accepted", "/rejected"}) {
      topics.Add(Use::kSubscribe, metrics + answer, "whether they were taken");
    }
  }
  if (const std::string& name = settings.credentials.template_name; !name.empty()) {
    for (const std::string& topic : {identity::kCreateTopic, identity::ProvisionTopic(name)}) {
      topics.Add(Use::kPublish, topic, "a new certificate (`penumbra cert rotate`)");
      for (const char* answer : {"/accepted", "/rejected"}) {
        topics.Add(Use::kSubscribe, topic + answer, "answers about a new certificate");
      }
    }
  }
  return topics.Take();
}

}  // namespace penumbra::cloud
