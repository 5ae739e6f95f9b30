// `penumbra cert ...`: keys and certificate requests made here, what the certificates say, and certificates put in
// their place. Needs no daemon: a running one picks new files up by itself. Answers the exit code. One thread.
#pragma once

#include "cli/options.hpp"

namespace penumbra::cli {

int Cert(const Invocation& invocation);

}  // namespace penumbra::cli
