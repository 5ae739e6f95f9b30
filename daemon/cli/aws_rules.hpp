// `penumbra aws rules test`: the rules of the configuration on the gateway's own messages. Reads the configuration and,
// if there is one, the database; touches no network. Answers the exit code. One thread.
#pragma once

#include "cli/options.hpp"
#include "config/config.hpp"

namespace penumbra::cli {

int AwsRulesTest(const Invocation& invocation, const LoadedConfig& loaded);

}  // namespace penumbra::cli
