// penumbra: the command line tool. Reads the command line and hands over to the verb.
#include <csignal>
#include <exception>

#include "base/version.hpp"
#include "cli/aws_verbs.hpp"
#include "cli/bus_verbs.hpp"
#include "cli/cert_verbs.hpp"
#include "cli/daemon_verbs.hpp"
#include "cli/diag.hpp"
#include "cli/driver_verbs.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cli/profile_import.hpp"
#include "cli/provision_verb.hpp"
#include "cli/store_verbs.hpp"

namespace penumbra::cli {
namespace {

struct DaemonVerb {
  std::string_view name;
  int (*run)(const Client&, const Invocation&);
};

constexpr DaemonVerb kDaemonVerbs[] = {{"status", Status},   {"things", Things}, {"readings", Readings},
                                       {"explain", Explain}, {"buses", Buses},   {"outbox", Outbox},
                                       {"shadow", Shadow},   {"reload", Reload}, {"orders", Orders}};

int Version(const Invocation& invocation) {
  const std::string version = kVersion;
  Print(invocation.json ? Dump(Json{{"version", version}}) + "\n" : "penumbra " + version + "\n");
  return kExitOk;
}

int Help(const Invocation& invocation) {
  const std::string_view name = invocation.help && invocation.verb != "help" ? std::string_view(invocation.verb)
                                : invocation.words.empty()                   ? std::string_view()
                                                                             : std::string_view(invocation.words[0]);
  if (name.empty()) {
    Print(GeneralHelp());
    return kExitOk;
  }
  if (const Verb* verb = FindVerb(name)) {
    Print(VerbHelp(*verb));
    return kExitOk;
  }
  Complain("unknown verb \"" + std::string(name) + "\"; see penumbra --help");
  return kExitUsage;
}

int Config(const Invocation& invocation) {
  if (invocation.words[0] == "check" && !invocation.effective) return ConfigCheck(invocation);
  if (invocation.words[0] == "show") return ConfigShow(invocation);
  Complain("usage: penumbra config check, or penumbra config show [--effective]");
  return kExitUsage;
}

int AskDaemon(const DaemonVerb& verb, const Invocation& invocation) {
  const auto socket = FindSocket(invocation);
  if (!socket) return kExitConfig;
  return verb.run(Client(*socket), invocation);
}

int Run(const std::vector<std::string>& arguments) {
  const auto invocation = ParseCommandLine(arguments);
  if (!invocation) {
    Complain(invocation.error());
    return kExitUsage;
  }
  if (invocation->help || invocation->verb == "help") return Help(*invocation);
  if (invocation->verb == "version") return Version(*invocation);
  if (invocation->verb == "config") return Config(*invocation);
  if (invocation->verb == "bus") return Bus(*invocation);
  if (invocation->verb == "driver") return Driver(*invocation);
  if (invocation->verb == "store") return StoreVerb(*invocation);
  if (invocation->verb == "profile") return Profile(*invocation);
  if (invocation->verb == "drivers") return ListDrivers(*invocation);
  if (invocation->verb == "diag") return Diag(*invocation);
  if (invocation->verb == "cert") return Cert(*invocation);
  if (invocation->verb == "provision") return Provision(*invocation);
  if (invocation->verb == "aws") return Aws(*invocation);
  for (const DaemonVerb& verb : kDaemonVerbs) {
    if (verb.name == invocation->verb) return AskDaemon(verb, *invocation);
  }
  return kExitUsage;
}

}  // namespace
}  // namespace penumbra::cli

int main(int argc, char** argv) {
  // A closed pipe is an error of write(2), which Print understands, not a reason to die.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return penumbra::cli::Run({argv + 1, argv + argc});
  } catch (const std::exception& e) {
    penumbra::cli::Complain(e.what());
    return penumbra::cli::kExitFailed;
  }
}
