#include "cli/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "api/target.hpp"
#include "base/text.hpp"

namespace penumbra::cli {
namespace {

namespace po = boost::program_options;

po::options_description GlobalOptions() {
  po::options_description description("Options of every verb");
  auto add = description.add_options();
  add("config", po::value<std::string>()->value_name("FILE"),
      "the daemon's configuration; its [paths] run says where the socket is (default /etc/penumbra/penumbra.toml)");
  add("socket", po::value<std::string>()->value_name("PATH"),
      "the daemon's socket (else PENUMBRA_SOCKET, else from --config, else /run/penumbra/api.sock)");
  add("json", "JSON for programs instead of a table for people");
  add("no-color", "no colour on a terminal (also NO_COLOR)");
  add("help,h", "help, also of a verb");
  add("version,V", "print the version");
  return description;
}

po::options_description VerbOptions() {
  po::options_description description("Options of single verbs");
  auto add = description.add_options();
  add("since", po::value<std::string>()->value_name("DURATION"),
      "readings, aws rules: only those of the last \"1h\", \"30m\", ...");
  add("limit", po::value<std::string>()->value_name("N"),
      "readings: the newest N (default 20; with --since: all); aws rules: of each thing (default 3)");
  add("timeout", po::value<std::string>()->value_name("DURATION"),
      "bus: how long the driver may take (default: plan 5s, scan 2m, self-test 1m, ask 10s; at most 10m)");
  add("guess", po::value<std::string>()->value_name("NUMBER"), "bus read: what the device shows, such as 22.5");
  add("follow,f", "readings: go on printing new ones until Ctrl-C");
  add("thing", po::value<std::string>()->value_name("THING"), "store export: only this one");
  add("from", po::value<std::string>()->value_name("TIME"),
      "store export: from this moment on: \"2h\" ago, \"2026-11-25\", \"2026-11-25T10:00:00Z\", or Unix ms");
  add("to", po::value<std::string>()->value_name("TIME"), "store export: before this moment");
  add("format", po::value<std::string>()->value_name("csv|jsonl|sqlite"),
      "store export: form of the data (csv, with --json jsonl)");
  add("output", po::value<std::string>()->value_name("FILE"), "store export: a new file instead of standard output");
  add("name", po::value<std::string>()->value_name("NAME"), "shadow: a named shadow instead of the classic one");
  add("dry-run", "reload: only show what would change");
  add("trial", po::value<std::string>()->value_name("DURATION"),
      "reload: put back what was in force when the gateway is not well within this time");
  add("effective", "config show: every value in force with its origin, of the running daemon if there is one");
  add("account", po::value<std::string>()->value_name("ID"), "aws: the account, twelve digits (else [aws] account)");
  add("region", po::value<std::string>()->value_name("REGION"),
      "aws: the region (else [aws] region, else the endpoint's)");
  add("all", "cert, provision: every thing of the configuration");
  add("claim", po::value<std::string>()->value_name("FILE"),
      "provision: what `aws iot create-provisioning-claim` printed (a trusted user's claim, good for five minutes)");
  add("claim-certificate", po::value<std::string>()->value_name("FILE"), "provision: the claim certificate, PEM");
  add("claim-key", po::value<std::string>()->value_name("FILE"), "provision: its private key, PEM or a pkcs11: URI");
  add("template", po::value<std::string>()->value_name("NAME"),
      "provision, cert rotate: the provisioning template (else [credentials] template)");
  add("parameter", po::value<std::vector<std::string>>()->value_name("KEY=VALUE"),
      "provision, cert rotate: a parameter for the template, repeatable; {thing} in it is the thing's name");
  add("replace", "provision: also things whose credentials are good; forgets what an earlier attempt had begun");
  add("out", po::value<std::string>()->value_name("FOLDER"), "cert csr: where the requests go (default: here)");
  add("rsa", "cert csr, provision, cert rotate: new keys are RSA-2048 instead of P-256");
  add("prices", po::value<std::string>()->value_name("FILE"), "aws cost: another price file than the built-in one");
  add("payload", po::value<std::string>()->value_name("FILE"),
      "aws rules test: this message instead of the gateway's own (- is standard input)");
  add("topic", po::value<std::string>()->value_name("TOPIC"), "aws rules test: the topic of --payload");
  return description;
}

std::vector<std::string> OptionNames() {
  std::vector<std::string> names;
  for (const auto& description : {GlobalOptions(), VerbOptions()}) {
    for (const auto& option : description.options()) names.push_back("--" + option->long_name());
  }
  return names;
}

tl::unexpected<Error> Usage(std::string message) {
  return Fail(Action::kFixConfig, std::move(message));
}

std::string Hint(std::string_view word, const std::vector<std::string>& candidates, std::string_view otherwise) {
  if (const auto near = Suggest(word, candidates)) return fmt::format("; did you mean \"{}\"?", *near);
  return fmt::format("; {}", otherwise);
}

Result<po::variables_map> Parse(const std::vector<std::string>& arguments) {
  po::options_description all;
  all.add(GlobalOptions()).add(VerbOptions()).add_options()("word", po::value<std::vector<std::string>>());
  // Abbreviated options would change their meaning with every option we add.
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map given;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(po::positional_options_description().add("word", -1))
                  .style(style)
                  .run(),
              given);
    po::notify(given);
  } catch (const po::unknown_option& e) {
    return Usage(fmt::format("unknown option \"{}\"{}", e.get_option_name(),
                             Hint(e.get_option_name(), OptionNames(), "see penumbra --help")));
  } catch (const po::error& e) {
    return Usage(fmt::format("{}; see penumbra --help", e.what()));
  }
  return given;
}

