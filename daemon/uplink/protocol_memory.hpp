// What the server has refused to speak, or wants otherwise, kept for a while so that not every connection has to find
// out. Pure; loop thread.
#pragma once

#include <algorithm>
#include <optional>

#include "event/clock.hpp"
#include "model/settings.hpp"
#include "mqtt/transport.hpp"

namespace penumbra {

// For all links: they share one endpoint.
struct ProtocolMemory {
  static constexpr Duration kForget = std::chrono::hours(1);
  std::optional<BootTime> refused_5;
  std::optional<BootTime> refused_retain;
  std::optional<Duration> keep_alive;  // the shortest that the server has asked for

  mqtt::Version Choose(MqttProtocol wanted, BootTime now) const;
  bool MayRetain(BootTime now) const { return !refused_retain || now - *refused_retain >= kForget; }
  void RefusedRetain(BootTime now);
  Duration KeepAlive(Duration wanted) const { return keep_alive ? std::min(*keep_alive, wanted) : wanted; }
};

}  // namespace penumbra
