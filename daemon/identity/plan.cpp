#include "identity/plan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>

#include "credentials/private_key.hpp"

namespace penumbra::identity {
namespace {

std::string Filled(std::string value, const std::string& thing) {
  constexpr std::string_view kPlace = "{thing}";
  for (std::size_t at = value.find(kPlace); at != std::string::npos; at = value.find(kPlace, at + thing.size())) {
    value.replace(at, kPlace.size(), thing);
  }
  return value;
}

Plan PlanFor(const Settings& settings, const std::map<std::string, std::string>& more, const std::string& thing,
             const std::filesystem::path& certificate, const std::filesystem::path& private_key) {
  const CredentialSettings& wanted = settings.credentials;
  Plan plan{thing, certificate, private_key, wanted.rsa ? KeyKind::kRsa2048 : KeyKind::kP256, wanted.template_name, {}};
  plan.parameters["ThingName"] = thing;
  if (!settings.gateway.thing.empty() && thing != settings.gateway.thing) {
    plan.parameters["ParentThing"] = settings.gateway.thing;
  }
  for (const auto& [key, value] : wanted.parameters) plan.parameters[key] = Filled(value, thing);
  for (const auto& [key, value] : more) plan.parameters[key] = Filled(value, thing);
  return plan;
}

}  // namespace

PendingFiles::PendingFiles(const Plan& plan)
    : journal(plan.certificate.string() + ".journal"), certificate(plan.certificate.string() + ".next") {
  if (!IsPkcs11Uri(plan.private_key)) key = plan.private_key.string() + ".next";
}

std::vector<Plan> MakePlans(const Settings& settings, const std::map<std::string, std::string>& more) {
  std::vector<Plan> plans;
  const GatewaySettings& gateway = settings.gateway;
  if (!gateway.thing.empty()) {
    plans.push_back(PlanFor(settings, more, gateway.thing, gateway.certificate, gateway.private_key));
  }
  for (const ThingSettings& thing : settings.things) {
    plans.push_back(PlanFor(settings, more, thing.name, thing.certificate, thing.private_key));
  }
  return plans;
}

Plan With(Plan plan, const RotationWishes& wishes) {
  if (!wishes.template_name.empty()) plan.template_name = wishes.template_name;
  for (const auto& [key, value] : wishes.parameters) plan.parameters[key] = Filled(value, plan.thing);
  if (wishes.rsa) plan.key = KeyKind::kRsa2048;
  return plan;
}

Result<UniqueFd> LockCredentials(const std::filesystem::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Fail(Action::kFixConfig, ErrnoMessage("cannot open " + folder.string(), errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return Fail(Action::kBackOff,
              fmt::format("another process changes the credentials in {} at this moment; try again when "
                          "it is done",
                          folder.string()));
}

}  // namespace penumbra::identity
