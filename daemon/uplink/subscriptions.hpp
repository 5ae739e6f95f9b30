// What one session subscribes: what its clients want, what the cloud has granted and keeps, what it refuses and when
// that is tried again. Pure, on the caller's time; loop thread. Deliberately not here: packets and their deadlines
// (link_session.hpp), what a refusal means (topic_suspension.hpp).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "event/clock.hpp"
#include "uplink/topic_suspension.hpp"

namespace penumbra {

class Subscriptions {
 public:
  // A connection came up. `kept`: with the session, and so with all that was granted in it.
  void Begin(bool kept, const std::vector<std::string>& wanted, BootTime now);
  // The filter to be sent now under `token`; nullopt: none, or the answers to others have to come first.
  std::optional<std::string> Next(std::uint64_t token, BootTime now);
  bool under_way() const { return !sent_.empty(); }
  bool Done() const { return waiting_.empty() && sent_.empty(); }

  struct Answer {
    std::string filter;
    bool newly_refused = false;
    bool granted_at_last = false;  // it had been refused before
  };
  // SUBACK; nullopt: nobody waits for it.
  std::optional<Answer> Answered(std::uint64_t token, bool granted, BootTime now);
  // The answers are overdue, which is taken for a refusal. The filters, for the operator.
  std::string NoAnswer(BootTime now);
  // The connection ended. The filters that are set aside now, because the server closes it whenever they are sent.
  std::vector<std::string> SessionEnded(bool by_server, BootTime now);
  void Stable() { refused_.Stable(); }

  // When the next refused filter may be tried again; nullopt: none is.
  std::optional<Duration> UntilProbe(BootTime now) const;
  // Tries one whose time has come, of those that are still wanted.
  void Probe(const std::vector<std::string>& wanted, BootTime now);
  std::vector<std::string> Refused() const { return refused_.Topics(); }

 private:
  std::deque<std::string> waiting_;
  std::map<std::uint64_t, std::string> sent_;  // and not answered
  std::set<std::string> granted_;              // what the session has, as long as the cloud keeps it
  TopicSuspension refused_;
};

}  // namespace penumbra
