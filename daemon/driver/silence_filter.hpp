// Which finished polls become messages (interfaces.md, "Buses"): a poll that brought at least one value always; polls
// that brought none, once when that begins and then at most once every max_silence, whatever the reasons. Pure.
#pragma once

#include "event/clock.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra {

class SilenceFilter {
 public:
  // `max_silence`: the smallest of the thing's points.
  explicit SilenceFilter(Duration max_silence) : max_silence_(max_silence) {}

  // True: tell it.
  bool Passes(const Reading& reading, BootTime now);

  static Duration MaxSilenceOf(const ThingSettings& thing);

 private:
  Duration max_silence_;
  bool silent_ = false;
  BootTime told_{};
};

}  // namespace penumbra
