// Foreign bytes into the stand-in: MQTT packets, log lines, control commands and recorded messages.
#include <cstdint>
#include <string_view>

#include "iotcore/broker_log.hpp"
#include "iotcore/control.hpp"
#include "iotcore/mqtt_packet.hpp"
#include "iotcore/recorder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra::iotcore;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Recorder recorder;
  PacketReader reader;
  reader.Feed(bytes, [&recorder](const Packet& packet) {
    ParseConnack(packet);
    if (const auto publish = ParsePublish(packet)) recorder.OnMessage(publish->topic, publish->payload, 1);
  });
  recorder.OnMessage("sensors/a/b", bytes, 2);
  recorder.Summary();
  ParseBrokerLog(bytes);
  SplitCommand(bytes);
  return 0;
}
