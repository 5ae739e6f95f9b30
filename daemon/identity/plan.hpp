// What is wanted for one thing: where its key and certificate stand, and how it asks for a new certificate. Also the
// files beside them while that is under way. Pure but for the lock; any thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "credentials/issue.hpp"
#include "model/settings.hpp"

namespace penumbra::identity {

struct Plan {
  std::string thing;
  std::filesystem::path certificate, private_key;  // absolute; the key may be a pkcs11: URI
  KeyKind key = KeyKind::kP256;
  std::string template_name;
  std::map<std::string, std::string> parameters;  // of the provisioning template
};

// What one rotation is asked for with instead of what the configuration says; empty or false: as configured.
struct RotationWishes {
  std::string template_name;
  std::map<std::string, std::string> parameters;  // these only; the others stay. {thing} as in MakePlans
  bool rsa = false;
};
Plan With(Plan plan, const RotationWishes& wishes);

// Beside a certificate while a new one is on its way; gone when it is done.
struct PendingFiles {
  explicit PendingFiles(const Plan& plan);
  std::filesystem::path journal, certificate, key;  // key empty: it is in a token and stays there
};

// The gateway's own thing first, then the things in their order. `parameters`: the configuration's, overridden by
// `more`; {thing} in a value is the thing's name. ThingName and, for children, ParentThing are given unless named.
std::vector<Plan> MakePlans(const Settings& settings, const std::map<std::string, std::string>& more);

// One process at a time changes the credentials of this folder. Error kBackOff: another does.
Result<UniqueFd> LockCredentials(const std::filesystem::path& folder);

}  // namespace penumbra::identity
