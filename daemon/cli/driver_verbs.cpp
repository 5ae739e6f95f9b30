#include "cli/driver_verbs.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "cli/driver_template.hpp"
#include "cli/exit_code.hpp"
#include "cli/local_verbs.hpp"
#include "cli/output.hpp"

namespace penumbra::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxName = 40;

// --- check
// -------------------------------------------------------------------------------------------------------------

Result<Json> ReadConfiguration(const Invocation& invocation) {
  if (invocation.words.size() < 3) return Json();
  std::ifstream file(invocation.words[2]);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open()) return Fail(Action::kFixConfig, "cannot read " + invocation.words[2]);
  auto json = ParseJson(text);
  if (!json) return Fail(json.error().WithContext(invocation.words[2]));
  if (!json->is_object()) return Fail(Action::kFixConfig, invocation.words[2] + R"(: want {"bus":{},"things":[]})");
  return json;
}

void PrintFindings(const Invocation& invocation, const std::vector<Finding>& findings) {
  Table table({{"EXAMINATION"}, {"RESULT"}, {"FINDING"}});
  Json rows = Json::array();
  for (const Finding& finding : findings) {
    const char* result = finding.skipped ? "skipped" : finding.text.empty() ? "passed" : "failed";
    const Tone tone = finding.skipped ? Tone::kWarning : finding.text.empty() ? Tone::kGood : Tone::kBad;
    table.Row({{finding.examination}, {result, tone}, {finding.text.empty() ? "-" : finding.text}});
    rows.push_back({{"examination", finding.examination}, {"result", result}, {"finding", finding.text}});
  }
  if (invocation.json) {
    Print(Dump(Json{{"file", invocation.words[1]}, {"findings", std::move(rows)}}) + "\n");
  } else {
    // Findings are there to be read whole.
    Print(table.Text({.color = OutputStyle(invocation.no_color).color}));
  }
}

int Check(const Invocation& invocation) {
  std::error_code error;
  const fs::path file = fs::absolute(invocation.words[1], error);
  if (!fs::is_regular_file(file, error)) {
    Complain("no file " + invocation.words[1]);
    return kExitFailed;
  }
  const auto configuration = ReadConfiguration(invocation);
  if (!configuration) {
    Complain(configuration.error());
    return kExitFailed;
  }
  const auto paths = FindPaths(invocation);
  if (!paths) return kExitConfig;
  const std::vector<Finding> findings = CheckDriver(*paths, file.string(), *configuration);
  PrintFindings(invocation, findings);
  const bool closed = std::any_of(findings.begin(), findings.end(), [](const Finding& f) {
    return f.skipped && f.text.find("the bus does not open") != std::string::npos;
  });
  if (closed && configuration->is_null()) {
    Complain(R"(what needs a bus was not checked; give a configuration for one: {"bus":{},"things":[]} in a file)");
  }
  const auto bad =
      std::count_if(findings.begin(), findings.end(), [](const Finding& f) { return !f.skipped && !f.text.empty(); });
  return bad == 0 ? kExitOk : kExitFailed;
}

// --- new
// ---------------------------------------------------------------------------------------------------------------

// It becomes a C++ namespace, a file name and part of a package's name.
bool IsDriverName(const std::string& name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= kMaxName && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string Variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string Fill(std::string text, const std::string& name) {
  const std::time_t now = std::time(nullptr);
  const std::string maintainer =
      Variable("DEBFULLNAME", "Your Name") + " <" + Variable("DEBEMAIL", "you@example.org") + ">";
  const std::pair<std::string, std::string> values[] = {
      {"@NAME@", name},
      {"@MAINTAINER@", maintainer},
      {"@DATE@", fmt::format("{:%a, %d %b %Y %H:%M:%S} +0000", fmt::gmtime(now))},
      {"@YEAR@", fmt::format("{:%Y}", fmt::gmtime(now))}};
  for (const auto& [key, value] : values) {
    for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + value.size())) {
      text.replace(at, key.size(), value);
    }
  }
  return text;
}

Status WriteFile(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file(path);
  file << text;
  if (!file.flush()) return Fail(Action::kGiveUp, "cannot write " + path.string());
  return {};
}

int New(const Invocation& invocation) {
  const std::string& name = invocation.words[1];
  if (!IsDriverName(name)) {
    Complain("\"" + name + "\" cannot be a driver's name: small letters and digits, a letter first, at most 40");
    return kExitUsage;
  }
  const fs::path folder = invocation.words.size() > 2 ? fs::path(invocation.words[2]) : fs::path(name);
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    Complain(folder.string() + " exists and is not empty; nothing was written");
    return kExitFailed;
  }
  for (const TemplateFile& file : DriverTemplate()) {
    const fs::path path = folder / Fill(std::string(file.path), name);
    if (const Status written = WriteFile(path, Fill(std::string(file.text), name)); !written) {
      Complain(written.error());
      return kExitFailed;
    }
  }
  fs::permissions(folder / "debian/rules", fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add, error);
  Print(
      fmt::format("{0}: a driver that reads a number from a file. Next:\n  cd {0} && cmake -B build -G Ninja && cmake "
                  "--build build && ctest --test-dir build\n",
                  folder.string()));
  return kExitOk;
}

}  // namespace

int Driver(const Invocation& invocation) {
  if (invocation.words[0] == "check") return Check(invocation);
  if (invocation.words[0] == "new") return New(invocation);
  Complain("usage: penumbra driver check FILE.so [CONFIGURATION.json], or penumbra driver new NAME [FOLDER]");
  return kExitUsage;
}

}  // namespace penumbra::cli
