// Whatever a driver host sends: the decoder takes it or refuses it; what it takes survives another journey and makes a
// reading without NaN and without a value where there is none.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "driver/poll_result.hpp"
#include "driver/wire.hpp"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// NaN differs from itself, so that journeys are compared as bytes.
void CheckJourney(const penumbra::wire::FromHost& message) {
  const std::string once = penumbra::wire::Encode(message);
  Require(once.size() <= penumbra::wire::kMaxFrame);
  const auto back = penumbra::wire::DecodeFromHost(once);
  Require(back.has_value());
  Require(penumbra::wire::Encode(*back) == once);
}

void CheckReading(const penumbra::wire::ReadAnswer& answer) {
  penumbra::ThingSettings thing;
  thing.points.resize(answer.values.size());
  const penumbra::PollTimes times{penumbra::BootTime{1000}, penumbra::BootTime{2000}, 5, "boot", true};
  const penumbra::Reading reading = penumbra::ReadingOf(thing, answer, times);
  Require(reading.values.size() == thing.points.size());
  Require(reading.boot_ns >= 1000 && reading.boot_ns <= 2000);
  for (const penumbra::PointValue& value : reading.values) {
    Require(penumbra::HasValue(value.value) == (value.quality != penumbra::Quality::kBad));
    const auto* number = std::get_if<double>(&value.value);
    Require(number == nullptr || std::isfinite(*number));
  }
  // A unit that brought a value is never silent.
  Require(reading.AllBad() || !penumbra::IsSilence(answer));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto message = penumbra::wire::DecodeFromHost(bytes)) {
    CheckJourney(*message);
    if (const auto* answer = std::get_if<penumbra::wire::ReadAnswer>(&*message)) CheckReading(*answer);
  }
  if (const auto request = penumbra::wire::DecodeRequest(bytes)) {
    Require(penumbra::wire::DecodeRequest(penumbra::wire::Encode(*request)).has_value());
  }
  return 0;
}