Status CheckVerbOptions(const Verb& verb, const po::variables_map& given) {
  const po::options_description known = VerbOptions();
  for (const auto& option : known.options()) {
    const std::string& name = option->long_name();
    if (given.count(name) == 0) continue;
    if (std::find(verb.options.begin(), verb.options.end(), name) == verb.options.end()) {
      return Usage(fmt::format("{} knows no --{}; see penumbra help {}", verb.name, name, verb.name));
    }
  }
  return {};
}

Status CheckWords(const Verb& verb, const Invocation& invocation) {
  const std::size_t count = invocation.words.size();
  if (count >= verb.min_words && count <= verb.max_words) return {};
  return Usage(fmt::format("{} {}; usage: penumbra {} {}", verb.name,
                           count < verb.min_words ? "wants more" : "wants fewer words", verb.name, verb.arguments));
}

Status TakeValues(const po::variables_map& given, Invocation& invocation) {
  if (given.count("config") != 0) invocation.config = given["config"].as<std::string>();
  if (given.count("socket") != 0) invocation.socket = given["socket"].as<std::string>();
  if (given.count("since") != 0) {
    const auto since = ParseDuration(given["since"].as<std::string>());
    if (!since) return Usage("--since: " + since.error().message);
    invocation.since = *since;
  }
  if (given.count("limit") != 0) {
    const std::string& text = given["limit"].as<std::string>();
    invocation.limit = api::ParseNumber(text, 1'000'000'000);
    if (!invocation.limit || *invocation.limit == 0) {
      return Usage(fmt::format("--limit: \"{}\" is not a whole number above 0", text));
    }
  }
  if (given.count("timeout") != 0) {
    const auto timeout = ParseDuration(given["timeout"].as<std::string>());
    if (!timeout) return Usage("--timeout: " + timeout.error().message);
    if (*timeout < std::chrono::milliseconds(1) || *timeout > std::chrono::minutes(10)) {
      return Usage("--timeout: from 1ms to 10m");
    }
    invocation.timeout = *timeout;
  }
  if (given.count("trial") != 0) {
    const auto trial = ParseDuration(given["trial"].as<std::string>());
    if (!trial) return Usage("--trial: " + trial.error().message);
    if (*trial < std::chrono::seconds(1) || *trial > std::chrono::minutes(10)) return Usage("--trial: from 1s to 10m");
    invocation.trial = std::chrono::duration_cast<std::chrono::milliseconds>(*trial);
  }
  if (given.count("guess") != 0) {
    const auto guess = ParseJson(given["guess"].as<std::string>());
    if (!guess || !guess->is_number()) return Usage("--guess: a number, such as 22.5");
    invocation.guess = guess->get<double>();
  }
  const std::pair<const char*, std::optional<std::string>*> texts[] = {{"thing", &invocation.thing},
                                                                       {"from", &invocation.from},
                                                                       {"to", &invocation.to},
                                                                       {"format", &invocation.format},
                                                                       {"output", &invocation.output}};
  for (const auto& [name, into] : texts) {
    if (given.count(name) != 0) *into = given[name].as<std::string>();
  }
  for (const auto& [name, out] : {std::pair("account", &invocation.account), std::pair("region", &invocation.region),
                                  std::pair("prices", &invocation.prices), std::pair("out", &invocation.out),
                                  std::pair("payload", &invocation.payload), std::pair("topic", &invocation.topic)}) {
    if (given.count(name) != 0) *out = given[name].as<std::string>();
  }
  for (const auto& [name, out] :
       {std::pair("claim", &invocation.claim), std::pair("claim-certificate", &invocation.claim_certificate),
        std::pair("claim-key", &invocation.claim_key), std::pair("template", &invocation.template_name)}) {
    if (given.count(name) != 0) *out = given[name].as<std::string>();
  }
  if (given.count("parameter") != 0) {
    for (const std::string& text : given["parameter"].as<std::vector<std::string>>()) {
      const std::size_t equals = text.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return Usage(fmt::format("--parameter: \"{}\" is not KEY=VALUE", text));
      }
      invocation.parameters[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  invocation.replace = given.count("replace") != 0;
  invocation.all = given.count("all") != 0;
  invocation.rsa = given.count("rsa") != 0;
  invocation.json = given.count("json") != 0;
  invocation.no_color = given.count("no-color") != 0;
  invocation.follow = given.count("follow") != 0;
  invocation.dry_run = given.count("dry-run") != 0;
  invocation.effective = given.count("effective") != 0;
  invocation.help = given.count("help") != 0;
  if (given.count("name") != 0) invocation.name = given["name"].as<std::string>();
  return {};
}

Result<std::string> TakeVerb(const po::variables_map& given, std::vector<std::string>& words) {
  if (words.empty()) {
    if (given.count("version") != 0) return std::string("version");
    if (given.count("help") != 0) return std::string("help");
    return Usage("what should be done? see penumbra --help");
  }
  std::string verb = words.front();
  words.erase(words.begin());
  if (FindVerb(verb) != nullptr) return verb;
  std::vector<std::string> names;
  for (const Verb& known : Verbs()) names.emplace_back(known.name);
  return Usage(fmt::format("unknown verb \"{}\"{}", verb, Hint(verb, names, "see penumbra --help")));
}

}  // namespace

const std::vector<Verb>& Verbs() {
  static const std::vector<Verb> kVerbs = {
      {"status",
       "",
       0,
       0,
       "the gateway at a glance",
       "Clock, cloud sessions, things, buses and store, each with what is wrong.",
       {}},
      {"things",
       "[THING]",
       0,
       1,
       "all things, or one with its points",
       "State: ok, stale (no value within three intervals), unreachable (nothing answers), waiting.",
       {}},
      {"readings",
       "THING [--since 1h] [--limit N] [--follow]",
       1,
       1,
       "stored readings of a thing",
       "Without options the newest 20. A cell \"!timeout\" says why a point has no value; \"?\" marks an uncertain "
       "one.\n"
       "With --json and --follow one JSON object a line.",
       {"since", "limit", "follow"}},
      {"explain",
       "THING.POINT",
       1,
       1,
       "why a point is silent, or what became of its value",
       "Follows the point from its bus to the cloud. The last line is the verdict.",
       {}},
      {"shadow",
       "get|diff|set THING [KEY=VALUE...] [--name N]",
       2,
       66,
       "a thing's shadow: look at it, compare it with the cloud, or change desired",
       "Works online and offline: what is set offline goes to the device at once and to the cloud later.\n"
       "get:  desired and reported as the gateway knows them.\n"
       "diff: what the device says, what the cloud last showed, the base, and what will be sent.\n"
       "set:  merges into desired. KEY=VALUE with VALUE as JSON, or as text if it is none; or a whole JSON object,\n"
       "      as in: penumbra shadow set hall-1 setpoint=21.5 '{\"sample_interval\":10}'. null removes a key.",
       {"name"}},
      {"buses",
       "",
       0,
       0,
       "buses with load, errors and restarts, and their units",
       "Load is the share of the last minute in requests. Units are counted by the driver since its host was started.",
       {}},
      {"bus",
       "plan|scan|read|counters|self-test|ask BUS [KEY=VALUE ...], or replay FILE",
       2,
       34,
       "ask the driver of a bus",
       "plan: the transfers that it makes to read all points, and the load of the bus with a warning above 100 %.\n"
       "scan: the devices it finds, and the profiles that fit; changes nothing on them, and lets polls through "
       "between.\n"
       "read: registers, and everything that they can mean: read hall-a unit=3 table=input address=1 --guess 22.5.\n"
       "counters: what has happened on the bus, by unit.\n"
       "self-test: what each thing's device says of itself. ask BUS NAME or ask BUS '{\"ask\":...}': any question that "
       "the driver knows.\n"
       "KEY=VALUE goes into the question (scan hall-a from=1 to=32). While the driver answers, its bus polls nothing.\n"
       "replay FILE [port=N]: a recording of the state folder's recorder/ as a device on 127.0.0.1, or on a pty.\n"
       "Without a running daemon the driver is started for the question, with the configuration of --config.",
       {"timeout", "guess"}},
      {"orders",
       "[THING]",
       0,
       1,
       "what the cloud ordered: commands, jobs and executions, how far each got, and what became of it",
       "Received, acting, done, answered: each step is durable before it is taken. Answered ones are remembered for a "
       "while, so\nthat the same order is not done twice. Desired values of the shadow are no orders: see shadow "
       "diff.\n"
       "Cancelled: the cloud ended it (a job that was cancelled, removed or timed out), and nothing of it holds.\n"
       "Executions of AWS IoT Commands come in if their target is the thing (thing/NAME); those for a client id\n"
       "(client/NAME) are not heard and time out.",
       {}},
      {"outbox",
       "",
       0,
       0,
       "what waits for the cloud, thing by thing",
       "Things that are not configured any more but still have readings are shown too.",
       {}},
      {"store",
       "stats|export|vacuum [--thing T] [--from TIME] [--to TIME] [--format csv|jsonl|sqlite] [--output FILE]",
       1,
       1,
       "what the database holds and costs; take data out of it; make it small",
       "stats: sizes, bytes written a day, and what that means for the card in a year ([store] endurance).\n"
       "export: readings as CSV (the default), JSON lines or an SQLite file, of the running daemon or without one.\n"
       "vacuum: gives unused pages back to the file system, while the daemon runs.",
       {"thing", "from", "to", "format", "output"}},
      {"config",
       "check|show [--effective]",
       1,
       1,
       "check or show the configuration",
       "check: every fault with file, line and column; exit code 78 if there is an error, 0 with warnings only.\n"
       "show: what the files set, normalised. With --effective every value with its origin: of the running daemon if "
       "it\n"
       "is reachable, else from the files. Neither changes anything.",
       {"effective"}},
      {"reload",
       "[--dry-run | --trial DURATION]",
       0,
       0,
       "have the running daemon take over its changed configuration",
       "Only what differs is touched: every other bus, session and the store go on. A file with errors is refused as "
       "a\n"
       "whole, and so is one of which a part needs a restart; then what was in force stays so. As `systemctl reload`.\n"
       "--dry-run: the difference between what is in force and the file, and what each change would touch.\n"
       "--trial: applies it and looks whether buses, things and sessions are as well as before; if they are not within "
       "that\ntime, what was in force is put back. For a gateway that is far away.\n"
       "Exit code 0 when it was or could be applied, 1 when only a restart can apply it or it was put back, 78 when "
       "the "
       "file is\nwrong.",
       {"dry-run", "trial"}},
      {"drivers",
       "[NAME]",
       0,
       1,
       "the drivers there are, or the options of one",
       "Drivers are looked for in [paths] drivers of the configuration, else where the package puts them.",
       {}},
      {"profile",
       "list | import FILE.csv [NAME]",
       1,
       3,
       "the device profiles there are; make one of a list of points",
       "import: a table as manuals have it, the first line naming the columns (name, address, and any of table, type, "
       "order,\nlength, bit, scale, offset, unit, min, max, invalid), becomes a Modbus profile on standard output. "
       "Each "
       "fault is told\nwith its line; the driver checks the points too.",
       {}},
      {"diag",
       "[FILE]",
       0,
       1,
       "a support bundle without secrets",
       "One JSON document: the daemon's state, the configuration in force and its faults, metrics, the machine, and "
       "the\n"
       "journal. To FILE, which must not be there yet, or to standard output. Works without the daemon too.",
       {}},
      {"driver",
       "check FILE.so [CONFIGURATION.json] | new NAME [FOLDER]",
       2,
       3,
       "for authors of drivers: check one, begin one",
       "check: examines a driver without its device: ABI, schemas, wrong options, leaks, deadlines, cancelling, "
       "nonsense on "
       "the\nbus. The configuration ({\"bus\":{},\"things\":[]}) is made from its schemas when none is given, with "
       "a bus\nthat is played where that is possible; what then could not be checked is said. Exit code 1 if there is "
       "a "
       "finding.\n"
       "new: writes a project that builds, with a test, an example configuration and Debian packaging.",
       {}},
      {"cert",
       "show|csr|install|rotate [THING...|--all|FILE] [--out FOLDER] [--template NAME] [--parameter KEY=VALUE] [--rsa]",
       1,
       2001,
       "keys, certificate requests and certificates",
       "show: each certificate with its id, its end and what is wrong; exit code 1 when one cannot be used.\n"
       "csr: a private key where there is none yet (0600, never overwritten) and the request for its certificate.\n"
       "install: certificates from a JSON object, as `terraform output -json certificates` prints it; each is checked "
       "against\n"
       "its key first. A running daemon picks them up by itself.\n"
       "rotate: a new key and certificate, asked for with the old one, tried, and only then put in its place. The "
       "running "
       "daemon\n"
       "does it (readings wait in the store meanwhile); without one this tool does. May be repeated after a crash.",
       {"all", "out", "rsa", "template", "parameter"}},
      {"provision",
       "THING...|--all --claim FILE|--claim-certificate FILE --claim-key FILE [--template NAME] [--parameter "
       "KEY=VALUE]... "
       "[--rsa] [--replace]",
       0,
       2000,
       "keys and certificates for things that have none, by fleet provisioning",
       "Makes each thing's key here, asks AWS IoT for its certificate with the claim, registers the thing with the "
       "template,\n"
       "tries the certificate, and puts it where the daemon looks; a running daemon picks it up within seconds. "
       "Repeated "
       "after\n"
       "a crash it resumes. Good credentials are not replaced without --replace: with --all they are passed over, a "
       "thing "
       "that\n"
       "is named is an error.",
       {"all", "claim", "claim-certificate", "claim-key", "template", "parameter", "rsa", "replace"}},
      {"aws",
       "policy|terraform|cli|template|claim-policy|cost|rules test [--account ID] [--region REGION] [--template NAME] "
       "[--prices FILE]",
       1,
       2,
       "what the AWS account needs for this gateway, what it costs, and what its rules would do",
       "policy: the one least-privilege policy document on standard output, and what each line is for on standard "
       "error.\n"
       "terraform: everything as one main.tf: thing types, things, groups, certificates from CSRs, policy, rules, "
       "roles. With\n[credentials] template (or --template) the provisioning template, its role and the claim's "
       "policy instead of certificates.\n"
       "cli: the same as a script of aws commands that can be run again.\n"
       "template, claim-policy: the template's body, and the policy of the claim certificate, as files that AWS "
       "takes.\n"
       "cost: messages, shadow operations and dollars a month, and which settings save. All from the configuration "
       "alone.\n"
       "rules test: runs every [[rule]] here (or the two built-in ones) on the newest stored readings of each thing, "
       "as "
       "they\nare published, and shows what each action would receive; of a thing without readings an example. Exit "
       "code "
       "1 if a\nrule can never fire, selects what is not there, or its action would be refused; 78 if one is no rule.",
       {"account", "region", "template", "prices", "since", "limit", "payload", "topic"}},
      {"version", "", 0, 0, "print the version", "", {}},
      {"help", "[VERB]", 0, 1, "this help, or that of a verb", "", {}},
  };
  return kVerbs;
}

const Verb* FindVerb(std::string_view name) {
  const auto it = std::find_if(Verbs().begin(), Verbs().end(), [name](const Verb& verb) { return verb.name == name; });
  return it == Verbs().end() ? nullptr : &*it;
}

Result<Invocation> ParseCommandLine(const std::vector<std::string>& arguments) {
  const auto given = Parse(arguments);
  if (!given) return Fail(given.error());
  Invocation invocation;
  if (given->count("word") != 0) invocation.words = (*given)["word"].as<std::vector<std::string>>();
  if (const Status status = TakeValues(*given, invocation); !status) return Fail(status.error());
  auto verb = TakeVerb(*given, invocation.words);
  if (!verb) return Fail(verb.error());
  invocation.verb = std::move(*verb);
  if (invocation.help) return invocation;
  const Verb& known = *FindVerb(invocation.verb);
  if (const Status status = CheckVerbOptions(known, *given); !status) return Fail(status.error());
  if (const Status status = CheckWords(known, invocation); !status) return Fail(status.error());
  return invocation;
}

std::string GeneralHelp() {
  std::string text = "penumbra: looks into a running penumbrad.\n\nUsage: penumbra VERB [options]\n\nVerbs:\n";
  for (const Verb& verb : Verbs()) text += fmt::format("  {:<10} {}\n", verb.name, verb.summary);
  std::ostringstream options;
  options << GlobalOptions() << '\n' << VerbOptions();
  return text + "\n" + options.str() +
         "\nExit codes: 0 ok, 1 failed, 2 usage, 69 daemon not reachable, 78 configuration.\n";
}

std::string VerbHelp(const Verb& verb) {
  std::string text = fmt::format("penumbra {} {}\n  {}.\n", verb.name, verb.arguments, verb.summary);
  if (!verb.details.empty()) text += fmt::format("\n{}\n", verb.details);
  std::ostringstream options;
  po::options_description own("Options");
  const po::options_description known = VerbOptions();
  for (const auto& option : known.options()) {
    const bool mine = std::find(verb.options.begin(), verb.options.end(), option->long_name()) != verb.options.end();
    if (mine) own.add(option);
  }
  if (!own.options().empty()) options << '\n' << own;
  return text + options.str() + "\nOptions of every verb: see penumbra --help.\n";
}

Result<Json> ReadAssignments(const std::vector<std::string>& words) {
  Json patch = Json::object();
  for (const std::string& word : words) {
    if (!word.empty() && word.front() == '{') {
      const auto object = ParseJson(word);
      if (!object) return Usage(fmt::format("{}: {}", word, object.error().message));
      patch.update(*object);
      continue;
    }
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Usage(fmt::format("\"{}\" is neither KEY=VALUE nor a JSON object", word));
    }
    const std::string text = word.substr(equals + 1);
    const auto value = ParseJson(text);
    patch[word.substr(0, equals)] = value ? *value : Json(text);
  }
  return patch;
}

std::optional<std::pair<std::string, std::string>> SplitPoint(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == text.size()) return std::nullopt;
  return std::pair(std::string(text.substr(0, dot)), std::string(text.substr(dot + 1)));
}

}  // namespace penumbra::cli
