// What the fuzz targets share whose input is a script, one line an event, so that a corpus can be read and written by
// hand: how lines and words are taken, the time that passes, and how a broken promise ends the run.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "event/receipt.hpp"

namespace penumbra::fuzz {

inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// Up to the next `separator`, which is taken as well.
inline std::string_view Take(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

// At most this many lines count: longer scripts find nothing that shorter ones do not.
inline constexpr int kMaxLines = 200;

template <typename Harness>
void RunScript(const std::uint8_t* data, std::size_t size) {
  Harness harness;
  std::string_view script(reinterpret_cast<const char*>(data), size);
  for (int lines = 0; !script.empty() && lines < kMaxLines; ++lines) harness.Line(Take(script, '\n'));
}

// "SECONDS" of a script; what is no number is none, and a day or so is the most.
inline Duration Seconds(std::string_view text) {
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return std::chrono::seconds(std::min<std::uint32_t>(value, 100'000));
}

// A machine whose clock is right, one second after its boot.
class Time {
 public:
  Moment Now() const { return {BootTime{now_ns_}, 1'700'000'000'000 + now_ns_ / 1'000'000, true}; }
  void Pass(Duration time) { now_ns_ += time / std::chrono::nanoseconds(1); }

 private:
  std::int64_t now_ns_ = 1'000'000'000;
};

}  // namespace penumbra::fuzz
