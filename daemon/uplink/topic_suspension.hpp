// Topics that the cloud refuses: set aside instead of looping, and tried again from time to time.
//
// MQTT 5 says it in the PUBACK, or in a DISCONNECT that names no topic; 3.1.1 can only close the connection. After such
// an end a topic is suspected that had something unacknowledged, sent shortly before, and has never been acknowledged
// in that session; three times in a row suspend it. While anything is suspected the session sends one message at a
// time, so that the innocent clear themselves. Sources: interfaces.md "Refused publishes", aws-iot-core.md section 2.
// Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "event/clock.hpp"

namespace penumbra {

class TopicSuspension {
 public:
  static constexpr Duration kFirstProbe = std::chrono::minutes(1);
  static constexpr Duration kMaxProbe = std::chrono::minutes(15);
  static constexpr Duration kSuspicious = std::chrono::seconds(5);
  static constexpr int kStrikes = 3;

  // Not suspended, or its probe is due and not under way.
  bool Allows(const std::string& topic, BootTime now) const;
  bool Suspended(const std::string& topic) const { return suspended_.count(topic) == 1; }
  // When a suspended topic may be tried; zero: now.
  Duration UntilProbe(const std::string& topic, BootTime now) const;

  // Something on it was acknowledged in this session.
  bool Proven(const std::string& topic) const { return proven_.count(topic) == 1; }

  void Sent(const std::string& topic, BootTime now);
  // True: it was suspended, and is not any more.
  bool Acked(const std::string& topic);
  // PUBACK >= 0x80 (not 0x97). True: newly suspended.
  bool Refused(const std::string& topic, BootTime now);
  // The server has left a message unanswered while others were acknowledged; once a session. True: newly suspended.
  bool Swallowed(const std::string& topic, BootTime now);
  // The session ended. `may_be_refusal`: the other side closed a 3.1.1 connection, or one of MQTT 5 with a reason that
  // speaks of a message.
  // Answers the topics that are suspended now because of it.
  std::vector<std::string> SessionEnded(bool may_be_refusal, const std::set<std::string>& unacked, BootTime now);

  bool Suspects() const { return !strikes_.empty(); }
  // One more close and it is suspended. What is not telemetry should wait for telemetry then: see Stable.
  bool Doubted(const std::string& topic) const;
  // The session has lasted: whatever was suspected, it was not that; but for what has waited (`untried`).
  void Stable(const std::set<std::string>& untried);
  std::vector<std::string> Topics() const;

 private:
  struct Probe {
    Duration pause = kFirstProbe;
    BootTime due{};
    bool under_way = false;
  };
  bool Strike(const std::string& topic, BootTime now);
  void Suspend(const std::string& topic, BootTime now);

  std::map<std::string, Probe> suspended_;
  std::map<std::string, int> strikes_;
  std::map<std::string, BootTime> last_sent_;  // this session
  std::set<std::string> proven_;               // acknowledged in this session
};

}  // namespace penumbra
