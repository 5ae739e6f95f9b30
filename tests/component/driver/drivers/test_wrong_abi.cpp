// A driver from another age: it answers whatever the host asks for with an ABI version that nobody knows.
#include <penumbra/driver.h>

#include <cstddef>
#include <cstdint>

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t*, std::size_t) {
  static const penumbra_driver driver = {.size = sizeof(penumbra_driver), .abi_version = 999};
  return &driver;
}
