// iotcore: the stand-in for AWS IoT Core as a program.
//   iotcore --dir FOLDER --thing NAME... [--port N] ...   runs until SIGTERM, SIGINT, or the end of standard input
//   iotcore ctl SOCKET COMMAND...                         steers a running one; exit code 0 ok, 1 refused, 69 away
#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/program_options.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/log.hpp"
#include "iotcore/commands_service.hpp"
#include "iotcore/control.hpp"
#include "iotcore/defender_service.hpp"
#include "iotcore/iot_core.hpp"
#include "iotcore/jobs_service.hpp"
#include "iotcore/provisioning_service.hpp"
#include "iotcore/rules_service.hpp"
#include "iotcore/shadow_host.hpp"

namespace {

namespace po = boost::program_options;
namespace asio = boost::asio;
using penumbra::Json;
using penumbra::iotcore::IotCore;

constexpr int kOk = 0, kFailed = 1, kUsage = 2, kUnavailable = 69, kConfig = 78;
constexpr std::chrono::seconds kControlTimeout(30);

int Control(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: iotcore ctl SOCKET COMMAND...\n{}\n", IotCore::Usage());
    return kUsage;
  }
  std::string command;
  for (int i = 3; i < argc; ++i) command += (i > 3 ? " " : "") + std::string(argv[i]);
  const auto answer = penumbra::iotcore::RunControlClient(argv[2], command, kControlTimeout);
  if (!answer) {
    fmt::print(stderr, "iotcore: {}\n", answer.error().message);
    return kUnavailable;
  }
  if (!penumbra::GetBool(*answer, "ok").value_or(false)) {
    fmt::print(stderr, "iotcore: {}\n", penumbra::GetString(*answer, "error").value_or("refused"));
    return kFailed;
  }
  fmt::print("{}\n", penumbra::Dump((*answer)["result"]));
  return kOk;
}

struct Arguments {
  IotCore::Options core;
  std::filesystem::path policy, claim_policy, rules, control;
  bool stop_on_eof = false;
};

// The exit code instead, after --help and on mistakes.
tl::expected<Arguments, int> Parse(int argc, char** argv) {
  Arguments arguments;
  po::options_description options("iotcore, a local stand-in for AWS IoT Core");
  auto& core = arguments.core;
  options.add_options()("help", "this text")                                                                 //
      ("dir", po::value(&core.folder)->required(), "folder for certificates, broker files and sockets")      //
      ("thing", po::value(&core.things)->composing(), "make credentials for this thing (repeatable)")        //
      ("claim", po::value(&core.claims)->composing(), "make a claim certificate of this name (repeatable)")  //
      ("server-name", po::value(&core.server_names)->composing(),
       "name in the server certificate, beside localhost (repeatable)")                               //
      ("port", po::value(&core.port)->default_value(0), "where gateways connect; 0: a free port")     //
      ("policy", po::value(&arguments.policy)->default_value(IOTCORE_POLICY), "AWS policy document")  //
      ("claim-policy", po::value(&arguments.claim_policy)->default_value(IOTCORE_CLAIM_POLICY),
       "AWS policy document of claim certificates")                                                            //
      ("record", po::value(&core.record), "append every message to this file, one JSON object a line")         //
      ("rules", po::value(&arguments.rules), "rules of the rules engine: a JSON array, as for \"rules set\"")  //
      ("control", po::value(&arguments.control), "control socket (default: DIR/control.sock)")                 //
      ("stop-on-eof", po::bool_switch(&arguments.stop_on_eof), "end when standard input ends");
  try {
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, options), values);
    if (values.count("help") > 0) {
      fmt::print("{}\niotcore ctl SOCKET COMMAND...\n{}\n", (std::ostringstream() << options).str(), IotCore::Usage());
      return tl::unexpected(kOk);
    }
    po::notify(values);
  } catch (const po::error& error) {
    fmt::print(stderr, "iotcore: {}\n", error.what());
    return tl::unexpected(kUsage);
  }
  std::ifstream policy(arguments.policy), claim_policy(arguments.claim_policy);
  core.policy.assign(std::istreambuf_iterator<char>(policy), {});
  core.claim_policy.assign(std::istreambuf_iterator<char>(claim_policy), {});
  if (arguments.control.empty()) arguments.control = core.folder / "control.sock";
  return arguments;
}

// A hundred things are two hundred sockets, and tests want more.
void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void StopAtEndOfInput(asio::io_context& context, asio::posix::stream_descriptor& input, std::array<char, 256>& buffer) {
  input.async_read_some(asio::buffer(buffer), [&context, &input, &buffer](const auto& error, std::size_t) {
    if (error) return context.stop();
    StopAtEndOfInput(context, input, buffer);
  });
}

IotCore::Services MakeServices(penumbra::iotcore::CertificateRegistry& registry,
                               penumbra::iotcore::CertificateOffice& office) {
  IotCore::Services services;
  services.push_back(std::make_unique<penumbra::iotcore::ShadowHost>());
  services.push_back(std::make_unique<penumbra::iotcore::JobsService>());
  services.push_back(std::make_unique<penumbra::iotcore::CommandsService>());
  services.push_back(std::make_unique<penumbra::iotcore::DefenderService>());
  services.push_back(std::make_unique<penumbra::iotcore::ProvisioningService>(registry, office));
  services.push_back(std::make_unique<penumbra::iotcore::RulesService>());
  return services;
}

int Run(Arguments arguments) {
  asio::io_context context{1};
  auto core = IotCore::Create(context, std::move(arguments.core), MakeServices);
  if (!core) {
    fmt::print(stderr, "iotcore: {}\n", core.error().message);
    return kConfig;
  }
  if (!arguments.rules.empty()) {
    std::ifstream file(arguments.rules);
    const auto set = (*core)->Command({"rules", "set", std::string(std::istreambuf_iterator<char>(file), {})});
    if (!set) {
      fmt::print(stderr, "iotcore: {}: {}\n", arguments.rules.string(), set.error().message);
      return kConfig;
    }
  }
  penumbra::iotcore::ControlServer control(context, [&core](const auto& words) { return (*core)->Command(words); });
  int code = kOk;
  (*core)->Start([&](penumbra::Status started) {
    if (started) started = control.Listen(arguments.control);
    if (!started) {
      fmt::print(stderr, "iotcore: {}\n", started.error().message);
      code = kFailed;
      return context.stop();
    }
    Json ready = (*core)->Info();
    ready["control"] = std::filesystem::absolute(arguments.control).string();
    fmt::print("{}\n", penumbra::Dump(ready));
    std::fflush(stdout);
  });
  asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&context](const auto&, int) { context.stop(); });
  asio::posix::stream_descriptor input(context);
  std::array<char, 256> buffer;
  if (arguments.stop_on_eof) {
    input.assign(::dup(0));
    StopAtEndOfInput(context, input, buffer);
  }
  context.run();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "ctl") return Control(argc, argv);
  auto arguments = Parse(argc, argv);
  if (!arguments) return arguments.error();
  RaiseFileLimit();
  return Run(std::move(*arguments));
}
