// Any bytes as a time zone file.
#include <cstdint>
#include <string_view>

#include "rules/time_zone.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto zone = penumbra::rules::TimeZone::FromFile({reinterpret_cast<const char*>(data), size});
  if (!zone) return 0;
  for (const std::int64_t moment : {INT64_C(-4000000000), INT64_C(0), INT64_C(1763841600), INT64_C(9000000000)}) {
    (void)zone->At(moment);
    (void)zone->ToUnix(moment);
  }
  return 0;
}
