// One daemon per state directory: two would give the same seq twice. An flock that the kernel drops with the process.
#pragma once

#include <filesystem>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace penumbra {

// Holds while the descriptor is open. Error kFixConfig: another daemon runs there, or the directory cannot be written.
Result<UniqueFd> LockStateDirectory(const std::filesystem::path& state);

// Creates a directory that is missing, with its parents. Error kFixConfig with the reason.
Status EnsureDirectory(const std::filesystem::path& directory, std::string_view what);

}  // namespace penumbra
