// `penumbra provision`: keys made here and certificates by fleet provisioning, for the gateway and its things. Needs no
// daemon: a running one picks them up. Answers the exit code. Blocking; one thread.
#pragma once

#include "cli/options.hpp"

namespace penumbra::cli {

int Provision(const Invocation& invocation);

}  // namespace penumbra::cli
