// Reads penumbra.toml and its conf.d into Settings. Blocking, before the loop runs. Every fault is reported, not only
// the first, each with file, line, column, what is wrong and what to write instead.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "model/aws_settings.hpp"
#include "model/duty_settings.hpp"
#include "model/settings.hpp"

namespace penumbra {

// What config needs to know of a driver; the caller brings it (config must not know how drivers are found).
struct DriverSchemas {
  Json bus, thing, point;
  bool can_write = false;
};
struct DriverComplaint {
  std::string pointer;  // into the configuration object of the driver ABI: "/things/0/points/1/address"
  std::string message;
};
struct DriverKnowledge {
  std::function<Result<DriverSchemas>(const PathSettings&, const std::string& driver)> describe;
  std::function<Result<std::vector<DriverComplaint>>(const PathSettings&, const BusSettings&,
                                                     const std::vector<ThingSettings>&)>
      check;
};

struct Diagnostic {
  std::string file;
  int line = 0;  // 1-based; 0: the file as a whole
  int column = 0;
  bool warning = false;  // a warning does not stop the daemon
  std::string message;
};
// "penumbra.toml:12:3: error: ..." as compilers write it, so that editors can jump.
std::string ToString(const Diagnostic& diagnostic);

// Where an effective value came from, for `config show --effective`: key path ("thing.sensor-001.sample_interval") and
// origin ("penumbra.toml:40", "default", "profile xy-md02 (xy-md02.toml:7)").
struct Origin {
  std::string key;
  std::string value;  // as TOML text
  std::string origin;
};

struct LoadedConfig {
  Settings settings;                    // complete only when Ok()
  AwsSettings aws;                      // likewise
  DutySettings duties;                  // likewise
  std::vector<Diagnostic> diagnostics;  // errors and warnings, in file order
  std::vector<Origin> origins;
  std::string fingerprint;  // ConfigFingerprint from right before the files were read
  bool Ok() const;
};

// `file` and then conf.d/*.toml beside it, in order: tables merge, [[bus]] and [[thing]] accumulate, a scalar set twice
// takes the later one. Over it what update_config has set (overrides.hpp).
LoadedConfig LoadConfig(const std::filesystem::path& file, const DriverKnowledge& drivers);

// What tells one state of the files from another without reading them: names, times and sizes of `file`, of conf.d and
// of profiles beside it. Some system calls, no more.
std::string ConfigFingerprint(const std::filesystem::path& file);

// The same from text alone, as if it stood in `file`, without a conf.d: for tests and for fuzzing.
LoadedConfig LoadConfigText(std::string_view text, const std::filesystem::path& file, const DriverKnowledge& drivers);

// Missing or unusable credentials, as warnings: they do not stop polling and storing.
std::vector<Diagnostic> CheckCredentials(const Settings& settings);

}  // namespace penumbra
