#include "cli/cert_rotate.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/client.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/enrol.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"

namespace penumbra::cli {
namespace {

// Above the server's own limit for it.
constexpr std::chrono::minutes kRotateTime{5};

EnrolOutcome Outcome(const std::string& thing, const Answer& answer) {
  const auto json = ParseJson(answer.body);
  if (answer.status != 200 || !json) {
    const auto error = json ? GetString(*json, "error") : std::nullopt;
    return {thing, Fail(answer.status == 503 ? Action::kBackOff : Action::kGiveUp,
                        error.value_or(fmt::format("penumbrad answers {}", answer.status)))};
  }
  identity::Enrolled enrolled;
  enrolled.thing = thing;
  enrolled.certificate_id = GetString(*json, "certificate_id").value_or("");
  enrolled.old_certificate_id = GetString(*json, "old_certificate_id").value_or("");
  return {thing, std::move(enrolled)};
}

int RotateHere(const Invocation& invocation, const Settings& settings, const std::vector<identity::Plan>& plans) {
  if (settings.upstream.endpoint.empty()) {
    Complain("there is no [upstream] endpoint to ask; add it to the configuration");
    return kExitConfig;
  }
  if (plans.front().template_name.empty()) {
    Complain("which provisioning template? give --template NAME, or add template = \"NAME\" to [credentials]");
    return kExitUsage;
  }
  const auto locks = LockFolders(plans);
  if (!locks) {
    Complain(locks.error());
    return kExitFailed;
  }
  EnrolRequest request;
  request.plans = plans;
  request.rotation = true;
  request.office = [&settings](const identity::Plan& plan) {
    return identity::Office::Options{settings.upstream, plan.thing,         plan.certificate,
                                     plan.private_key,  plan.template_name, "the thing's own certificate"};
  };
  return PrintOutcomes(invocation, {}, EnrolAll(request), plans.size());
}

// What was said on the command line, for the daemon, which knows the rest.
std::string Wishes(const Invocation& invocation) {
  Json wishes = Json::object();
  if (invocation.template_name) wishes["template"] = *invocation.template_name;
  if (!invocation.parameters.empty()) wishes["parameters"] = invocation.parameters;
  if (invocation.rsa) wishes["rsa"] = true;
  return wishes.dump();
}

}  // namespace

int Rotate(const Invocation& invocation, const Settings& settings, const std::vector<identity::Plan>& plans) {
  const auto socket = FindSocket(invocation);
  if (!socket) return kExitConfig;
  const Client client(*socket);
  std::vector<EnrolOutcome> outcomes;
  for (const identity::Plan& plan : plans) {
    const auto answer = client.Post(fmt::format("/v1/things/{}/rotate", plan.thing), Wishes(invocation), kRotateTime);
    if (!answer && answer.error().action == Action::kBackOff && outcomes.empty()) {
      return RotateHere(invocation, settings, plans);
    }
    if (!answer) {
      Complain(answer.error());
      return kExitUnavailable;
    }
    outcomes.push_back(Outcome(plan.thing, *answer));
  }
  return PrintOutcomes(invocation, {}, outcomes, plans.size());
}

}  // namespace penumbra::cli
