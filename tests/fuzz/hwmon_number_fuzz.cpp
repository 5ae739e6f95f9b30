// What a kernel driver writes into an attribute of sysfs: a finite number, or none.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "hwmon/sysfs.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = penumbra::hwmon::ParseNumber({reinterpret_cast<const char*>(data), size});
  if (value && !std::isfinite(*value)) std::abort();
  return 0;
}
