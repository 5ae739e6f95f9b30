// What a chip's heater does to its values: while it is on, and until the chip has cooled down, they are those of a warm
// chip and not of its surroundings. They are given as uncertain then, with the reason. Thread: the host's one bus
// thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace penumbra::i2c {

class Warmth {
 public:
  // TI's advice for the HDC302x ("a minute of recovery time"); Sensirion gives no time, and its chips are smaller.
  static constexpr std::int64_t kCoolingNs = 60'000'000'000;

  void On() { on_ = true; }
  // It was on until `at_ns` (as Bus::NowNs()).
  void OnUntil(std::int64_t at_ns) {
    on_ = false;
    warm_until_ns_ = std::max(warm_until_ns_, at_ns + kCoolingNs);
  }
  bool on() const { return on_; }
  // Why a measurement of this moment is uncertain (static text), or nullptr.
  const char* Doubt(std::int64_t now_ns) const {
    if (on_) return "its heater is on";
    return now_ns < warm_until_ns_ ? "still warm from its heater" : nullptr;
  }

 private:
  bool on_ = false;
  std::int64_t warm_until_ns_ = 0;
};

}  // namespace penumbra::i2c
