// Internal to the reader's source files: the state of one Read. Not for anybody else.
#pragma once

#include <string_view>

#include "modbus/reader.hpp"

namespace penumbra::modbus {

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::uint8_t kIllegalAddress = 2;
inline constexpr std::uint8_t kIllegalValue = 3;

// Exceptions that speak of the place or the length of a request, and not of the device's state.
inline bool IsAboutPlace(std::uint8_t exception) {
  return exception == kIllegalAddress || exception == kIllegalValue;
}

struct ThingReader::Call {
  std::span<const std::uint32_t> points;
  std::span<PointResult> results;
  Line& line;
  Budget budget;
  int silent = 0;                 // requests in a row without an answer
  const char* stop = nullptr;     // reason for all that is still to be read
  bool answered = false;          // the unit gave any answer, an exception included
  const char* failure = nullptr;  // the last reason why it did not
  bool waited = false;            // for it, the whole time, at least once
  bool cancelled = false;
  bool out_of_time = false;
  Fate fate = Fate::kRead;               // of the block read last
  std::uint8_t refusal = 0;              // its exception
  std::vector<std::uint32_t> refused{};  // points refused for the first time in this call

  void Fail(const Block& block, const char* reason) {
    fate = Fate::kFailed;
    for (const std::uint32_t k : block.items) results[k] = {.value = {}, .reason = reason};
  }
};

}  // namespace penumbra::modbus
