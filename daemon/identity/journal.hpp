// How far a thing's new certificate has come, on disk before each step that cannot be taken back: a crash anywhere
// resumes there. The file stands beside the certificate, 0600 (it holds the ownership token), written as a whole.
// Blocking file access; any thread.
//
// The steps, and what is true when the journal names one:
//   kCertificate  the new key is on disk; ask for a certificate. Nothing of the cloud is in use: a certificate whose
//                 answer was lost is never activated, and AWS deletes it after an hour.
//   kRegister     certificate and token are on disk; register the thing, which activates the certificate. `asked`: that
//                 may have happened already, so the certificate is tried before the token is used again. `named`: it
//                 has, for a thing of this other name; the token is used up, and no other certificate is asked for
//                 before a person has seen to this one.
//   kTrial        registered; connect once with it.
//   kInstall      it works; key and certificate take the old ones' places. From here there is no way back.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "identity/plan.hpp"

namespace penumbra::identity {

enum class Step { kCertificate, kRegister, kTrial, kInstall };
std::string_view ToString(Step step);  // "certificate", "register", "trial", "install"

struct Journal {
  std::string thing;
  bool rotation = false;  // asked for with the thing's own certificate, not with a claim
  Step step = Step::kCertificate;
  bool new_key = true;  // the key stands beside the old one; false: the one in place is used
  bool asked = false;   // of kRegister
  std::string named;    // of kRegister: what the template calls the thing, if that is not its name
  std::string token;
  std::string certificate_id;      // the new one's
  std::string old_certificate_id;  // that it replaces; empty: none
};

// nullopt: nothing is under way. Error kGiveUp: there is a file that is no journal of this thing.
Result<std::optional<Journal>> LoadJournal(const PendingFiles& files, const std::string& thing);
Status SaveJournal(const PendingFiles& files, const Journal& journal);
// Journal and what stands beside the certificate.
Status DiscardPending(const PendingFiles& files);

// Step kInstall, from wherever it was interrupted. `moment` is called between the operations (for crash tests).
Status FinishInstall(const Plan& plan, const std::function<void(std::string_view)>& moment);

// At the start of a daemon: finishes what was interrupted within kInstall, so that key and certificate belong together.
// Answers whether there was anything to finish.
Result<bool> RecoverInstall(const Plan& plan);

// The inverse of SaveJournal's text; kGiveUp: not a journal.
Result<Journal> ParseJournal(std::string_view text);

}  // namespace penumbra::identity
