// When something that the cloud asks for was asked and received, and how old that makes it now: a wish that is too old
// must not be fulfilled any more, whichever clock was right meanwhile. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "event/clock.hpp"

namespace penumbra {

// The caller's time. Unix time counts only while it is trusted.
struct Moment {
  BootTime boot;
  std::int64_t unix_ms = 0;
  bool trusted = true;
};

// Of what the cloud has kept for an unknown time. More than any `ttl`.
inline constexpr Duration kUnknownAge = std::chrono::hours(24 * 365);

struct Receipt {
  std::int64_t asked_ms = 0;  // Unix time at which it was asked, by the sender's clock; 0: not known
  std::int64_t unix_ms = 0;   // Unix time of this gateway at receipt, if it was trusted; 0: it was not
  std::string boot;           // boot id, and the time in that boot
  std::int64_t boot_ns = 0;
  std::int64_t age_ms = 0;  // how old it was on receipt, by the sender's own clock alone; or at most, if no clock tells
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

struct Age {
  Duration at_least{};
  bool known = false;  // false: received in another boot, by a clock that nobody trusts; it may be older
};

// The oldest that any of the clocks makes it: each of them can only be wrong towards "young" without doing harm.
Age AgeOf(const Receipt& receipt, const std::string& boot_id, Moment now);

}  // namespace penumbra
