// The tables that stand once: [gateway], [upstream], [store], [clock], [paths], [aws] with [[rule]]. One thread.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

// Reads them into `settings`; the schema's faults were reported before. Asks the environment for PENUMBRA_DRIVER_HOST.
void ReadGeneral(const Node& root, Settings& settings, AwsSettings& aws, Diagnostics& diagnostics,
                 std::vector<Origin>& origins);

}  // namespace penumbra
