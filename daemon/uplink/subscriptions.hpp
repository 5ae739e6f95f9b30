// What one session subscribes: what its clients want, what is set aside because the cloud refuses it, and when that is
// tried again. Pure, on the caller's time; loop thread. Deliberately not here: packets and their deadlines
// (link_session.hpp), topics that we publish on (topic_suspension.hpp).
//
// A server of MQTT 3.1.1 refuses a filter by closing the connection, and names none. After one such close filters go
// one at a time; one that costs the connection alone is set aside. But nothing that is subscribed is worth as much as
// the telemetry behind it: after kCloses closes all that has no answer yet is put off, the session comes up without,
// and what was put off is tried while it works, one at a time and with pauses that all of them share, because each
// trial may cost the connection. Sources: aws-iot-core.md section 2 "What each failure looks like", section 11 no. 1.
//
// Every connection subscribes everything, also in a session that the cloud says it has kept: a server that is wrong
// about that would leave us deaf, and nothing would show it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "event/clock.hpp"

namespace penumbra {

class Subscriptions {
 public:
  // So many connections may end over SUBSCRIBE before the session has to come up without.
  static constexpr int kCloses = 3;
  static constexpr Duration kFirstProbe = std::chrono::minutes(1);
  static constexpr Duration kMaxProbe = std::chrono::minutes(15);
  // Until the first trial that may cost the connection; longer than a session takes to count as stable.
  static constexpr Duration kFirstPause = std::chrono::seconds(30);
  // A close later than this after a SUBSCRIBE is not blamed on it.
  static constexpr Duration kSuspicious = std::chrono::seconds(5);

  enum class Cause {
    kRefused,   // SUBACK said so
    kNoAnswer,  // no SUBACK in time
    kCloses,    // the connection ends whenever it is sent
    kPutOff,    // not tried yet, because others have cost the connection
  };

  // A connection came up.
  void Begin(const std::vector<std::string>& wanted);
  // The filter to be sent now under `token`; nullopt: none, or the answers to others have to come first.
  std::optional<std::string> Next(std::uint64_t token, BootTime now);
  bool under_way() const { return !sent_.empty(); }
  bool Done() const { return waiting_.empty() && sent_.empty(); }

  struct Answer {
    std::string filter;
    bool newly_refused = false;
    bool granted_at_last = false;  // it had been set aside before
  };
  // SUBACK; nullopt: nobody waits for it.
  std::optional<Answer> Answered(std::uint64_t token, bool granted, BootTime now);
  // The answers are overdue, which is taken for a refusal. The filters, for the operator.
  std::string NoAnswer(BootTime now);

  struct Ended {
    std::vector<std::string> unanswered;  // SUBSCRIBE was the last that the server heard of these, and may be why
    std::vector<std::string> closers;     // set aside now: each has cost the connection alone
    std::vector<std::string> put_off;     // the rest, because there were too many closes
  };
  // The connection ended. `by_server`: it may be for what we sent.
  Ended SessionEnded(bool by_server, BootTime now);
  // The session has lasted.
  void Stable();

  // When the next filter that was set aside may be tried; nullopt: none is.
  std::optional<Duration> UntilProbe(BootTime now) const;
  // Tries one whose time has come, of those that are still wanted.
  void Probe(const std::vector<std::string>& wanted, BootTime now);
  // What is not subscribed although it is wanted, sorted.
  std::vector<std::string> Refused() const;
  // The same in a sentence for the operator; empty: nothing is.
  std::string Trouble() const;

 private:
  struct Aside {
    Cause cause = Cause::kRefused;
    Duration pause = kFirstProbe;
    BootTime due{};
    bool under_way = false;
  };
  struct Sent {
    std::string filter;
    BootTime at{};
  };
  bool SetAside(const std::string& filter, Cause cause, BootTime now);
  std::vector<std::string> PutOff(BootTime now);
  void PauseProbes(bool failed, BootTime now);
  BootTime Due(const Aside& aside) const;

  std::deque<std::string> waiting_;
  std::map<std::uint64_t, Sent> sent_;  // and not answered
  std::map<std::string, Aside> aside_;
  std::set<std::string> suspected_;  // unanswered at a close
  int closes_ = 0;                   // since a session has lasted
  // Of all trials that may cost the connection together.
  Duration probe_pause_ = kFirstPause;
  BootTime no_probe_before_{};
};

}  // namespace penumbra
