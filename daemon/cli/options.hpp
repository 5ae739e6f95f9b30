// penumbra's command line: the verbs there are, and what was asked for. Pure but for the program_options library; one
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace penumbra::cli {

struct Verb {
  std::string_view name;
  std::string_view arguments;  // "THING [--since 1h]", as help shows it
  std::size_t min_words, max_words;
  std::string_view summary;               // one line
  std::string_view details;               // for `penumbra help VERB`
  std::vector<std::string_view> options;  // its own, beside the global ones
};

const std::vector<Verb>& Verbs();
const Verb* FindVerb(std::string_view name);

struct Invocation {
  std::string verb;                // one of Verbs()
  std::vector<std::string> words;  // what follows the verb
  bool help = false;               // of the verb
  bool json = false;
  bool no_color = false;
  std::optional<std::string> config;
  std::optional<std::string> socket;
  std::optional<Duration> since;
  std::optional<std::uint64_t> limit;  // 1 or more
  std::optional<Duration> timeout;
  std::optional<double> guess;  // of bus read
  // store export
  std::optional<std::string> thing, from, to, format, output;
  bool follow = false;
  bool effective = false;
  bool dry_run = false;
  std::optional<std::chrono::milliseconds> trial;  // of reload
  std::optional<std::string> name;                 // of a shadow
  std::optional<std::string> account, region, prices, out;
  std::optional<std::string> payload, topic;  // aws rules test
  bool all = false;
  bool rsa = false;
  // provision
  std::optional<std::string> claim, claim_certificate, claim_key, template_name;
  std::map<std::string, std::string> parameters;
  bool replace = false;
};

// `arguments` without the program's name. Error: for stderr, exit code 2; names the nearest verb or option.
Result<Invocation> ParseCommandLine(const std::vector<std::string>& arguments);

std::string GeneralHelp();
std::string VerbHelp(const Verb& verb);

// {"setpoint":21.5} from "setpoint=21.5", from a whole JSON object, or from several of both (the later wins). A value
// that is not JSON is text. Error: which word is neither.
Result<Json> ReadAssignments(const std::vector<std::string>& words);

// "sensor-001.temperature" at the first dot (thing names have none). nullopt when a part is missing.
std::optional<std::pair<std::string, std::string>> SplitPoint(std::string_view text);

}  // namespace penumbra::cli
