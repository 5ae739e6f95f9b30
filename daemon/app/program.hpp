// penumbrad from its command line to its exit code: reads the configuration, and then either checks it, polls once, or
// runs. Apart from main(), so that a test can build the same program with seams.
#pragma once

#include "app/daemon.hpp"

namespace penumbra {

int DaemonMain(int argc, const char* const* argv, const DaemonSeams& seams);

}  // namespace penumbra
