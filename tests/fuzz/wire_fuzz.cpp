// Whatever a driver host sends: the decoder takes it or refuses it; what it takes survives another journey and makes a
// reading without NaN and without a value where there is none.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/ordered_json.hpp"
#include "driver/bus_facts.hpp"
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

// What a host says it has learned, and what its driver answers: JSON from foreign code, taken or refused.
void CheckJson(const penumbra::wire::FromHost& message) {
  if (const auto* fact = std::get_if<penumbra::wire::Fact>(&message)) {
    Require(penumbra::wire::IsFactKey(fact->key));
    penumbra::BusFacts facts;
    const auto set = facts.Set(fact->key, fact->json);
    Require(facts.json().size() == (set && !fact->json.empty() ? 1U : 0U));
    static_cast<void>(penumbra::Dump(facts.json()));
  }
  if (const auto* object = std::get_if<penumbra::wire::AskObject>(&message)) {
    Require(penumbra::ParseOrderedJson(object->json).has_value() == penumbra::ParseJson(object->json).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto message = penumbra::wire::DecodeFromHost(bytes)) {
    CheckJourney(*message);
    CheckJson(*message);
    if (const auto* answer = std::get_if<penumbra::wire::ReadAnswer>(&*message)) CheckReading(*answer);
  }
  if (const auto request = penumbra::wire::DecodeRequest(bytes)) {
    Require(penumbra::wire::DecodeRequest(penumbra::wire::Encode(*request)).has_value());
  }
  return 0;
}
