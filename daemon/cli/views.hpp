// The daemon's JSON as text for people. Pure; one thread. A missing or odd member shows as "-", never as a fault: the
// daemon may be older or newer than this program.
#pragma once

#include <string>

#include "base/json.hpp"
#include "cli/table.hpp"

namespace penumbra::cli {

std::string StatusView(const Json& status, const Style& style, std::int64_t now_ms);
std::string ThingsView(const Json& things, const Style& style, std::int64_t now_ms);
std::string ThingView(const Json& thing, const Style& style, std::int64_t now_ms);
std::string BusesView(const Json& buses, const Style& style, std::int64_t now_ms);
std::string OrdersView(const Json& orders, const Style& style, std::int64_t now_ms);
std::string OutboxView(const Json& outbox, const Style& style, std::int64_t now_ms);
// What POST /v1/reload answers: the difference as a table, and what became of it.
std::string ReloadView(const Json& report, const Style& style);
// "penumbra.toml:12:3: error: ..."
std::string DiagnosticText(const Json& diagnostic);
std::string ShadowView(const Json& shadow, const Style& style);
std::string ShadowDiffView(const Json& diff, const Style& style);
std::string ExplainView(const Json& explanation, const Style& style);
// {"values":[{"key","value","origin"}]}: with_origin for --effective, else TOML-like lines of what was set.
std::string ConfigView(const Json& config, const Style& style, bool with_origin);

// Good, warning or bad, for the states of interfaces.md.
Tone ToneOf(std::string_view state);

// "key" of `object` as printable text: text as it is, other values as JSON, "-" when it is missing, null or "".
std::string Field(const Json& object, std::string_view key);
// The array `key`, or an empty one.
const Json& Rows(const Json& object, std::string_view key);

}  // namespace penumbra::cli
