// Sensors that the kernel already drives, as it shows them in sysfs: hwmon (/sys/class/hwmon) and industrial I/O
// (/sys/bus/iio/devices). Finds a chip by its name, because the numbers of hwmonN change from boot to boot, and reads
// its attributes in the units of the gateway. Reads only; the root of the tree is given, so that tests bring their own.
// Thread: the host's one bus thread; a read takes as long as the kernel's driver takes and cannot be cancelled.
// Source: the kernel's Documentation/hwmon/sysfs-interface.rst and Documentation/ABI/testing/sysfs-bus-iio.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "penumbra/driver.h"

namespace penumbra::hwmon {

struct KernelChip {
  std::string name;              // "sht3x"
  std::string device;            // of which device it is, e.g. "1-0044" (address 0x44 of bus 1); may be empty
  std::filesystem::path folder;  // with its attributes
};

// All chips below the root of a sysfs tree, in a stable order; at most kMaxChips.
constexpr std::size_t kMaxChips = 256;
std::vector<KernelChip> ListChips(const std::filesystem::path& root);

// The one chip of that name (and device, if not empty). nullopt: none or several, and `why` says which there are.
std::optional<KernelChip> FindChip(const std::filesystem::path& root, const std::string& name,
                                   const std::string& device, std::string& why);

// Attributes that can be read of a chip: those of a quantity ("temperature", "humidity", "pressure").
std::vector<std::string> AttributesOf(const KernelChip& chip);

struct Reading {
  std::optional<double> value;
  penumbra_status status = PENUMBRA_OK;
  const char* reason = nullptr;  // static text; set when there is no value
};

// "temperature" (Cel), "humidity" (%) or "pressure" (hPa) of a chip; or an attribute by its name, in Cel, %, hPa, V, A,
// W, J, lx or 1/min as its prefix says.
Reading ReadQuantity(const KernelChip& chip, const std::string& quantity);
Reading ReadAttribute(const KernelChip& chip, const std::string& attribute);

// What an attribute's file holds: one decimal number and white space. nullopt: anything else, also inf and nan.
std::optional<double> ParseNumber(std::string_view text);

}  // namespace penumbra::hwmon
