// What became of a request to take over another configuration: for the log, the local API, the command line, and for
// whoever tries a configuration on behalf of the cloud. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ordered_json.hpp"
#include "config/config.hpp"
#include "model/settings_diff.hpp"

namespace penumbra::api {

struct ReloadReport {
  enum class Outcome {
    kUnchanged,     // the file says what is in force
    kApplied,       // in force from now on
    kWouldApply,    // dry run: as kApplied, but nothing was done
    kNeedsRestart,  // refused as a whole: a running daemon cannot take over all of it
    kWrong,         // refused as a whole: the file has errors
    kRolledBack,    // Reloader::Try: it was in force, and is not any more
  };
  Outcome outcome = Outcome::kUnchanged;
  std::string file;
  SettingsDiff diff;                    // from what is in force to the file; empty with kWrong
  std::vector<Diagnostic> diagnostics;  // the file's errors and warnings
  std::string reason;                   // one line, when it is refused or rolled back

  bool Refused() const { return outcome >= Outcome::kNeedsRestart; }
};

// "unchanged" "applied" "would_apply" "needs_restart" "wrong" "rolled_back"
std::string_view ToString(ReloadReport::Outcome outcome);

// {"result","file","reason","changes":[{"table","name","change","key","from","to","effect"}],
//  "diagnostics":[{"file","line","column","severity","message"}]}; "key", "from" and "to" of a changed key only.
OrderedJson Render(const ReloadReport& report);

}  // namespace penumbra::api
