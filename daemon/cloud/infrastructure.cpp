#include "cloud/infrastructure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cloud/names.hpp"
#include "cloud/topics.hpp"

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

// Telemetry filters of all things: "sensors/+/temperature".
std::vector<std::string> TelemetryFilters(const Settings& settings) {
  std::vector<std::string> filters;
  for (const ThingSettings& thing : settings.things) {
    std::string filter = WithPlaceholder(thing.topic, thing.name, "+");
    if (filter.starts_with("$aws/rules/")) {  // Basic Ingest: topic() and FROM see what is behind the prefix
      filter = filter.substr(filter.find('/', std::string_view("$aws/rules/").size()) + 1);
    }
    AddOnce(filters, filter);
  }
  if (filters.empty()) filters.emplace_back("sensors/+/temperature");
  return filters;
}

// A name that AWS SQL can say without get(): letters and '_' only, and not a keyword (aws-iot-core.md section 8).
bool IsSqlName(const std::string& name) {
  return name != "value" && !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalpha(c) != 0 || c == '_'; });
}

std::string StoreSql(const Settings& settings, const std::string& filter) {
  std::set<std::string> points;
  bool sayable = true;
  for (const ThingSettings& thing : settings.things) {
    for (const PointSettings& point : thing.points) {
      sayable = sayable && IsSqlName(point.name);
      points.insert(point.name);
    }
  }
  // The key comes from the topic, which the policy guards, and not from what a device says of itself. What is stored
  // expires: DynamoDB's ttl is in seconds.
  const std::string ttl = "floor(timestamp / 1000) + 2592000 AS ttl";
  if (!sayable || points.size() > 20) {
    return fmt::format("SELECT *, topic(2) AS thing, {} FROM '{}'", ttl, filter);
  }
  return fmt::format("SELECT topic(2) AS device_id, timestamp, seq, {}, bad, time, {} FROM '{}'",
                     fmt::join(points, ", "), ttl, filter);
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

std::vector<RuleSettings> DefaultRules(const Settings& settings) {
  std::vector<RuleSettings> rules;
  const std::vector<std::string> filters = TelemetryFilters(settings);
  for (std::size_t i = 0; i < filters.size(); ++i) {
    const std::string number = i == 0 ? "" : std::to_string(i + 1);
    rules.push_back({"StoreSensorData" + number, StoreSql(settings, filters[i]), "dynamodb", "sensor-data"});
    rules.push_back({"AnomalyDetection" + number,
                     fmt::format("SELECT * FROM '{}' WHERE value > 40 OR value < 0", filters[i]), "lambda",
                     "anomaly-handler"});
  }
  return rules;
}

Result<Infrastructure> Plan(const Settings& settings, const AwsSettings& aws) {
  Infrastructure plan;
  plan.region = aws.region.empty() ? RegionOf(settings.upstream.endpoint) : aws.region;
  if (plan.region.empty()) {
    return Fail(
        Action::kFixConfig,
        fmt::format("no AWS region: the endpoint \"{}\" does not name one; write [aws] region = \"us-east-1\", or "
                    "give --region",
                    settings.upstream.endpoint));
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
  for (const RuleSettings& rule : plan.rules) {
    if (rule.action == "dynamodb") AddOnce(plan.tables, rule.target);
    if (rule.action == "lambda") AddOnce(plan.functions, rule.target);
    if (rule.action == "republish") AddOnce(plan.topics, rule.target);
  }
  for (const std::string& function : plan.functions) {
    plan.notes.push_back(fmt::format("the Lambda function {} must exist in {}; only the right to call it is made here",
                                     function, plan.region));
  }
  return plan;
}

}  // namespace penumbra::cloud
