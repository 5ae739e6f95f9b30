#include "cli/provision_verb.hpp"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <random>

#include "cli/enrol.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "credentials/inspect.hpp"
#include "identity/claim.hpp"

namespace penumbra::cli {
namespace {

// Exit code 2 with a complaint, or 0.
int CheckUsage(const Invocation& invocation, const Settings& settings) {
  const bool document = invocation.claim.has_value();
  const bool files = invocation.claim_certificate.has_value() && invocation.claim_key.has_value();
  const bool half = invocation.claim_certificate.has_value() != invocation.claim_key.has_value();
  if (half || document == files) {
    Complain(
        "give the claim: --claim-certificate FILE and --claim-key FILE, or --claim FILE as `aws iot "
        "create-provisioning-claim` printed it");
    return kExitUsage;
  }
  if (invocation.all && !invocation.words.empty()) {
    Complain("name things, or give --all, not both");
    return kExitUsage;
  }
  if (!invocation.template_name && settings.credentials.template_name.empty()) {
    Complain("which provisioning template? give --template NAME, or add template = \"NAME\" to [credentials]");
    return kExitUsage;
  }
  return kExitOk;
}

// What is left to do; nullopt after a complaint: good credentials that nobody said to replace.
std::optional<std::vector<identity::Plan>> WithoutGood(const Invocation& invocation, std::vector<identity::Plan> plans,
                                                       std::vector<std::string>& kept) {
  if (invocation.replace) return plans;
  std::vector<identity::Plan> left;
  for (identity::Plan& plan : plans) {
    const bool under_way = std::filesystem::exists(identity::PendingFiles(plan).journal);
    const bool good = InspectCredentials(plan.certificate, plan.private_key, std::time(nullptr)).Usable().has_value();
    if (!good || under_way) {
      left.push_back(std::move(plan));
      continue;
    }
    if (!invocation.all) {
      Complain(fmt::format("{} has good credentials already ({}); --replace gives it new ones", plan.thing,
                           plan.certificate.string()));
      return std::nullopt;
    }
    kept.push_back(plan.thing);
  }
  return left;
}

Result<identity::Claim> TakeClaim(const Invocation& invocation, const std::filesystem::path& folder) {
  const std::int64_t now_s = std::time(nullptr);
  auto claim = invocation.claim ? identity::Claim::OfDocument(*invocation.claim, folder, now_s)
                                : identity::Claim::OfFiles(*invocation.claim_certificate, *invocation.claim_key);
  if (!claim) return claim;
  if (const Status usable = InspectCredentials(claim->certificate(), claim->private_key(), now_s).Usable(); !usable) {
    return Fail(usable.error().WithContext("the claim"));
  }
  return claim;
}

std::string ClientId() {
  std::random_device random;
  return fmt::format("{}{:08x}{:08x}", identity::kClaimClientPrefix, random(), random());
}

}  // namespace

int Provision(const Invocation& invocation) {
  const auto loaded = LoadWhole(invocation);
  if (!loaded) return kExitConfig;
  const Settings& settings = loaded->settings;
  if (const int code = CheckUsage(invocation, settings); code != kExitOk) return code;
  if (settings.upstream.endpoint.empty()) {
    Complain("there is no [upstream] endpoint to ask; add it to the configuration");
    return kExitConfig;
  }
  const auto chosen = ChosenPlans(PlansOf(settings, invocation), invocation.words, invocation.all);
  if (!chosen) return kExitUsage;
  const auto locks = LockFolders(*chosen);
  if (!locks) {
    Complain(locks.error());
    return kExitFailed;
  }
  std::vector<std::string> kept;
  auto plans = WithoutGood(invocation, *chosen, kept);
  if (!plans) return kExitFailed;
  if (plans->empty()) return PrintOutcomes(invocation, kept, {}, 0);
  const auto claim = TakeClaim(invocation, plans->front().certificate.parent_path());
  if (!claim) {
    Complain(claim.error());
    return kExitFailed;
  }
  EnrolRequest request;
  request.plans = std::move(*plans);
  request.afresh = invocation.replace;
  request.office = [&, client_id = ClientId()](const identity::Plan& plan) {
    return identity::Office::Options{settings.upstream,    client_id,          claim->certificate(),
                                     claim->private_key(), plan.template_name, "the claim certificate"};
  };
  return PrintOutcomes(invocation, kept, EnrolAll(request), request.plans.size());
}

}  // namespace penumbra::cli
