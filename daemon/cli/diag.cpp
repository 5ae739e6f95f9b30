#include "cli/diag.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include "app/driver_knowledge.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "base/version.hpp"
#include "cli/client.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"
#include "cli/redact.hpp"

namespace penumbra::cli {
namespace {

// What the daemon says of itself, each under its own name.
constexpr std::array<std::pair<const char*, const char*>, 6> kTargets = {{{"status", "/v1/status"},
                                                                          {"things", "/v1/things"},
                                                                          {"buses", "/v1/buses"},
                                                                          {"outbox", "/v1/outbox"},
                                                                          {"config", "/v1/config"},
                                                                          {"metrics", "/metrics"}}};
constexpr std::size_t kMaxJournalBytes = 2 * 1024 * 1024;
constexpr std::size_t kMaxLine = 4096;  // longer ones are cut: std::regex needs stack for each character
constexpr const char* kJournal = "timeout 10 journalctl -u penumbrad -n 2000 -o short-iso-precise --no-pager 2>&1";

OrderedJson Missing(std::string why) {
  return OrderedJson{{"missing", std::move(why)}};
}

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, std::min(end, kMaxLine)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

OrderedJson FromDaemon(const std::optional<std::filesystem::path>& socket, const char* target) {
  if (!socket) return Missing("the configuration does not say where the socket is");
  const auto answer = Client(*socket).Get(target);
  if (!answer) return Missing(answer.error().message);
  OrderedJson json = OrderedJson::parse(answer->body, nullptr, false);
  // Metrics are text.
  return json.is_discarded() ? OrderedJson(Lines(answer->body)) : json;
}

OrderedJson CheckedConfig(const std::string& file) {
  const LoadedConfig loaded = LoadConfig(file, AskDrivers());
  std::vector<Diagnostic> diagnostics = loaded.diagnostics;
  if (loaded.Ok()) {
    for (Diagnostic& warning : CheckCredentials(loaded.settings)) diagnostics.push_back(std::move(warning));
  }
  return RenderDiagnostics(file, diagnostics);
}

OrderedJson Journal() {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(kJournal, "re"), ::pclose);
  if (!pipe) return Missing("journalctl cannot be started");
  std::string text;
  std::array<char, 4096> part{};
  while (const std::size_t n = std::fread(part.data(), 1, part.size(), pipe.get())) {
    if (text.size() < kMaxJournalBytes) text.append(part.data(), n);
  }
  return Lines(text);
}

// Lines of a file under /proc or /etc that begin with one of `keys`.
OrderedJson Facts(const char* file, std::initializer_list<std::string_view> keys) {
  OrderedJson facts = OrderedJson::array();
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    for (const std::string_view key : keys) {
      if (line.rfind(key, 0) == 0) facts.push_back(line);
    }
  }
  return facts;
}

OrderedJson System() {
  utsname name{};
  ::uname(&name);
  OrderedJson system{{"kernel", fmt::format("{} {} {}", name.sysname, name.release, name.machine)},
                     {"release", Facts("/etc/os-release", {"PRETTY_NAME"})},
                     {"model", Facts("/proc/device-tree/model", {""})},
                     {"memory", Facts("/proc/meminfo", {"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"})},
                     {"load", Facts("/proc/loadavg", {""})},
                     {"uptime", Facts("/proc/uptime", {""})}};
  struct statvfs disk {};
  if (::statvfs("/var/lib", &disk) == 0) {
    system["disk"] = OrderedJson{{"bytes", static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize},
                                 {"free", static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize},
                                 {"read_only", (disk.f_flag & ST_RDONLY) != 0}};
  }
  return system;
}

// New, and for its owner alone: it says a good deal about a building even without secrets.
Status WriteFile(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return Fail(Action::kFixConfig, ErrnoMessage("cannot make " + path, errno));
  while (!text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0) return Fail(Action::kFixConfig, ErrnoMessage("cannot write " + path, errno));
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

int Diag(const Invocation& invocation) {
  const auto socket = FindSocket(invocation);
  OrderedJson bundle{{"made_ms", NowMs()}, {"version", kVersion}, {"system", System()}};
  for (const auto& [name, target] : kTargets) bundle[name] = FromDaemon(socket, target);
  bundle["config_check"] = CheckedConfig(invocation.config.value_or("/etc/penumbra/penumbra.toml"));
  bundle["journal"] = Journal();
  const std::string text = RedactAll(bundle).dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  if (invocation.words.empty()) {
    Print(text);
    return kExitOk;
  }
  if (const penumbra::Status written = WriteFile(invocation.words[0], text); !written) {
    Complain(written.error());
    return kExitFailed;
  }
  Print(fmt::format("{} bytes in {}; read it before you send it\n", text.size(), invocation.words[0]));
  return kExitOk;
}

}  // namespace penumbra::cli
