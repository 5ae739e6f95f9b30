// `penumbra profile import FILE.csv`: a list of points, as manuals and other programs have them, becomes a device
// profile; `penumbra profile list`: those that there are. ImportPoints is pure; the verb asks the driver whether it
// would take them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/options.hpp"

namespace penumbra::cli {

struct ImportedPoints {
  // TOML of the points, each "[[POINTS]]" and its keys, with `header` in the place of POINTS.
  std::string toml;
  std::vector<int> csv_line;  // of each line of `toml`
};

// Longest list that is read.
inline constexpr std::size_t kMaxImportBytes = 1024 * 1024;

// The first line names the columns: name and address, and any of table, type, order, length, bit, scale, offset, unit,
// min, max, invalid; description and comment are left out. Separated by comma, semicolon (then 0,1 is a number) or tab.
// Error: kGiveUp with the line.
Result<ImportedPoints> ImportPoints(std::string_view csv, std::string_view header);

int Profile(const Invocation& invocation);

}  // namespace penumbra::cli
