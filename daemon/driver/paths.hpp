// Where the driver host and the drivers are. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/settings.hpp"

namespace penumbra {

// PENUMBRA_DRIVER_HOST, then the configuration, then the place of installation.
std::filesystem::path DriverHostPath(const PathSettings& paths);
std::filesystem::path DriversPath(const PathSettings& paths);

// Empty when `driver` is no name for a driver (letters, digits, '-' and '_'): it becomes part of a path.
std::filesystem::path DriverFile(const PathSettings& paths, const std::string& driver);

// The names of the drivers that are there, sorted.
std::vector<std::string> AvailableDrivers(const PathSettings& paths);

// "no driver 'modbsu'; did you mean 'modbus'? (available in FOLDER: modbus, sim)"
std::string NoSuchDriver(const PathSettings& paths, const std::string& driver);

}  // namespace penumbra
