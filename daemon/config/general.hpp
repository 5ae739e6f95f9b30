// The tables that stand once: [gateway], [upstream], [store], [clock], [paths], [credentials], [orders], [health],
// [aws] with [[rule]]. One thread.
#pragma once

#include "config/config.hpp"
#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

// Reads them into `loaded`; the schema's faults were reported before. Asks the environment for PENUMBRA_DRIVER_HOST.
void ReadGeneral(const Node& root, LoadedConfig& loaded, Diagnostics& diagnostics);

}  // namespace penumbra
