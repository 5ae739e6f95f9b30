// What the store gives back as learned: never a crash, and what is taken comes out as it went in.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "modbus/learned.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto learned = penumbra::modbus::LearnedFromJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!learned) return 0;
  const auto back = penumbra::modbus::LearnedFromJson(penumbra::modbus::ToJson(*learned));
  if (!back || penumbra::modbus::ToJson(*back) != penumbra::modbus::ToJson(*learned)) std::abort();
  return 0;
}
