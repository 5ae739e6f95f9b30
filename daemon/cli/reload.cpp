// `penumbra reload`: has the daemon take over its file, or shows what that would do. The daemon compares, because only
// it knows what is in force.
#include <fmt/format.h>

#include <chrono>

#include "cli/daemon_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"

namespace penumbra::cli {
namespace {

// Above the daemon's own patience with slow drivers.
constexpr std::chrono::seconds kReadingTime{60};

int ExitCodeOf(const std::string& result) {
  if (result == "wrong") return kExitConfig;
  return result == "unchanged" || result == "applied" || result == "would_apply" ? kExitOk : kExitFailed;
}

}  // namespace

int Reload(const Client& client, const Invocation& invocation) {
  if (invocation.dry_run && invocation.trial) {
    Complain("--dry-run changes nothing, so there is nothing to try: give one of --dry-run and --trial");
    return kExitUsage;
  }
  const std::chrono::milliseconds trial = invocation.trial.value_or(std::chrono::milliseconds(0));
  const std::string target = invocation.dry_run ? "/v1/reload?dry_run=1"
                             : invocation.trial ? fmt::format("/v1/reload?trial_ms={}", trial.count())
                                                : "/v1/reload";
  const Fetched fetched = Judge(client, client.Post(target, "", kReadingTime + 2 * trial));
  if (fetched.exit_code != kExitOk) return fetched.exit_code;
  const int code = ExitCodeOf(GetString(fetched.json, "result").value_or(""));
  if (invocation.json) {
    Print(fetched.body);
    return code;
  }
  for (const Json& diagnostic : Rows(fetched.json, "diagnostics")) Complain(DiagnosticText(diagnostic));
  Print(ReloadView(fetched.json, OutputStyle(invocation.no_color)));
  return code;
}

}  // namespace penumbra::cli
