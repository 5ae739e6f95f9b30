#include "cloud/topics.hpp"

#include <algorithm>

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

std::string WithPlaceholder(const std::string& topic, const std::string& thing, const std::string& placeholder) {
  std::string out;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t slash = topic.find('/', begin);
    const std::string level = topic.substr(begin, slash == std::string::npos ? slash : slash - begin);
    out += level == thing ? placeholder : level;
    if (slash == std::string::npos) return out;
    out += '/';
    begin = slash + 1;
  }
}

std::vector<CloudTopic> TopicsOf(const Settings& settings, const std::string& placeholder) {
  Collector topics;
  for (const ThingSettings& thing : settings.things) {
    topics.Add(Use::kPublish, WithPlaceholder(thing.topic, thing.name, placeholder), "readings");
  }
  const std::string sensors = "sensors/" + placeholder;
  const bool batches = std::any_of(settings.things.begin(), settings.things.end(),
                                   [](const ThingSettings& thing) { return thing.batch_bytes.has_value(); });
  if (batches) topics.Add(Use::kPublish, sensors + "/batch", "readings in batches");
  topics.Add(Use::kPublish, sensors + "/gap", "what the disk had no room for");
  topics.Add(Use::kPublish, sensors + "/command/ack", "answers to commands");
  topics.Add(Use::kPublish, "status/" + placeholder, "presence, and the last will: without it CONNECT is refused",
             settings.upstream.status_retained);

  const std::string reserved = "$aws/things/" + placeholder;
  for (const char* request : {"get", "update"}) {
    topics.Add(Use::kPublish, reserved + "/shadow/" + request, "the thing's shadow");
    topics.Add(Use::kPublish, reserved + "/shadow/name/+/" + request, "its named shadows");
  }
  topics.Add(Use::kPublish, reserved + "/jobs/start-next", "jobs: what is next");
  topics.Add(Use::kPublish, reserved + "/jobs/+/update", "jobs: how it went");
  topics.Add(Use::kPublish, "$aws/commands/things/" + placeholder + "/executions/+/response/json",
             "answers to commands of AWS IoT's commands feature");
  topics.Add(Use::kPublish, reserved + "/defender/metrics/json", "Device Defender metrics");

  topics.Add(Use::kSubscribe, "commands/" + placeholder + "/#", "commands");
  for (std::string& filter : shadow::ThingShadows::Filters(placeholder)) {
    topics.Add(Use::kSubscribe, std::move(filter), "answers and news of shadows");
  }
  topics.Add(Use::kSubscribe, reserved + "/jobs/notify-next", "a job is waiting");
  topics.Add(Use::kSubscribe, reserved + "/jobs/start-next/+", "jobs: the next one");
  topics.Add(Use::kSubscribe, reserved + "/jobs/+/update/+", "jobs: updates taken or refused");
  topics.Add(Use::kSubscribe, "$aws/commands/things/" + placeholder + "/executions/+/request/json",
             "commands of AWS IoT's commands feature");
  return topics.Take();
}

}  // namespace penumbra::cloud
