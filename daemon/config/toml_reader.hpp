// TOML text to our tree. The one file that includes toml++; nothing of it leaves here, exceptions included.
#pragma once

#include <optional>
#include <string_view>

#include "config/diagnostics.hpp"
#include "config/node.hpp"

namespace penumbra {

// Larger than any sensible configuration: 10,000 points are about 1 MiB.
inline constexpr std::size_t kMaxTomlBytes = 4 * 1024 * 1024;
// Dotted keys and brackets deeper than this are refused before toml++ sees them: it recurses on destruction.
inline constexpr int kMaxTomlDepth = 32;

// nullopt: one error with line and column was reported (not UTF-8, too large, too deep, not TOML).
std::optional<Node> ParseToml(std::string_view text, const SourceFile& file, Diagnostics& diagnostics);

}  // namespace penumbra
