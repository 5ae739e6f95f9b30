// Requests and answers over a Port: the pauses that the line needs, retries, and above all that no answer is ever
// taken for another request's. On TCP the transaction id decides; on a serial line, where nothing in a frame tells a
// late reply from a prompt one, a request that a late reply could answer is not sent until that reply can no longer
// come. One thread. Source: MODBUS over Serial Line V1.02, sections 2.4 and 2.5.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "modbus/line.hpp"
#include "modbus/reader.hpp"

namespace penumbra::modbus {

// How often what happened, since the bus was opened.
struct WireCounters {
  std::uint64_t requests = 0, answers = 0, exceptions = 0, timeouts = 0;
  std::uint64_t bad_frames = 0;      // CRC, length, function, echo
  std::uint64_t foreign_frames = 0;  // late, or of another unit
  std::uint64_t stale_bytes = 0;     // thrown away before a request
  std::uint64_t connects = 0, connect_failures = 0;
  std::uint64_t withheld = 0;  // not sent because a late reply could have answered them
};

class Wire : public Line {
 public:
  // `log` gets a line when the connection comes or goes.
  Wire(const BusOptions& bus, std::function<std::int64_t()> now_ns, std::function<void(const std::string&)> log);

  Outcome Exchange(const Request& request, const ThingOptions& thing, const Budget& budget) override;
  std::int64_t NowNs() override { return now_ns_(); }
  const WireCounters& counters() const { return counters_; }

 private:
  // A request on the serial line that was not answered, and may be still.
  struct Unanswered {
    Request request;
    std::int64_t until_ns = 0;
  };
  struct Wanted;  // one attempt

  Outcome Attempt(const Request& request, const ThingOptions& thing, const Budget& budget);
  const char* Connect(const Budget& budget);
  const char* SendRequest(Wanted& wanted, const ThingOptions& thing);
  Outcome Receive(Wanted& wanted);
  bool JudgeReceived(Wanted& wanted, Outcome& outcome);
  Outcome GiveUpWaiting(Wanted& wanted);
  void Disconnect(const char* reason);
  void DrainToSilence(const Budget& budget);
  bool CouldBeAnsweredByOther(const Request& request) const;
  void RememberUnanswered(const Request& request);

  const BusOptions& bus_;
  std::function<std::int64_t()> now_ns_;
  std::function<void(const std::string&)> log_;
  Port port_;
  WireCounters counters_;

  Framing framing_;
  std::uint16_t transaction_ = 0;
  int last_unit_ = -1;
  std::int64_t line_free_ns_ = 0;  // when the last character on the line had passed
  int timeouts_in_a_row_ = 0;      // on this connection, of any unit

  std::int64_t connect_again_ns_ = 0;
  const char* connect_reason_ = nullptr;  // why not, as told to the log; nullptr: connected

  static constexpr std::size_t kMaxUnanswered = 32;
  std::array<Unanswered, kMaxUnanswered> unanswered_;
};

}  // namespace penumbra::modbus
