#include "driver/thing_record.hpp"

namespace penumbra {
namespace {

// A value older than so many intervals is stale.
constexpr int kStaleAfter = 3;

}  // namespace

ThingRecord::ThingRecord(const ThingSettings& thing) : thing_(thing.name) {
  Follow(thing);
}

void ThingRecord::Follow(const ThingSettings& thing) {
  bus_ = thing.bus;
  std::map<std::string, PointStatus> points;
  for (const PointSettings& point : thing.points) {
    const auto known = points_.find(point.name);
    if (known != points_.end()) {
      points[point.name] = std::move(known->second);
    } else {
      points[point.name].value = {point.name, std::monostate{}, Quality::kBad, "not read yet"};
    }
  }
  points_ = std::move(points);
}

void ThingRecord::OnPoll(const Reading& reading) {
  ++polls_;
  last_all_bad_ = reading.AllBad();
  last_reason_.clear();
  if (last_all_bad_) {
    ++failed_polls_;
    if (!reading.values.empty()) last_reason_ = reading.values.front().reason;
  } else {
    last_reading_ms_ = reading.unix_ms;
    last_value_ = BootTime{reading.boot_ns};
  }
  for (const PointValue& value : reading.values) {
    PointStatus& point = points_[value.point];
    point.attempt_ms = reading.unix_ms;
    const bool bad = value.quality == Quality::kBad;
    point.trouble = bad ? value.reason : "";
    if (!bad) point.value_ms = reading.unix_ms;
    if (!bad || point.value_ms == 0) point.value = value;
  }
}

std::string ThingRecord::StateAt(Duration interval, BootTime now) const {
  if (polls_ == 0) return "waiting";
  if (last_all_bad_) return "unreachable";
  return now - last_value_ > interval * kStaleAfter ? "stale" : "ok";
}

ThingStatus ThingRecord::Status(Duration interval, BootTime now) const {
  ThingStatus status;
  status.thing = thing_;
  status.bus = bus_;
  status.state = StateAt(interval, now);
  status.reason = last_reason_;
  status.sample_interval = interval;
  status.last_reading_ms = last_reading_ms_;
  status.polls = polls_;
  status.failed_polls = failed_polls_;
  status.overruns = overruns_;
  status.points = points_;
  return status;
}

}  // namespace penumbra
