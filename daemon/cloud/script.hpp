// The whole of an Infrastructure as a shell script of `aws` commands. Pure; any thread.
// Source: AWS CLI 2 reference (iot, iam, dynamodb, logs, lambda).
#pragma once

#include <string>

#include "cloud/infrastructure.hpp"
#include "cloud/policy.hpp"

namespace penumbra::cloud {

// Can be run again, also after it stopped at a failure: what exists is left as it is, but for policies, rules and the
// template, which get what is new in them unless KEEP is set.
std::string WriteScript(const Infrastructure& plan, const DevicePolicy& policy);

// What the policy's ARNs begin with in the script's words.
std::string ScriptArnHead();

// Text as one word of a POSIX shell.
std::string ShellWord(std::string_view text);

}  // namespace penumbra::cloud
