#include "uplink/protocol_memory.hpp"

#include "base/log.hpp"

namespace penumbra {

mqtt::Version ProtocolMemory::Choose(MqttProtocol wanted, BootTime now) const {
  if (wanted == MqttProtocol::k5) return mqtt::Version::k5;
  if (wanted == MqttProtocol::k311) return mqtt::Version::k311;
  return refused_5 && now - *refused_5 < kForget ? mqtt::Version::k311 : mqtt::Version::k5;
}

void ProtocolMemory::RefusedRetain(BootTime now) {
  if (MayRetain(now)) {
    log::Warning("uplink.no_retain", "the server keeps no retained messages: status messages go without");
  }
  refused_retain = now;
}

}  // namespace penumbra
