// Foreign bytes into the stand-in: MQTT packets of both versions, log lines, control commands and recorded messages.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "iotcore/broker_log.hpp"
#include "iotcore/control.hpp"
#include "iotcore/mqtt_inspect.hpp"
#include "iotcore/mqtt_packet.hpp"
#include "iotcore/recorder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penumbra::iotcore;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Recorder recorder;
  PacketReader reader;
  reader.Feed(bytes, [&recorder](const Packet& packet) {
    ParseConnack(packet);
    InspectConnect(packet);
    for (const int level : {4, kMqtt5}) {
      InspectPublish(packet, level);
      InspectSuback(packet, level);
      const auto subscribe = InspectSubscribe(packet, level);
      if (subscribe && EncodeSubscribe(*subscribe, subscribe->filters).size() < packet.body.size()) std::abort();
    }
    if (const auto publish = ParsePublish(packet)) recorder.OnMessage(publish->topic, publish->payload, 1);
  });
  recorder.OnMessage("sensors/a/b", bytes, 2);
  recorder.Summary();
  IsPerMessage(bytes);
  SplitCommand(bytes);
  return 0;
}
