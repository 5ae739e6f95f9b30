#include "config/config.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <system_error>

#include "config/core_schema.hpp"
#include "config/diagnostics.hpp"
#include "config/drivers.hpp"
#include "config/file_text.hpp"
#include "config/general.hpp"
#include "config/overrides.hpp"
#include "config/profiles.hpp"
#include "config/schema_check.hpp"
#include "config/things.hpp"
#include "config/toml_reader.hpp"
#include "credentials/inspect.hpp"

namespace penumbra {
namespace {

constexpr std::size_t kMaxConfFiles = 256;
const std::vector<std::string_view> kAccumulate = {"bus", "thing", "rule"};

class Loader {
 public:
  Loader(const std::filesystem::path& file, const DriverKnowledge& drivers)
      : file_(file), drivers_(drivers), folder_(std::filesystem::absolute(file).parent_path()) {}

  LoadedConfig FromDisk() {
    SourceFile& main = NewFile(file_, file_.filename().string());
    const auto text = ReadFileText(file_);
    if (!text) {
      diagnostics_.Error({&main, 0, 0}, text.error().message);
      return Finish();
    }
    std::optional<Node> root = ParseToml(*text, main, diagnostics_);
    for (const std::filesystem::path& path : ConfFiles()) {
      std::optional<Node> more = ReadConfFile(path);
      if (root && more) Merge(*root, *std::move(more), kAccumulate);
    }
    // With a file missing from the picture every further message would be a guess.
    if (root && diagnostics_.errors() == 0) Build(*root);
    LoadedConfig loaded = Finish();
    if (loaded.Ok()) ApplyOverrides(OverridesFile(loaded.settings.paths), loaded);
    return loaded;
  }

  LoadedConfig FromText(std::string_view text) {
    SourceFile& main = NewFile(file_, file_.filename().string());
    if (const std::optional<Node> root = ParseToml(text, main, diagnostics_)) Build(*root);
    return Finish();
  }

 private:
  SourceFile& NewFile(const std::filesystem::path& path, std::string short_name) {
    SourceFile& file = files_.emplace_back();
    file = {path.string(), std::move(short_name), std::filesystem::absolute(path).parent_path(), "",
            static_cast<int>(files_.size()) - 1};
    return file;
  }

  std::vector<std::filesystem::path> ConfFiles() {
    const std::filesystem::path folder = file_.parent_path() / "conf.d";
    std::vector<std::filesystem::path> paths;
    std::error_code ec;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ec)) {
      if (entry.path().extension() == ".toml" && entry.path().filename().string().front() != '.') {
        paths.push_back(entry.path());
      }
    }
    if (ec && ec != std::errc::no_such_file_or_directory && ec != std::errc::not_a_directory) {
      diagnostics_.Error({&files_.front(), 0, 0}, fmt::format("cannot list {}: {}", folder.string(), ec.message()));
    }
    std::sort(paths.begin(), paths.end());
    if (paths.size() > kMaxConfFiles) {
      diagnostics_.Error({&files_.front(), 0, 0}, fmt::format("{} holds {} files; at most {} are read", folder.string(),
                                                              paths.size(), kMaxConfFiles));
      paths.resize(kMaxConfFiles);
    }
    return paths;
  }

  std::optional<Node> ReadConfFile(const std::filesystem::path& path) {
    SourceFile& file = NewFile(path, "conf.d/" + path.filename().string());
    const auto text = ReadFileText(path);
    if (text) return ParseToml(*text, file, diagnostics_);
    diagnostics_.Error({&file, 0, 0}, text.error().message);
    return std::nullopt;
  }

  void Build(const Node& root) {
    CheckTable(root, {&CoreSchema()}, "the top level", diagnostics_);
    ReadGeneral(root, loaded_, diagnostics_);
    Profiles profiles({folder_ / "profiles", loaded_.settings.paths.profiles}, files_, diagnostics_);
    Drivers drivers(drivers_, loaded_.settings.paths, diagnostics_);
    ThingReader things(loaded_.settings, drivers, profiles, diagnostics_, loaded_.origins);
    things.Read(root, GatewayName(root));
    if (root.Find("thing") == nullptr) {
      diagnostics_.Warning({root.place.file, 0, 0}, "no [[thing]]: there is nothing to poll");
    }
  }

  static Place GatewayName(const Node& root) {
    const Node* gateway = root.Find("gateway");
    const Node* name = gateway == nullptr ? nullptr : gateway->Find("thing");
    return name == nullptr ? Place{} : name->place;
  }

  LoadedConfig Finish() {
    loaded_.diagnostics = diagnostics_.Sorted();
    return std::move(loaded_);
  }

  std::filesystem::path file_;
  const DriverKnowledge& drivers_;
  std::filesystem::path folder_;
  std::deque<SourceFile> files_;
  Diagnostics diagnostics_;
  LoadedConfig loaded_;
};

}  // namespace

bool LoadedConfig::Ok() const {
  return std::all_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& d) { return d.warning; });
}

LoadedConfig LoadConfig(const std::filesystem::path& file, const DriverKnowledge& drivers) {
  std::string fingerprint = ConfigFingerprint(file);
  LoadedConfig loaded = Loader(file, drivers).FromDisk();
  loaded.fingerprint = std::move(fingerprint);
  return loaded;
}

std::string ConfigFingerprint(const std::filesystem::path& file) {
  std::vector<std::filesystem::path> paths{file};
  for (const char* name : {"conf.d", "profiles"}) {
    std::error_code ec;
    std::filesystem::directory_iterator entries(file.parent_path() / name, ec);
    for (; !ec && entries != std::filesystem::directory_iterator() && paths.size() <= 2 * kMaxConfFiles;
         entries.increment(ec)) {
      if (entries->path().extension() == ".toml") paths.push_back(entries->path());
    }
  }
  std::sort(paths.begin() + 1, paths.end());
  std::string all;
  for (const std::filesystem::path& path : paths) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) info = {};
    all += fmt::format("{}:{}:{}:{}.{};", path.filename().string(), info.st_ino, info.st_size, info.st_mtim.tv_sec,
                       info.st_mtim.tv_nsec);
  }
  return all;
}

LoadedConfig LoadConfigText(std::string_view text, const std::filesystem::path& file, const DriverKnowledge& drivers) {
  return Loader(file, drivers).FromText(text);
}

std::vector<Diagnostic> CheckCredentials(const Settings& settings) {
  std::vector<Diagnostic> warnings;
  const auto warn = [&warnings](const CredentialFinding& finding, const std::string& whose) {
    warnings.push_back({PrivateKeyLabel(finding.path), 0, 0, true, whose + finding.message});
  };
  if (settings.upstream.endpoint.empty()) return warnings;
  const auto now_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto inspect = [&](const std::string& thing, const std::filesystem::path& certificate,
                           const std::filesystem::path& private_key) {
    for (const CredentialFinding& finding : InspectCredentials(certificate, private_key, now_s).findings) {
      warn(finding, "thing " + thing + ": ");
    }
  };
  if (const auto finding = InspectRootCertificates(settings.upstream.root_ca)) warn(*finding, "");
  if (!settings.gateway.thing.empty()) {
    inspect(settings.gateway.thing, settings.gateway.certificate, settings.gateway.private_key);
  }
  for (const ThingSettings& thing : settings.things) inspect(thing.name, thing.certificate, thing.private_key);
  return warnings;
}

}  // namespace penumbra
