// A driver's standard error, in pieces: lines stay bounded and free of control characters.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "driver/line_gate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  penumbra::LineGate gate;
  std::int64_t now_ns = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t n = 1 + static_cast<unsigned char>(bytes[at]);
    for (const auto& line : gate.Take(bytes.substr(at, n), penumbra::BootTime{now_ns += 10'000'000})) {
      const bool clean =
          std::none_of(line.text.begin(), line.text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
      if (!clean || line.text.empty() || line.text.size() > penumbra::LineGate::kMaxLine) std::abort();
    }
    at += n;
  }
  return 0;
}
