#include "driver/paths.hpp"

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "base/text.hpp"

namespace penumbra {
namespace {

bool IsDriverName(const std::string& name) {
  return IsThingName(name, 64) && name.find(':') == std::string::npos;
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

std::filesystem::path DriverHostPath(const PathSettings& paths) {
  const char* override_path = std::getenv("PENUMBRA_DRIVER_HOST");
  if (override_path != nullptr && *override_path != '\0') return override_path;
  return paths.driver_host.empty() ? std::filesystem::path(PENUMBRA_DRIVER_HOST_PATH) : paths.driver_host;
}

std::filesystem::path DriversPath(const PathSettings& paths) {
  return paths.drivers.empty() ? std::filesystem::path(PENUMBRA_DRIVERS_PATH) : paths.drivers;
}

std::filesystem::path DriverFile(const PathSettings& paths, const std::string& driver) {
  return IsDriverName(driver) ? DriversPath(paths) / (driver + ".so") : std::filesystem::path();
}

std::vector<std::string> AvailableDrivers(const PathSettings& paths) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(DriversPath(paths), error)) {
    if (entry.path().extension() == ".so" && IsDriverName(entry.path().stem())) names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string NoSuchDriver(const PathSettings& paths, const std::string& driver) {
  const std::vector<std::string> names = AvailableDrivers(paths);
  std::string message = "no driver '" + driver + "'";
  if (const auto suggestion = Suggest(driver, names)) message += "; did you mean '" + *suggestion + "'?";
  const std::string folder = DriversPath(paths).string();
  return message +
         (names.empty() ? " (there is none in " + folder + ")" : " (available in " + folder + ": " + Join(names) + ")");
}

}  // namespace penumbra
