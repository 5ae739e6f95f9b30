// The whole of an Infrastructure as one Terraform file. Pure; any thread.
// Source: the AWS provider's resource schemas (5.99.1 and 6.25.0, which process.terraform checks it against); Terraform
// language.
#pragma once

#include <string>

#include "cloud/infrastructure.hpp"
#include "cloud/policy.hpp"

namespace penumbra::cloud {

// No private key comes near Terraform: certificates are made from CSRs that the gateway writes (`penumbra cert csr`).
std::string WriteTerraform(const Infrastructure& plan, const DevicePolicy& policy);

// What the policy's ARNs begin with in Terraform's words.
std::string TerraformArnHead();

}  // namespace penumbra::cloud
