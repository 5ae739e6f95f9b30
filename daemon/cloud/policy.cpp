#include "cloud/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "cloud/topics.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::string_view kThing = "${iot:ClientId}";
constexpr const char* kOwnClient = "client/${iot:Connection.Thing.ThingName}";

// A filter's wildcards as a policy sees them. In topic/ resources '*' is the only one of ours (it crosses levels).
std::string AsTopic(std::string_view filter) {
  std::string out;
  for (const char c : filter) out += c == '+' || c == '#' ? '*' : c;
  return out;
}

// A topic that has '*' or '?' in its name means that character, which a policy writes "${*}".
std::string Literally(std::string_view topic) {
  std::string out;
  for (const char c : topic) out += c == '*' || c == '?' ? std::string("${") + c + '}' : std::string(1, c);
  return out;
}

// How far lines over the thing's own topics may be widened so that the document fits: first what it hears, and only
// then what it says.
// The last two are for gateways that rotate certificates: four more topics must fit, in regions with long names, too.
enum class Width { kExact, kSubscribeByKind, kSubscribeByThing, kPublishByKind, kPublishShadows, kPublishJobs };

class Builder {
 public:
  explicit Builder(Width width) : width_(width) {}

  void Add(const CloudTopic& topic) {
    if (topic.use == Use::kPublish) {
      const std::string own = "sensors/" + std::string(kThing) + "/";
      const bool widen = width_ >= Width::kPublishByKind && topic.topic.starts_with(own);
      Grant("iot:Publish", "topic/" + (widen ? own + "*" : Widened(AsTopic(Literally(topic.topic)))), topic.why);
      if (topic.retain) Grant("iot:RetainPublish", "topic/" + AsTopic(Literally(topic.topic)), "presence is retained");
      return;
    }
    // In topicfilter/ resources '+' and '#' are ordinary characters: exactly this filter and no wider one.
    Grant("iot:Subscribe", "topicfilter/" + (width_ == Width::kExact ? topic.topic : Prefix(topic.topic)), topic.why);
    Grant("iot:Receive", "topic/" + AsTopic(Prefix(topic.topic)), topic.why);
  }
  std::vector<PolicyLine> Take() { return std::move(lines_); }

 private:
  // "$aws/things/T/shadow/*" for all that is received there: a thing's own reserved topics hold nothing foreign.
  std::string Prefix(const std::string& filter) const {
    const std::size_t thing = filter.find(kThing);
    if (filter.compare(0, 5, "$aws/") != 0) return filter;
    if (thing == std::string::npos) return width_ >= Width::kPublishShadows ? WithoutThreeLevels(filter) : filter;
    const std::size_t behind = thing + kThing.size();
    // Of shadow and jobs as of commands: no reserved topic has "things/T/" but those of T.
    if (width_ >= Width::kPublishJobs) return "$aws/*things/" + std::string(kThing) + "/*";
    if (width_ >= Width::kSubscribeByThing) return filter.substr(0, behind) + "/*";
    const std::size_t end = filter.find('/', behind + 1);
    return end == std::string::npos ? filter : filter.substr(0, end) + "/*";
  }

  // "$aws/things/T/shadow/*update" for the classic and every named shadow: '*' crosses levels, and the verb at the end
  // keeps out shadow/delete, which a gateway never says. "$aws/things/T/jobs/*" adds only questions about its own jobs.
  std::string Widened(const std::string& topic) const {
    const std::string thing = "$aws/things/" + std::string(kThing);
    const std::string shadows = thing + "/shadow/", jobs = thing + "/jobs/";
    if (width_ >= Width::kPublishShadows && topic.starts_with(shadows)) {
      return shadows + "*" + topic.substr(topic.rfind('/') + 1);
    }
    if (width_ >= Width::kPublishJobs && topic.starts_with(jobs)) return jobs + "*";
    return topic;
  }

  // "$aws/certificates/*" for the answers of fleet provisioning, which come to the asker alone.
  static std::string WithoutThreeLevels(std::string filter) {
    for (int i = 0; i < 3; ++i) filter.resize(filter.rfind('/'));
    return filter + "/*";
  }

