#include "cloud/infrastructure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "cloud/names.hpp"
#include "rules/action.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::size_t kMaxSearchable = 3;
constexpr std::size_t kMaxAttributesWithoutType = 3;

void AddOnce(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

// AWS: [a-zA-Z0-9_.,@/:#-]* for attribute values.
bool IsAttributeValue(const std::string& text) {
  static constexpr std::string_view kOther = "_.,@/:#-";
  return text.size() <= 800 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || kOther.find(static_cast<char>(c)) != std::string_view::npos;
         });
}

// AWS takes no others; and they stand in ARNs, where what is more than a name would be something else.
Status CheckTarget(const RuleSettings& rule) {
  const auto action = rules::Action::Make(rule.action, rule.target);
  if (!action) return Fail(action.error().WithContext(fmt::format("rule {}", rule.name)));
  if (rule.action == "republish") return {};
  const bool table = rule.action == "dynamodb";
  const std::string_view other = table ? "_-." : "_-";
  const std::size_t least = table ? 3 : 1, most = table ? 255 : 64;
  const bool fits = rule.target.size() >= least && rule.target.size() <= most &&
                    std::all_of(rule.target.begin(), rule.target.end(), [other](unsigned char c) {
                      return std::isalnum(c) != 0 || other.find(static_cast<char>(c)) != std::string_view::npos;
                    });
  if (fits) return {};
  return Fail(Action::kFixConfig,
              fmt::format("rule {}: \"{}\" is no name of a {}: AWS takes {} to {} letters, digits and {}", rule.name,
                          rule.target, table ? "table" : "function", least, most, other));
}

// What a republish action may write to, as a resource of IAM: '*' for each ${...}, and one dollar before "aws".
std::string TopicPattern(std::string_view target) {
  std::string pattern;
  if (target.starts_with("$$")) target.remove_prefix(1);
  while (!target.empty()) {
    if (!target.starts_with("${")) {
      pattern += target.front();
      target.remove_prefix(1);
      continue;
    }
    char quote = 0;  // a brace within text ends nothing
    std::size_t at = 2;
    for (; at < target.size() && (quote != 0 || target[at] != '}'); ++at) {
      const char c = target[at];
      if (quote == 0 ? c == '\'' || c == '"' : c == quote) quote = quote == 0 ? c : 0;
    }
    target.remove_prefix(std::min(at + 1, target.size()));
    pattern += '*';
  }
  return pattern;
}

void AddProvisioningNotes(Infrastructure& plan) {
  const Provisioning& provisioning = *plan.provisioning;
  plan.notes.push_back(
      "certificates come through the provisioning template: `penumbra provision` with a claim, on the gateway");
  plan.notes.push_back(
      provisioning.names_things
          ? "who has the claim can register the things named in the template and no others"
          : "the template does not say which things may be registered, because their names are too many or have "
            "characters that its map does not take: whoever has the claim can register any; a pre-provisioning hook "
            "can say no");
}

}  // namespace

std::string RegionOf(const std::string& endpoint) {
  constexpr std::string_view kMark = ".iot.";
  const std::size_t mark = endpoint.find(kMark);
  if (mark == std::string::npos) return {};
  const std::size_t begin = mark + kMark.size();
  const std::size_t end = endpoint.find(".amazonaws.com", begin);
  return end == std::string::npos ? std::string() : endpoint.substr(begin, end - begin);
}

std::string Partition(const std::string& region) {
  return region.starts_with("cn-") ? "aws-cn" : region.starts_with("us-gov-") ? "aws-us-gov" : "aws";
}

std::string IotArnHead(const std::string& region, const std::string& account) {
  return fmt::format("arn:{}:iot:{}:{}:", Partition(region), region, account);
}

std::string RegistrationPolicyArn(const std::string& region) {
  return fmt::format("arn:{}:iam::aws:policy/service-role/AWSIoTThingsRegistration", Partition(region));
}

