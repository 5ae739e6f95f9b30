// How profiles say that a device is recognised ([[match]]), for tools that look for devices. The daemon makes no use of
// it. Reads files; one thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace penumbra {

// One value that the device must show.
struct ProfileCheck {
  std::string point;  // whose value it is; empty: of a place of its own
  Json read;          // the place, with the driver's keys of a point
  double scale = 1, offset = 0;
  std::optional<double> min, max;        // of the scaled value
  std::vector<double> equals, excluded;  // raw: one of these; none of these

  // `raw`: what the driver read there.
  bool Fits(const Json& raw) const;
  double Scaled(const Json& raw) const;  // 0 when it is no number
};

struct ProfileSummary {
  std::string name, title, driver;
  std::vector<ProfileCheck> checks;  // all must fit; empty: the device cannot be recognised
};

// Every profile in `folders`, by name; of two with one name that of the earlier folder. Broken ones are left out:
// `penumbra config check` says what is wrong with those that are used.
std::vector<ProfileSummary> ListProfiles(const std::vector<std::filesystem::path>& folders);

}  // namespace penumbra
