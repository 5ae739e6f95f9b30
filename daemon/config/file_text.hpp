// A configuration file's bytes, whatever stands at its path. Blocking; before the loop runs.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace penumbra {

// kFixConfig: missing, not readable, not a regular file (a folder, a device, a FIFO), or larger than kMaxTomlBytes.
Result<std::string> ReadFileText(const std::filesystem::path& path);

}  // namespace penumbra
