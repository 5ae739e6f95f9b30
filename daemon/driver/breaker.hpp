// Asks a unit that does not answer less and less, so that the others on its bus keep their rate. Pure; the caller
// brings time and chance.
//
// Closed: polls pass, after a silent one probes in their place. After `failures` in a row without any sign of life it
// opens; then one probe after `open`, doubling to `max_open`, each with up to 20 % jitter so that many units do not
// probe at once. The first answer closes it. An exception or a refusal is an answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "event/backoff.hpp"
#include "event/clock.hpp"
#include "model/settings.hpp"

namespace penumbra {

class Breaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };

  explicit Breaker(BreakerSettings settings) : settings_(settings) {}

  State state() const { return state_; }
  // The last poll or probe got no answer: until it does, probes are sent in place of polls.
  bool suspected() const { return silent_polls_ > 0; }
  // When the next probe may start; meaningful while open.
  BootTime retry_at() const { return retry_at_; }

  // The unit did not answer a poll or a probe. True: it has opened just now (first time).
  bool OnSilence(BootTime now, Random& random);
  // The unit answered. True: it was not closed before.
  bool OnAnswer();
  // A probe is on its way.
  void BeginProbe() { state_ = State::kHalfOpen; }

 private:
  void Open(BootTime now, Random& random);

  BreakerSettings settings_;
  State state_ = State::kClosed;
  int silent_polls_ = 0;
  Duration wait_{};
  BootTime retry_at_{};
};

std::string_view ToString(Breaker::State state);

// What a bus spends on units that do not answer: probes wait while it is above the share. A debt that fades.
class SilenceBudget {
 public:
  static constexpr double kShare = 0.1;
  // Time that probes may take at once before the share counts.
  static constexpr Duration kBurst = std::chrono::seconds(1);

  void Spend(Duration spent, BootTime now);
  // Zero: a probe may start now.
  Duration Wait(BootTime now) const;

 private:
  Duration DebtAt(BootTime now) const;
  Duration debt_{};
  BootTime at_{};
};

}  // namespace penumbra
