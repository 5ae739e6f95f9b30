#include "app/options.hpp"

#include <boost/program_options.hpp>
#include <map>
#include <sstream>

namespace penumbra {
namespace {

namespace po = boost::program_options;

const std::map<std::string, log::Level> kLevels = {{"error", log::Level::kError},
                                                   {"warning", log::Level::kWarning},
                                                   {"notice", log::Level::kNotice},
                                                   {"info", log::Level::kInfo},
                                                   {"debug", log::Level::kDebug}};

DaemonOptions::Mode ModeOf(const po::variables_map& given) {
  if (given.count("help") != 0) return DaemonOptions::Mode::kHelp;
  if (given.count("version") != 0) return DaemonOptions::Mode::kVersion;
  if (given.count("check") != 0) return DaemonOptions::Mode::kCheck;
  if (given.count("once") != 0) return DaemonOptions::Mode::kOnce;
  return DaemonOptions::Mode::kRun;
}

}  // namespace

Result<DaemonOptions> ParseDaemonOptions(int argc, const char* const* argv) {
  DaemonOptions options;
  std::string config = options.config;
  std::string level = "info";
  po::options_description description(
      "penumbrad: polls sensors, keeps their readings, and syncs them with AWS IoT Core.\n\nOptions");
  auto add = description.add_options();
  add("config", po::value(&config)->default_value(config)->value_name("FILE"),
      "configuration; conf.d/*.toml beside it is read too");
  add("check", "check the configuration and exit: 0, or 78 with what is wrong");
  add("once", "poll every thing once, print the readings, store and send nothing, and exit");
  add("log-level", po::value(&level)->default_value(level)->value_name("LEVEL"),
      "error, warning, notice, info or debug");
  add("version", "print the version and exit");
  add("help,h", "print this and exit");
  try {
    po::variables_map given;
    po::store(po::command_line_parser(argc, argv).options(description).positional({}).run(), given);
    po::notify(given);
    options.mode = ModeOf(given);
  } catch (const po::error& e) {
    return Fail(Action::kFixConfig, std::string(e.what()) + "; see penumbrad --help");
  }
  const auto known = kLevels.find(level);
  if (known == kLevels.end()) {
    return Fail(Action::kFixConfig, "--log-level " + level + ": write error, warning, notice, info or debug");
  }
  options.config = config;
  options.log_level = known->second;
  std::ostringstream help;
  help << description;
  options.help = help.str();
  return options;
}

}  // namespace penumbra
