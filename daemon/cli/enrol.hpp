// What `penumbra provision` and `penumbra cert rotate` share: which things are meant, and the loop and connections of a
// command that enrols them one after the other. Blocking; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.hpp"
#include "identity/enrolment.hpp"

namespace penumbra::cli {

// The things named by `words`, or all of them with `everything`; nullopt after a complaint.
std::optional<std::vector<identity::Plan>> ChosenPlans(const std::vector<identity::Plan>& all,
                                                       const std::vector<std::string>& words, bool everything);

// Settings with what the command line says of templates, parameters and keys.
std::vector<identity::Plan> PlansOf(const Settings& settings, const Invocation& invocation);

struct EnrolRequest {
  std::vector<identity::Plan> plans;
  bool rotation = false;
  bool afresh = false;
  // With whose credentials each plan asks. The same client id again shares the connection.
  std::function<identity::Office::Options(const identity::Plan&)> office;
};
struct EnrolOutcome {
  std::string thing;
  Result<identity::Enrolled> result;
};
// Progress on standard error. After an error that a person must mend (kFixConfig) the rest is not tried and not in the
// answer.
std::vector<EnrolOutcome> EnrolAll(const EnrolRequest& request);

// Locks every folder of the plans' credentials, which are made when missing. Error: for people.
Result<std::vector<UniqueFd>> LockFolders(const std::vector<identity::Plan>& plans);

// {"things":[{"thing","status","certificate_id","old_certificate_id","error"}]} or a line each; the exit code. `kept`:
// things that were passed over.
int PrintOutcomes(const Invocation& invocation, const std::vector<std::string>& kept,
                  const std::vector<EnrolOutcome>& done, std::size_t wanted);

}  // namespace penumbra::cli
