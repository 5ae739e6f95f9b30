// What the cloud says about a report to Device Defender: any bytes become one short line of UTF-8.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.hpp"
#include "model/defender.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string reason = penumbra::RejectionReason({reinterpret_cast<const char*>(data), size});
  if (reason.size() > 200 || !penumbra::IsUtf8(reason)) std::abort();
  return 0;
}
