// Messages whose PUBACK waits for a commit of ours (ConnectOptions::commit_first). Paho says PUBACK as soon as its
// messageArrived callback has returned (1.3.12, MQTTProtocolClient.c, MQTTProtocol_handlePublishes), so the callback
// waits for the decision; it has Paho's process-wide mutex meanwhile. Therefore the wait is short, and once it was in
// vain nobody waits for a while: such messages are handed on, and their PUBACK is withheld.
// Deliberately not here: how a PUBACK is withheld (interposed.hpp).
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mqtt/transport.hpp"

namespace penumbra::mqtt {

// Shared by all connections. Any thread.
class AckPatience {
 public:
  static constexpr std::chrono::milliseconds kPatience{2000};
  static constexpr std::chrono::milliseconds kDistrust{30'000};

  // The decision over one message.
  class Decision {
   public:
    // The first counts.
    void Decide(bool acknowledge);

   private:
    friend class AckPatience;
    std::mutex mutex_;
    std::condition_variable decided_;
    std::optional<bool> acknowledge_;
  };

  // What the loop gets of it: Acknowledge, or no PUBACK once the last owner has let go.
  static std::shared_ptr<PendingAck> TicketFor(std::shared_ptr<Decision> decision);
  // Blocks for at most kPatience. False: not to be acknowledged, or nobody knows in time.
  bool Await(Decision& decision);

 private:
  std::atomic<std::chrono::steady_clock::time_point> distrusts_until_{};
};

bool BeginsWithOneOf(const std::string& topic, const std::vector<std::string>& beginnings);

}  // namespace penumbra::mqtt
