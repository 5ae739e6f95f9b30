// The text forms inside TOML strings that only the configuration has: durations and sizes with limits, deadbands.
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace penumbra {

// "1%", "0.5 %": the percentage, or nullopt.
std::optional<double> ParsePercent(std::string_view text);

// What is wrong with `text` by the schema's format, x-minimum and x-maximum; nullopt when nothing is.
std::optional<std::string> FormatFault(const std::string& text, const Json& schema, const std::string& name);

}  // namespace penumbra
