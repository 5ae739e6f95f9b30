// The MQTT transport over Paho MQTT C. Loop thread; everything that may block happens on the MQTT thread and on the
// look-up threads behind it. Deliberately without reconnecting, persistence or queueing of its own: the uplink decides,
// and SQLite is the only queue.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "mqtt/resolver.hpp"
#include "mqtt/transport.hpp"

namespace penumbra::mqtt {

// Commands waiting for the MQTT thread, over all connections. A connection that would pass it is closed: its server or
// Paho itself does not keep up, and the uplink will send again.
inline constexpr std::size_t kMaxQueuedCommands = 4096;
// Received messages of one connection that the loop has not looked at yet. Beyond either the connection is closed, so
// that the next session asks for the shadow afresh, rather than silently losing one of them.
inline constexpr std::size_t kMaxInboundMessages = 1000;
inline constexpr std::size_t kMaxInboundBytes = 4 * 1024 * 1024;
// Messages of one connection that were not acknowledged (PendingAck). They count against what the server has in flight
// to us; at so many the connection is closed, and they come again with the next.
inline constexpr std::size_t kMaxWithheldAcks = 10;

class PahoTransport : public Transport {
 public:
  struct Stats {
    std::uint64_t connects = 0;          // attempts handed to Paho
    std::uint64_t queue_full = 0;        // connections closed because of kMaxQueuedCommands
    std::uint64_t inbound_overflow = 0;  // connections closed because of kMaxInbound*
    std::uint64_t acks_withheld = 0;     // messages left to be sent again, see PendingAck
    std::size_t sessions = 0;            // Paho objects that exist now
  };
  // Any thread.
  virtual Stats stats() const = 0;

  // `answer` is called on the loop once the MQTT thread got to it, behind what waits there: proof that it makes
  // progress. Not called when the queue is full, nor after the transport's end.
  virtual void Probe(std::function<void()> answer) = 0;

  // `lookup` stands in for the name service; it is called on look-up threads and may block. Destroying the transport
  // blocks until Paho's threads have ended (about a second): after the loop.
  static std::unique_ptr<PahoTransport> Create(EventLoop& loop, Resolver::Lookup lookup = SystemLookup);
};

}  // namespace penumbra::mqtt