Result<Infrastructure> Plan(const Settings& settings, const AwsSettings& aws, const DutySettings& duties) {
  Infrastructure plan;
  plan.region = aws.region.empty() ? RegionOf(settings.upstream.endpoint) : aws.region;
  if (plan.region.empty()) {
    return Fail(
        Action::kFixConfig,
        fmt::format("no AWS region: the endpoint \"{}\" does not name one; write [aws] region = \"us-east-1\", or "
                    "give --region",
                    settings.upstream.endpoint));
  }
  const auto in_region = [](unsigned char c) { return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '-'; };
  if (!std::all_of(plan.region.begin(), plan.region.end(), in_region)) {
    return Fail(Action::kFixConfig, fmt::format("\"{}\" is no AWS region; write one like us-east-1", plan.region));
  }
  plan.account = aws.account;
  plan.policy_name = aws.policy;
  plan.log_group = aws.log_group;
  plan.rules_role = RoleName(settings, "rules");
  plan.provisioning_role = RoleName(settings, "provisioning");

  if (!settings.credentials.template_name.empty()) {
    auto provisioning = MakeProvisioning(settings, plan.policy_name);
    if (!provisioning) return Fail(provisioning.error());
    plan.provisioning = std::move(*provisioning);
    AddProvisioningNotes(plan);
  }

  std::map<std::string, std::set<std::string>> attributes_of_type;
  const auto add_thing = [&plan](const std::string& name) -> PlannedThing& {
    plan.things.push_back({.name = name, .csr = "csr/" + name + ".csr"});
    return plan.things.back();
  };
  const bool with_gateway = plan.provisioning && !settings.gateway.thing.empty() && !settings.things.empty();
  if (!settings.gateway.thing.empty()) {
    PlannedThing& gateway = add_thing(settings.gateway.thing);
    if (with_gateway) gateway.attributes.emplace(kGatewayAttribute, settings.gateway.thing);
  }
  for (const ThingSettings& thing : settings.things) {
    PlannedThing& planned = add_thing(thing.name);
    planned.type = thing.type;
    planned.attributes = thing.attributes;
    // As the template sets it: no plan undoes what provisioning did, or the other way round.
    if (with_gateway) planned.attributes.emplace(kGatewayAttribute, settings.gateway.thing);
    planned.groups = thing.groups;
    if (thing.type.empty() && planned.attributes.size() > kMaxAttributesWithoutType) {
      return Fail(Action::kFixConfig,
                  fmt::format("thing \"{}\" has {} attributes{}; AWS allows {} without a type: write "
                              "type = \"TemperatureSensor\"",
                              thing.name, planned.attributes.size(),
                              planned.attributes.size() > thing.attributes.size() ? ", \"gateway\" among them" : "",
                              kMaxAttributesWithoutType));
    }
    for (const auto& [key, value] : thing.attributes) {
      if (!IsAttributeValue(value)) {
        return Fail(
            Action::kFixConfig,
            fmt::format("thing \"{}\": AWS does not take \"{}\" as the value of attribute {}; it allows letters, "
                        "digits and _.,@/:#-",
                        thing.name, value, key));
      }
      if (!thing.type.empty()) attributes_of_type[thing.type].insert(key);
    }
    if (!thing.type.empty()) attributes_of_type[thing.type];
    for (const std::string& group : thing.groups) AddOnce(plan.groups, group);
  }
  for (const auto& [type, attributes] : attributes_of_type) {
    ThingType planned{.name = type};
    for (const std::string& attribute : attributes) {
      if (planned.searchable.size() < kMaxSearchable) planned.searchable.push_back(attribute);
    }
    if (attributes.size() > kMaxSearchable) {
      plan.notes.push_back(fmt::format("thing type {}: AWS makes three attributes searchable; {} are, of {}", type,
                                       fmt::join(planned.searchable, ", "), attributes.size()));
    }
    plan.types.push_back(std::move(planned));
  }

  for (const ThingSettings& thing : settings.things) {
    if (!thing.batch_interval) continue;
    plan.notes.push_back(fmt::format(
        "{} sends arrays on sensors/{}/batch: rules on its topic see nothing of it, and none can write them to a table",
        thing.name, thing.name));
  }
  plan.rules = aws.rules.empty() ? DefaultRules(settings) : aws.rules;
  for (std::string& note : IngestNotes(settings, plan.rules)) plan.notes.push_back(std::move(note));
  for (const RuleSettings& rule : plan.rules) {
    if (const Status fits = CheckTarget(rule); !fits) return Fail(fits.error());
    if (rule.action == "dynamodb") AddOnce(plan.tables, rule.target);
    if (rule.action == "lambda") AddOnce(plan.functions, rule.target);
    if (rule.action == "republish") AddOnce(plan.topics, TopicPattern(rule.target));
  }
  for (const std::string& function : plan.functions) {
    plan.notes.push_back(fmt::format("the Lambda function {} must exist in {}; only the right to call it is made here",
                                     function, plan.region));
  }
  plan.defender_metrics = duties.health.defender && !settings.gateway.thing.empty();
  if (plan.defender_metrics) {
    plan.notes.push_back(
        "Device Defender's custom metrics belong to the account and serve all its gateways; since August 31, 2026 AWS "
        "takes no new customers for Device Defender Detect, and what it answers to a new account's reports is not "
        "known");
  }
  return plan;
}

}  // namespace penumbra::cloud
