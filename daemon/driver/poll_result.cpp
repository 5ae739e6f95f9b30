#include "driver/poll_result.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "model/convert.hpp"

namespace penumbra {
namespace {

Reading Dated(const ThingSettings& thing, const PollTimes& times, BootTime measured) {
  Reading reading;
  reading.thing = thing.name;
  reading.boot_ns = measured.ns;
  reading.unix_ms = times.received_unix_ms - (times.received - measured).count() / 1'000'000;
  reading.boot_id = times.boot_id;
  reading.time_trusted = times.time_trusted;
  return reading;
}

BootTime MeasuredAt(const wire::ReadAnswer& answer, const PollTimes& times) {
  for (const wire::RawValue& raw : answer.values) {
    if (raw.quality == Quality::kBad || raw.time_ns == 0) continue;
    const BootTime measured{raw.time_ns};
    return measured >= times.begun && measured <= times.received ? measured : times.received;
  }
  return times.received;
}

// The text goes to logs, JSON and the database: what is not UTF-8 is no text.
std::string CleanReason(const std::string& reason) {
  return IsUtf8(reason) ? reason : "the driver's reason is not UTF-8";
}

PointValue ToPoint(const PointSettings& point, const wire::RawValue& raw) {
  if (raw.quality == Quality::kBad) return {point.name, std::monostate{}, Quality::kBad, CleanReason(raw.reason)};
  const auto* text = std::get_if<std::string>(&raw.value);
  if (text != nullptr && !IsUtf8(*text)) return {point.name, std::monostate{}, Quality::kBad, "text is not UTF-8"};
  PointValue value = Convert(point, raw.value);
  if (value.quality == Quality::kGood && raw.quality == Quality::kUncertain) {
    value.quality = Quality::kUncertain;
    value.reason = CleanReason(raw.reason);
  }
  return value;
}

bool IsSilent(const wire::RawValue& raw) {
  if (raw.quality != Quality::kBad) return false;
  if (raw.code == wire::Code::kOk) return raw.reason == wire::ToString(wire::Code::kTimeout);
  return raw.code == wire::Code::kTimeout || raw.code == wire::Code::kIo || raw.code == wire::Code::kNoDevice;
}

}  // namespace

Reading ReadingOf(const ThingSettings& thing, const wire::ReadAnswer& answer, const PollTimes& times) {
  if (answer.code != wire::Code::kOk) return BadReading(thing, std::string(wire::ToString(answer.code)), times);
  Reading reading = Dated(thing, times, MeasuredAt(answer, times));
  const std::size_t count = std::min(answer.values.size(), thing.points.size());
  reading.values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) reading.values.push_back(ToPoint(thing.points[i], answer.values[i]));
  return reading;
}

Reading BadReading(const ThingSettings& thing, const std::string& reason, const PollTimes& times) {
  Reading reading = Dated(thing, times, times.received);
  reading.values.reserve(thing.points.size());
  for (const PointSettings& point : thing.points) {
    reading.values.push_back({point.name, std::monostate{}, Quality::kBad, reason});
  }
  return reading;
}

bool IsSilence(const wire::ReadAnswer& answer) {
  if (answer.code != wire::Code::kOk) {
    return answer.code == wire::Code::kTimeout || answer.code == wire::Code::kIo ||
           answer.code == wire::Code::kNoDevice;
  }
  return !answer.values.empty() && std::all_of(answer.values.begin(), answer.values.end(), IsSilent);
}

std::string SilenceOf(const wire::ReadAnswer& answer) {
  const bool told = answer.code == wire::Code::kOk && !answer.values.empty() && !answer.values.front().reason.empty();
  return told ? CleanReason(answer.values.front().reason) : std::string(wire::ToString(answer.code));
}

}  // namespace penumbra
