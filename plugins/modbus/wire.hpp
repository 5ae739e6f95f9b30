// Requests and answers over a Port: the pauses that the line needs, retries, and above all that no answer is ever
// taken for another request's. On TCP the transaction id decides; on a serial line, where nothing in a frame tells a
// late reply from a prompt one, a request that a late reply could answer is not sent until that reply can no longer
// come. One thread. Source: MODBUS over Serial Line V1.02, sections 2.4 and 2.5.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "modbus/frame_log.hpp"
#include "modbus/line.hpp"
#include "modbus/reader.hpp"
#include "modbus/unit_counters.hpp"

namespace penumbra::modbus {

// Where the wire's news goes.
struct WireHooks {
  std::function<std::int64_t()> now_ns;
  std::function<void(const std::string&)> log;  // a line when the connection comes or goes
  std::function<void(const char*)> anomaly;     // static text: the last frames are worth keeping
};

class Wire : public Line {
 public:
  Wire(const BusOptions& bus, WireHooks hooks);

  Outcome Exchange(const Request& request, const ThingOptions& thing, const Budget& budget) override;
  std::int64_t NowNs() override { return hooks_.now_ns(); }
  const WireCounters& counters() const { return counters_; }
  const std::map<std::uint8_t, UnitCounters>& units() const { return units_; }
  // Counts of units that were asked and are none of `known` are dropped: a scan would leave one for each that is not
  // there.
  void ForgetAllBut(const std::set<std::uint8_t>& known);
  const FrameLog& frames() const { return frames_; }
  // As they were at the last anomaly.
  const FrameLog& frozen() const { return frozen_; }

 private:
  // A request that was not answered, and may be still.
  struct Unanswered {
    Request request;
    std::uint16_t transaction = 0;
    std::int64_t until_ns = 0;
  };
  struct Wanted;  // one attempt

  Outcome Attempt(const Request& request, const ThingOptions& thing, const Budget& budget);
  const char* Connect(const Budget& budget);
  const char* SendRequest(Wanted& wanted, const ThingOptions& thing);
  std::uint16_t NextTransaction();
  Outcome Receive(Wanted& wanted);
  bool JudgeReceived(Wanted& wanted, Outcome& outcome);
  Outcome GiveUpWaiting(Wanted& wanted);
  void Disconnect(std::uint8_t unit, const char* reason);
  void DrainToSilence(const Budget& budget);
  int Discard();
  void CountUnasked(std::span<const std::uint8_t> bytes);
  void CountForeign(const FrameHead& head);
  void Freeze(const char* anomaly);
  void CountBadFrame(const Request& request, const char* reason);
  bool CouldBeAnsweredByOther(const Request& request) const;
  void RememberUnanswered(const Request& request);

  const BusOptions& bus_;
  WireHooks hooks_;
  Port port_;
  WireCounters counters_;
  std::map<std::uint8_t, UnitCounters> units_;
  FrameLog frames_, frozen_;
  AnomalyWatch anomalies_;

  Framing framing_;
  std::uint16_t transaction_ = 0;
  int last_unit_ = -1;
  std::int64_t line_free_ns_ = 0;  // when the last character on the line had passed
  int timeouts_in_a_row_ = 0;      // on this connection, of any unit

  // Why a unit cost us the connection, as told to the log, and when it did so last: a unit that does it at every poll
  // is told of once, not at every poll, also while others on this connection answer well.
  struct GivenUp {
    const char* reason;
    std::int64_t last_ns;
  };
  std::map<std::uint8_t, GivenUp> given_up_;

  std::int64_t connect_again_ns_ = 0;
  const char* connect_reason_ = nullptr;  // why not, as told to the log; nullptr: connected

  static constexpr std::size_t kMaxUnanswered = 32;
  std::array<Unanswered, kMaxUnanswered> unanswered_;
};

}  // namespace penumbra::modbus
