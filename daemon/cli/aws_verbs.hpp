// `penumbra aws ...`: writes what the AWS account needs, from the configuration. Touches no network and no daemon.
// Answers the exit code. One thread.
#pragma once

#include "cli/options.hpp"

namespace penumbra::cli {

int Aws(const Invocation& invocation);

}  // namespace penumbra::cli
