// The stand-in's wall clock. Tests of pure parts hand times in instead.
#pragma once

#include <chrono>
#include <cstdint>

namespace penumbra::iotcore {

inline std::int64_t UnixMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace penumbra::iotcore
