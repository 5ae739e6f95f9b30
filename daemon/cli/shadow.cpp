// penumbra shadow get|diff|set. Blocking; one thread.
#include <fmt/format.h>

#include "api/target.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"

namespace penumbra::cli {
namespace {

int Usage(std::string_view message) {
  Complain(message);
  return kExitUsage;
}

std::string Target(const Invocation& invocation, std::string_view what) {
  std::string target = "/v1/shadows/" + api::PercentEncode(invocation.words[1]);
  if (!what.empty()) target += fmt::format("/{}", what);
  if (invocation.name) target += "?name=" + api::PercentEncode(*invocation.name);
  return target;
}

int Present(const Invocation& invocation, const Fetched& fetched, std::string (*view)(const Json&, const Style&)) {
  if (fetched.exit_code != kExitOk) return fetched.exit_code;
  Print(invocation.json ? fetched.body : view(fetched.json, OutputStyle(invocation.no_color)));
  return kExitOk;
}

}  // namespace

int Shadow(const Client& client, const Invocation& invocation) {
  const std::string& verb = invocation.words[0];
  const bool changes = invocation.words.size() > 2;
  if (verb == "get" || verb == "diff") {
    if (changes) return Usage(fmt::format("shadow {} changes nothing: use shadow set", verb));
    if (verb == "get") return Present(invocation, Fetch(client, Target(invocation, "")), ShadowView);
    return Present(invocation, Fetch(client, Target(invocation, "diff")), ShadowDiffView);
  }
  if (verb != "set") return Usage(fmt::format("shadow knows get, diff and set, not \"{}\"", verb));
  if (!changes) return Usage("shadow set wants KEY=VALUE or a JSON object");
  const auto patch = ReadAssignments({invocation.words.begin() + 2, invocation.words.end()});
  if (!patch) return Usage(patch.error().message);
  return Present(invocation, Send(client, Target(invocation, "desired"), Dump(*patch)), ShadowView);
}

}  // namespace penumbra::cli
