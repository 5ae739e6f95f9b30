// `driver-host --examine FILE.so EXAMINATION`: one examination of a driver in a process of its own, for
// `penumbra driver check`, which starts one after the other and judges a crash or a hang of this process as well. The
// configuration comes on standard input. Main thread.
#pragma once

#include <string>

namespace penumbra::host {

// Prints {"findings":[text]} (none: passed), or {"error"} when the examination itself is not possible (the driver does
// not load, the configuration does not open), and answers the exit code of the process.
int Examine(const std::string& file, const std::string& examination);

// "abi", "open", ... : one a line.
std::string Examinations();

}  // namespace penumbra::host