  void Grant(std::string action, std::string resource, const std::string& why) {
    for (PolicyLine& line : lines_) {
      if (line.action != action || line.resource != resource) continue;
      if (std::find(line.why.begin(), line.why.end(), why) == line.why.end()) line.why.push_back(why);
      return;
    }
    lines_.push_back({std::move(action), std::move(resource), {why}});
  }

  Width width_;
  std::vector<PolicyLine> lines_;
};

DevicePolicy Make(const Settings& settings, const DutySettings& duties, Width width) {
  DevicePolicy policy;
  Builder builder(width);
  for (const CloudTopic& topic : TopicsOf(settings, std::string(kThing), duties)) builder.Add(topic);
  policy.lines = builder.Take();
  policy.lines.insert(
      policy.lines.begin(),
      {"iot:Connect", kOwnClient, {"only with the certificate attached to the thing whose name is the client id"}});
  for (const ThingSettings& thing : settings.things) {
    if (WithPlaceholder(thing.topic, thing.name, "") == thing.topic) policy.shared_topics.push_back(thing.topic);
  }
  return policy;
}

// What to change when not even the widest policy fits.
std::string WhatShortens(const Settings& settings, const DutySettings& duties, const DevicePolicy& widest) {
  std::string advice;
  if (!widest.shared_topics.empty()) {
    advice = fmt::format("{} telemetry topics do not contain the thing's name; ", widest.shared_topics.size());
  }
  advice += "write topic = \"sensors/{thing}/...\" so that one line serves all things";
  if (!settings.credentials.template_name.empty()) advice += ", or give the provisioning template a shorter name";
  if (duties.health.defender) advice += ", or leave [health] defender off";
  if (settings.upstream.status_retained) advice += ", or leave [upstream] status_retained off";
  return advice;
}

}  // namespace

// One statement for all resources that may be used in the same ways: a retained topic stands once, with both its
// actions.
OrderedJson DevicePolicy::Document(const std::string& arn_head) const {
  std::map<std::string, OrderedJson> actions_of;
  for (const PolicyLine& line : lines) actions_of[line.resource].push_back(line.action);
  OrderedJson statements = OrderedJson::array();
  std::map<OrderedJson, std::size_t> by_actions;
  for (const PolicyLine& line : lines) {
    const OrderedJson& actions = actions_of.at(line.resource);
    if (actions[0] != line.action) continue;  // it stands in the statement of its first action
    const auto [it, inserted] = by_actions.emplace(actions, statements.size());
    if (inserted) {
      OrderedJson statement{{"Effect", "Allow"}, {"Action", actions}, {"Resource", OrderedJson::array()}};
      if (actions.size() == 1) statement["Action"] = actions[0];
      if (line.resource == kOwnClient) {
        statement["Condition"] = {{"Bool", {{"iot:Connection.Thing.IsAttached", "true"}}}};
      }
      statements.push_back(std::move(statement));
    }
    statements[it->second]["Resource"].push_back(arn_head + line.resource);
  }
  return {{"Version", "2012-10-17"}, {"Statement", std::move(statements)}};
}

std::size_t DevicePolicy::Characters(const std::string& arn_head) const {
  const std::string text = Document(arn_head).dump();
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return std::isspace(c) == 0; }));
}

Result<DevicePolicy> MakePolicy(const Settings& settings, const std::string& arn_head, const DutySettings& duties) {
  DevicePolicy policy;
  std::size_t characters = 0;
  for (const Width width : {Width::kExact, Width::kSubscribeByKind, Width::kSubscribeByThing, Width::kPublishByKind,
                            Width::kPublishShadows, Width::kPublishJobs}) {
    policy = Make(settings, duties, width);
    characters = policy.Characters(arn_head);
    if (characters <= kMaxPolicyCharacters) return policy;
  }
  return Fail(Action::kFixConfig, fmt::format("the policy would have {} characters and AWS allows {}: {}", characters,
                                              kMaxPolicyCharacters, WhatShortens(settings, duties, policy)));
}

}  // namespace penumbra::cloud
