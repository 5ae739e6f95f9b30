// Lets the gateway's things connect one after another: at most `rate` CONNECTs a second over all of them, with jitter,
// and at most one a second for each client id (AWS IoT Core's quota). Who waits longest for the cloud goes first.
// Starts alone say little about arrivals: Paho gets sockets on their way in bursts, once a second. An attempt's CONNECT
// leaves at some moment between its start and its end, so one second's worth of attempts may be under way or have ended
// within the last second: then no second, wherever it begins, sees more CONNECTs than `rate`. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "event/backoff.hpp"
#include "event/loop.hpp"

namespace penumbra {

class ConnectGate {
 public:
  static constexpr Duration kPerClient = std::chrono::seconds(1);
  // Each gap is stretched by up to this part, so that gateways started together drift apart.
  static constexpr double kJitter = 0.2;
  // An attempt that has no outcome after this long holds nobody up any more.
  static constexpr Duration kHold = std::chrono::seconds(3);
  static constexpr Duration kSecond = std::chrono::seconds(1);

  // Smaller is sooner. Asked each time the gate opens.
  using Priority = std::function<std::int64_t()>;

  // rate > 0: connects a second. `random` outlives the gate.
  ConnectGate(EventLoop& loop, double rate, Random& random);

  // Another rate from the next connect on.
  void Change(double rate);
  // Calls `open` once, when it is this client's turn; never inside this call.
  void Request(const std::string& client_id, Priority priority, std::function<void()> open);
  void Cancel(const std::string& client_id);
  // The attempt that was let through has come to its end, good or bad.
  void Finished(const std::string& client_id);
  // The earliest moment at which this client could be let through.
  BootTime Earliest(const std::string& client_id) const;

 private:
  struct Waiting {
    Priority priority;
    std::function<void()> open;
    std::uint64_t order = 0;
  };
  struct Attempt {
    std::string client_id;
    BootTime counts_until{};  // for the rate; until it ends, as if it ended at kHold
    bool ended = false;
  };
  void Arm();
  void Open();
  void End(const std::string& client_id);
  // When there is room for one more attempt: now, or when one stops to count.
  BootTime Room() const;

  EventLoop& loop_;
  Duration gap_;
  std::size_t most_counted_;
  Random& random_;
  std::map<std::string, Waiting> waiting_;
  std::map<std::string, BootTime> last_;  // by client id; as many as there are things
  std::vector<Attempt> attempts_;         // that count; at most most_counted_
  BootTime next_{};
  std::uint64_t order_ = 0;
  SubscriptionPtr timer_;
};

}  // namespace penumbra
