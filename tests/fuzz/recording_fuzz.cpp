// A recording that somebody sends: parsed, made into a device, and asked with its own bytes. Never a crash.
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/replay.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto recording = penumbra::ParseRecording(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!recording) return 0;
  penumbra::cli::ReplayBook book(*recording);
  for (const penumbra::RecordedFrame& frame : recording->frames) {
    std::string received = frame.bytes;
    for (std::string request; !(request = book.TakeRequest(received)).empty();) (void)book.Answer(request);
  }
  return 0;
}
