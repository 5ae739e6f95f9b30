// A driver that dies when it is asked for its description.
#include <penumbra/driver.h>

#include <cstddef>
#include <cstdint>

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t*, std::size_t) {
  volatile int* volatile wild = reinterpret_cast<volatile int*>(8);
  *wild = 1;
  return nullptr;
}
