// Any text as a policy document.
#include <cstdint>
#include <string_view>

#include "iotcore/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra::iotcore;
  const auto policy = Policy::Parse({reinterpret_cast<const char*>(data), size});
  if (!policy) return 0;
  policy->Allows("iot:Publish", "topic/sensors/a/b", {.thing = "a", .client_id = "a"});
  (void)policy->Grants();
  return 0;
}
