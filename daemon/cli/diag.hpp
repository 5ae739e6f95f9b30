// `penumbra diag`: everything somebody else needs to see what is wrong with a gateway, in one JSON file without
// secrets. Works without the daemon too: what it cannot get it says. Blocking; one thread.
#pragma once

#include "cli/options.hpp"

namespace penumbra::cli {

// Writes to the file of the command line, else to standard output. Exit code: 0 also when parts could not be had, 1
// when the file cannot be written.
int Diag(const Invocation& invocation);

}  // namespace penumbra::cli
