// What must exist in the account for this gateway: the common plan that the Terraform and the command line writers put
// into their own words. Pure; any thread. Source: aws-iot-core.md sections 1, 8, 9.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cloud/default_rules.hpp"
#include "cloud/policy.hpp"
#include "cloud/provisioning.hpp"
#include "model/aws_settings.hpp"
#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

struct ThingType {
  std::string name;
  std::vector<std::string> searchable;  // AWS: at most three
};

struct PlannedThing {
  std::string name;
  std::string type;  // empty: none
  std::map<std::string, std::string> attributes;
  std::vector<std::string> groups;
  std::string csr;  // where `penumbra cert csr` writes it, relative to the folder of the plan; unused with provisioning
};

struct Infrastructure {
  std::string region;
  std::string account;  // empty: asked at run time
  std::string policy_name;
  std::string log_group;
  std::string rules_role;
  std::string provisioning_role;
  std::vector<ThingType> types;
  std::vector<std::string> groups;
  std::vector<PlannedThing> things;  // the gateway's own first
  // There: certificates come through this template (`penumbra provision`), and none is made from a CSR here.
  std::optional<Provisioning> provisioning;
  std::vector<RuleSettings> rules;
  std::vector<std::string> tables;     // DynamoDB, by name
  std::vector<std::string> functions;  // Lambda, by name: not made here, only allowed to be called
  std::vector<std::string> topics;     // that rules publish to; '*' where a rule fills something in
  bool defender_metrics = false;       // kCustomMetrics (model/defender.hpp) must be there
  std::vector<std::string> notes;      // for the operator: what was assumed
};

// Error kFixConfig: no region is known, or AWS would not take it (a thing with more than three attributes and no type,
// an attribute value AWS refuses, a table or function of no such name, a provisioning template that it would not take).
Result<Infrastructure> Plan(const Settings& settings, const AwsSettings& aws, const DutySettings& duties = {});

// "us-east-1" from "x-ats.iot.us-east-1.amazonaws.com"; empty: it does not say.
std::string RegionOf(const std::string& endpoint);

// Of ARNs in that region: "aws", "aws-cn", "aws-us-gov".
std::string Partition(const std::string& region);
// "arn:aws:iot:us-east-1:123456789012:"; `account` may be an expression of whoever writes it.
std::string IotArnHead(const std::string& region, const std::string& account);
// Of the policy of AWS's own that lets a role register things.
std::string RegistrationPolicyArn(const std::string& region);

}  // namespace penumbra::cloud
