#include "cloud/provisioning.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "identity/answers.hpp"
#include "identity/claim.hpp"
#include "identity/plan.hpp"

namespace penumbra::cloud {
namespace {

constexpr std::size_t kMaxTemplateName = 36;  // AWS: ^[0-9A-Za-z_-]+$

bool IsTemplateName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxTemplateName && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

// What AWS's documentation shows as keys of a map; ':' and '_' are allowed in thing names and nowhere shown as keys.
bool IsMapKey(const std::string& name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
}

OrderedJson Ref(const char* parameter) {
  return {{"Ref", parameter}};
}

// Every parameter that the gateway sends must be declared, whether the template uses it (a hook may) or not.
OrderedJson Parameters(const std::vector<identity::Plan>& plans, const Settings& settings) {
  OrderedJson parameters{{"ThingName", {{"Type", "String"}}}};
  for (const identity::Plan& plan : plans) {
    for (const auto& [name, value] : plan.parameters) {
      if (!parameters.contains(name)) parameters[name] = {{"Type", "String"}};
    }
  }
  // The gateway's own thing has no parent; for the attribute it is its own gateway.
  if (parameters.contains("ParentThing")) parameters["ParentThing"]["Default"] = settings.gateway.thing;
  for (const char* anybody : {"SerialNumber"}) {
    if (!parameters.contains(anybody)) parameters[anybody] = {{"Type", "String"}, {"Default", ""}};
  }
  parameters["AWS::IoT::Certificate::Id"] = {{"Type", "String"}};
  return parameters;
}

OrderedJson Body(const std::vector<identity::Plan>& plans, const Settings& settings, const std::string& policy_name,
                 bool names_things) {
  OrderedJson body{{"Parameters", Parameters(plans, settings)}};
  OrderedJson thing_name = Ref("ThingName");
  if (names_things) {
    // A map is what a template has for an allow list: a name that is not in it cannot be registered.
    OrderedJson things = OrderedJson::object();
    for (const identity::Plan& plan : plans) things[plan.thing] = {{"Name", plan.thing}};
    body["Mappings"] = {{"Things", std::move(things)}};
    thing_name = {{"Fn::FindInMap", {"Things", Ref("ThingName"), "Name"}}};
  }
  OrderedJson thing{{"ThingName", std::move(thing_name)}};
  if (body["Parameters"].contains("ParentThing")) {
    thing["AttributePayload"] = {{kGatewayAttribute, Ref("ParentThing")}};
  }
  // Things exist already, with their type, attributes and groups: what was written for them stays.
  const OrderedJson keep{{"AttributePayload", "MERGE"}, {"ThingTypeName", "DO_NOTHING"}, {"ThingGroups", "DO_NOTHING"}};
  body["Resources"] = {
      {"thing", {{"Type", "AWS::IoT::Thing"}, {"Properties", std::move(thing)}, {"OverrideSettings", keep}}},
      {"certificate",
       {{"Type", "AWS::IoT::Certificate"},
        {"Properties", {{"CertificateId", Ref("AWS::IoT::Certificate::Id")}, {"Status", "ACTIVE"}}}}},
      {"policy", {{"Type", "AWS::IoT::Policy"}, {"Properties", {{"PolicyName", policy_name}}}}}};
  return body;
}

// Only from a signing request, so that no key is ever made elsewhere; only through this template.
DevicePolicy ClaimPolicy(const std::string& name) {
  DevicePolicy policy;
  policy.lines.push_back({"iot:Connect",
                          "client/" + std::string(identity::kClaimClientPrefix) + "*",
                          {"as `penumbra provision`, never as a thing"}});
  const std::pair<std::string, const char*> asked[] = {
      {identity::kCreateTopic, "a certificate for a request; its key stays on the gateway"},
      {identity::ProvisionTopic(name), "the thing of that certificate"}};
  for (const auto& [topic, why] : asked) policy.lines.push_back({"iot:Publish", "topic/" + topic, {why}});
  for (const char* action : {"iot:Subscribe", "iot:Receive"}) {
    const std::string kind = action == std::string_view("iot:Subscribe") ? "topicfilter/" : "topic/";
    for (const auto& [topic, why] : asked) {
      for (const char* answer : {"/accepted", "/rejected"}) {
        policy.lines.push_back({action, kind + topic + answer, {"the answer"}});
      }
    }
  }
  return policy;
}

}  // namespace

Result<Provisioning> MakeProvisioning(const Settings& settings, const std::string& policy_name) {
  const std::string& name = settings.credentials.template_name;
  if (name.empty()) {
    return Fail(Action::kFixConfig,
                "no provisioning template is named: add template = \"NAME\" to [credentials], or give --template NAME");
  }
  if (!IsTemplateName(name)) {
    return Fail(Action::kFixConfig,
                fmt::format("[credentials] template = \"{}\": AWS takes names of 1 to {} letters, digits, '-' and '_'",
                            name, kMaxTemplateName));
  }
  const std::vector<identity::Plan> plans = identity::MakePlans(settings, {});
  Provisioning made{.name = name, .claim_policy_name = name + "-claim"};
  made.claim = ClaimPolicy(name);
  made.names_things =
      std::all_of(plans.begin(), plans.end(), [](const identity::Plan& plan) { return IsMapKey(plan.thing); });
  made.body = Body(plans, settings, policy_name, made.names_things);
  if (made.names_things && made.body.dump().size() > kMaxTemplateBytes) {
    made.names_things = false;
    made.body = Body(plans, settings, policy_name, false);
  }
  if (const std::size_t bytes = made.body.dump().size(); bytes > kMaxTemplateBytes) {
    return Fail(Action::kFixConfig,
                fmt::format("the provisioning template would have {} bytes and AWS allows {}: give fewer "
                            "[credentials.parameters]",
                            bytes, kMaxTemplateBytes));
  }
  return made;
}

}  // namespace penumbra::cloud
