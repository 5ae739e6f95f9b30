// The forms in which readings leave the store. Each takes readings one after the other and keeps none. One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "store/archive.hpp"

namespace penumbra::cli {

class ExportSink {
 public:
  virtual ~ExportSink() = default;
  virtual penumbra::Status Take(const StoredReading& reading) = 0;
  // Everything is out and safe.
  virtual penumbra::Status Finish() = 0;
};

// Columns of CSV and of the SQLite copy, one row for each point of a reading:
//   thing, point, time (Unix milliseconds; CSV: ISO 8601, UTC), value, unit, quality, seq, sent, reason, time_trusted
// JSON lines: one object a reading, as `penumbra readings --json` has them, with "thing".
// `file` empty: standard output (not for "sqlite"). A file that exists is never overwritten. Error kFixConfig: what to
// change.
Result<std::unique_ptr<ExportSink>> MakeSink(const std::string& format, const std::filesystem::path& file,
                                             const Archive& archive);

}  // namespace penumbra::cli
