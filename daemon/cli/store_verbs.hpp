// `penumbra store stats|export|vacuum`. stats and vacuum ask the daemon; export reads the database file itself, so that
// it works with and without a daemon, never makes a commit wait, and holds a few rows at a time. Blocking; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "cli/options.hpp"
#include "cli/table.hpp"
#include "store/archive.hpp"

namespace penumbra::cli {

int StoreVerb(const Invocation& invocation);

// The database of the running daemon, else of the configuration; read in the order of its commits, by the database file
// itself. Errors: kFixConfig there is none or it is of another version, kGiveUp damaged.
penumbra::Status ReadStored(const Invocation& invocation, const Archive::Filter& filter,
                            const std::function<void(const StoredReading&)>& each);

// `penumbra store stats` for people, of GET /v1/store.
std::string StoreView(const Json& store, const Style& style, std::int64_t now_ms);

// A moment of --from and --to: "2h" (ago), "2026-11-25", "2026-11-25T10:00:00Z" (UTC), or Unix milliseconds.
Result<std::int64_t> ParseMoment(std::string_view text, std::int64_t now_ms);

// One field of CSV (RFC 4180): quoted when it has to be.
std::string CsvField(std::string_view text);

}  // namespace penumbra::cli
