#include "driver_host/driver_library.hpp"

#include <dlfcn.h>

namespace penumbra::host {
namespace {

constexpr std::uint32_t kHostAbis[] = {PENUMBRA_ABI_VERSION};

// Everything up to close() is in ABI 1 from its first release on.
constexpr std::size_t kSmallestDriver = offsetof(penumbra_driver, close) + sizeof(penumbra_driver::close);

std::string Complaint(const penumbra_driver* driver) {
  if (driver == nullptr) {
    return "speaks none of our ABI versions (ours: " + std::to_string(PENUMBRA_ABI_VERSION) +
           "); rebuild it against this gateway's penumbra/driver.h";
  }
  if (driver->size < kSmallestDriver) return "states a structure size that is too small for ABI 1";
  if (driver->abi_version != PENUMBRA_ABI_VERSION) {
    return "states ABI version " + std::to_string(driver->abi_version) + ", ours is " +
           std::to_string(PENUMBRA_ABI_VERSION);
  }
  if (driver->name == nullptr || driver->version == nullptr || driver->open == nullptr || driver->read == nullptr ||
      driver->close == nullptr) {
    return "lacks its name, version, open, read or close";
  }
  if ((driver->capabilities & PENUMBRA_CAN_WRITE) != 0 && driver->write == nullptr) {
    return "says that it can write and has no write";
  }
  constexpr std::uint64_t kNeedAsk =
      PENUMBRA_CAN_ASK | PENUMBRA_CAN_SCAN | PENUMBRA_CAN_SELF_TEST | PENUMBRA_CAN_PLAN | PENUMBRA_CAN_WRITE_MANY;
  if ((driver->capabilities & kNeedAsk) != 0 && !PENUMBRA_HAS_FIELD(driver, ask)) {
    return "says that it answers questions and has no ask";
  }
  return {};
}

}  // namespace

const penumbra_driver* LoadDriver(const std::string& file, std::string& error) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    error = why != nullptr ? why : "cannot load " + file;
    return nullptr;
  }
  const auto entry = reinterpret_cast<penumbra_driver_entry_fn>(::dlsym(library, "penumbra_driver_entry"));
  if (entry == nullptr) {
    error = file + " is no Penumbra driver: it does not export penumbra_driver_entry";
    return nullptr;
  }
  const penumbra_driver* driver = entry(kHostAbis, std::size(kHostAbis));
  const std::string complaint = Complaint(driver);
  if (complaint.empty()) return driver;
  error = file + " " + complaint;
  return nullptr;
}

const penumbra_driver* EntryFor(const std::string& file, std::uint32_t abi) {
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  const auto entry = reinterpret_cast<penumbra_driver_entry_fn>(::dlsym(library, "penumbra_driver_entry"));
  ::dlclose(library);  // RTLD_NOLOAD counted it once more
  return entry == nullptr ? nullptr : entry(&abi, 1);
}

}  // namespace penumbra::host
