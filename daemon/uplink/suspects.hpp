// Messages that seem to cost us the connection: in flight, unacknowledged, at one close after the other. A server that
// refuses a message by closing names none, and whoever sends it again at once is closed for ever, with all that waits
// behind it. So a suspect goes by itself and after everything else from the second close on, and from the third it is
// set aside: tried again seldom, never given up. Only an acknowledgement clears one.
//
// A message is known by a number of the caller's choice: a reading's seq, or a hash. Topics as a whole are
// topic_suspension.hpp's business. Pure; loop thread. Source: aws-iot-core.md section 2, rule (d).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "event/clock.hpp"

namespace penumbra {

class Suspects {
 public:
  static constexpr int kApart = 2;     // closes from which it goes by itself
  static constexpr int kSetAside = 3;  // closes from which it is set aside
  static constexpr Duration kApartPause = std::chrono::seconds(5);
  static constexpr Duration kFirstPause = std::chrono::minutes(15);
  static constexpr Duration kMaxPause = std::chrono::hours(24);
  // Beyond, further ones are not remembered before others are cleared: they strike again.
  static constexpr std::size_t kMax = 4096;

  // It was in flight when the session ended in a way that may be its fault. True: newly set aside.
  bool Struck(std::uint64_t message, BootTime now);
  // Refused by name, or too large to be sent at all. `certain`: itself, else one of several. True: newly set aside.
  bool Blamed(std::uint64_t message, bool certain, BootTime now);
  // As it was when it was last set aside, before a restart: tried again after the first pause at most.
  void Recall(std::uint64_t message, Duration pause, BootTime now);
  // Those set aside that have cost connections, ascending, with their last pause.
  std::vector<std::pair<std::uint64_t, Duration>> Costly() const;
  // It has an answer, or is no more. True: it was set aside.
  bool Clear(std::uint64_t message);

  // Has to be alone in flight.
  bool Apart(std::uint64_t message) const;
  // When it may be sent; zero: now.
  Duration Wait(std::uint64_t message, BootTime now) const;
  struct Next {
    std::uint64_t message = 0;
    BootTime due{};
  };
  // The one of those apart that is due first; nullopt: there is none.
  std::optional<Next> First() const;
  bool SetAside(std::uint64_t message) const;
  // How many are set aside now.
  std::size_t set_aside() const { return set_aside_; }

 private:
  struct Suspect {
    int strikes = 0;
    bool costly = false;  // in flight at a close, not just refused or too large
    BootTime due{};
    Duration pause{};
  };
  bool Postpone(Suspect& suspect, BootTime now);
  Suspect* Known(std::uint64_t message);

  std::map<std::uint64_t, Suspect> suspects_;
  std::size_t set_aside_ = 0;
};

}  // namespace penumbra
