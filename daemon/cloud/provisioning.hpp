// Fleet provisioning of this gateway's things: the template that RegisterThing fills in, and the policy of the claim
// certificate, which may ask for a certificate through that template and nothing else. Pure; any thread.
// Source: aws-iot-core.md section 4.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "cloud/policy.hpp"
#include "model/settings.hpp"

namespace penumbra::cloud {

inline constexpr std::size_t kMaxTemplateBytes = 10 * 1024;  // AWS

struct Provisioning {
  std::string name;  // of the template
  OrderedJson body;
  DevicePolicy claim;
  std::string claim_policy_name;
  // Only things of the configuration can be registered. False: their names do not fit the template.
  bool names_things = true;
};

// The thing attribute in which each thing has the name of its gateway; the template sets it.
inline constexpr const char* kGatewayAttribute = "gateway";

// For [credentials] template. `policy_name`: of the policy that every thing gets.
// Error kFixConfig: no template is named, or AWS would not take its name or its size.
Result<Provisioning> MakeProvisioning(const Settings& settings, const std::string& policy_name);

}  // namespace penumbra::cloud
