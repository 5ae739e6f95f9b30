#include "iotcore/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <functional>

namespace penumbra::iotcore {
namespace {

bool IsTelemetry(std::string_view topic) {
  return topic.starts_with("sensors/") && !topic.ends_with("/command/ack") && !topic.ends_with("/gap");
}

std::vector<std::uint64_t> Sorted(const auto& readings) {
  std::vector<std::uint64_t> seqs;
  seqs.reserve(readings.size());
  for (const auto& [seq, arrival] : readings) seqs.push_back(seq);
  std::sort(seqs.begin(), seqs.end());
  return seqs;
}

}  // namespace

Status Recorder::RecordTo(const std::filesystem::path& file) {
  file_.open(file, std::ios::app);
  if (!file_) return Fail(Action::kFixConfig, ErrnoMessage(fmt::format("cannot write {}", file.string()), errno));
  return {};
}

void Recorder::OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  if (!topic.starts_with("$aws/events/")) ++messages_;  // those are the cloud's own
  const auto json = ParseJson(payload);
  if (file_.is_open()) Append(topic, payload, json ? &*json : nullptr, now_ms);
  // What the services answer is theirs, not the thing's.
  if (const std::string_view thing = ThingOfTopic(topic);
      !thing.empty() && !topic.starts_with("commands/") && !topic.ends_with("/accepted") &&
      !topic.ends_with("/rejected") && !topic.ends_with("/delta") && !topic.ends_with("/documents")) {
    CountPublish(things_[std::string(thing)], now_ms);
  }
  if (!IsTelemetry(topic)) return OnOther(topic, payload, now_ms);
  if (!json) {
    ++malformed_;
  } else if (json->is_array()) {
    for (const Json& reading : *json) OnReading(reading, now_ms);
  } else {
    OnReading(*json, now_ms);
  }
}

void Recorder::Append(std::string_view topic, std::string_view payload, const Json* json, std::int64_t now_ms) {
  Json line = {{"t", now_ms}, {"topic", topic}};
  if (json != nullptr) {
    line["payload"] = *json;
  } else {
    line["text"] = payload;
  }
  file_ << Dump(line) << '\n' << std::flush;
}

void Recorder::CountPublish(Thing& thing, std::int64_t now_ms) {
  ++thing.messages;
  ++thing.per_second[now_ms / 1000];
  if (thing.per_second.size() > kMaxSeconds) thing.per_second.erase(thing.per_second.begin());
  thing.last_second.push_back(now_ms);
  while (thing.last_second.front() <= now_ms - 1000) thing.last_second.pop_front();
  thing.per_second_max = std::max(thing.per_second_max, thing.last_second.size());
}

void Recorder::OnReading(const Json& reading, std::int64_t now_ms) {
  const auto device = GetString(reading, "device_id");
  const auto seq = GetInt(reading, "seq");
  if (!device || !seq || *seq < 0) {
    ++malformed_;
    return;
  }
  ++readings_;
  Thing& thing = things_[*device];
  const auto number = static_cast<std::uint64_t>(*seq);
  const auto known = thing.readings.find(number);
  const std::uint64_t content = std::hash<std::string>{}(Dump(reading));
  ++thing.copies;
  if (known != thing.readings.end()) {
    ++known->second.count;
    if (known->second.content != content) NoteConflict(*device, number, reading);
    return;
  }
  if (kept_ >= kMaxReadings) {
    ++overflow_;
    return;
  }
  ++kept_;
  if (thing.readings.empty()) {
    thing.first_seq = number;
    thing.first_ms = now_ms;
  } else if (number < thing.last_seq) {
    ++thing.out_of_order;
  }
  thing.first_seq = std::min(thing.first_seq, number);
  thing.last_seq = std::max(thing.last_seq, number);
  thing.last_ms = now_ms;
  thing.readings.emplace(number, Arrival{content, now_ms, 1});
}

void Recorder::NoteConflict(const std::string& device, std::uint64_t seq, const Json& reading) {
  ++conflicts_;
  if (conflict_samples_.size() < kMaxConflicts) {
    conflict_samples_.push_back({{"device_id", device}, {"seq", seq}, {"later", reading}});
  }
}

void Recorder::OnOther(std::string_view topic, std::string_view payload, std::int64_t now_ms) {
  ++no_telemetry_;
  if (topic.starts_with("status/")) {
    if (auto message = ParseJson(payload)) {
      LastPresence& last = presence_[std::string(ThingOfTopic(topic))];
      last = {std::move(*message), now_ms, last.count + 1};
    }
  }
  others_.push_back({now_ms, std::string(topic), std::string(payload)});
  if (others_.size() > kMaxOther) others_.pop_front();
}

Json Recorder::Summary() const {
  Json things = Json::object();
  std::uint64_t distinct = 0;
  for (const auto& [name, thing] : things_) {
    const std::size_t count = thing.readings.size();
    distinct += count;
    Json& entry = things[name] = {{"messages", thing.messages},
                                  {"readings", thing.copies},
                                  {"distinct", count},
                                  {"duplicates", thing.copies - count},
                                  {"out_of_order", thing.out_of_order},
                                  {"publish_per_second_max", thing.per_second_max}};
    if (count == 0) continue;
    entry["first_seq"] = thing.first_seq;
    entry["last_seq"] = thing.last_seq;
    entry["gaps"] = thing.last_seq - thing.first_seq + 1 - count;
    entry["first_ms"] = thing.first_ms;
    entry["last_ms"] = thing.last_ms;
  }
  return {{"messages", messages_},   {"readings", readings_},
          {"distinct", distinct},    {"duplicates", readings_ - distinct - overflow_},
          {"conflicts", conflicts_}, {"malformed", malformed_},
          {"overflow", overflow_},   {"other", no_telemetry_},
          {"things", things},        {"conflict_samples", conflict_samples_}};
}

Json Recorder::Ranges(const std::string& thing) const {
  Json ranges = Json::array();
  const auto it = things_.find(thing);
  if (it == things_.end()) return ranges;
  for (const std::uint64_t seq : Sorted(it->second.readings)) {
    if (!ranges.empty() && ranges.back()[1].get<std::uint64_t>() + 1 == seq) {
      ranges.back()[1] = seq;
    } else {
      ranges.push_back({seq, seq});
    }
  }
  return ranges;
}

Json Recorder::Arrivals(const std::string& thing, std::uint64_t from_seq, std::size_t limit) const {
  Json list = Json::array();
  const auto it = things_.find(thing);
  if (it == things_.end()) return list;
  const auto seqs = Sorted(it->second.readings);
  for (auto at = std::lower_bound(seqs.begin(), seqs.end(), from_seq); at != seqs.end() && list.size() < limit; ++at) {
    const Arrival& arrival = it->second.readings.at(*at);
    list.push_back({*at, arrival.first_ms, arrival.count});
  }
  return list;
}

Json Recorder::Rates(const std::string& thing) const {
  Json list = Json::array();
  const auto it = things_.find(thing);
  if (it == things_.end()) return list;
  for (const auto& [second, count] : it->second.per_second) list.push_back({second, count});
  return list;
}

Json Recorder::Presence() const {
  Json json = Json::object();
  for (const auto& [thing, last] : presence_) {
    json[thing] = {{"message", last.message}, {"arrived_ms", last.arrived_ms}, {"count", last.count}};
  }
  return json;
}

Json Recorder::Others(std::string_view topic_prefix) const {
  Json list = Json::array();
  for (const Other& other : others_) {
    if (std::string_view(other.topic).starts_with(topic_prefix)) {
      list.push_back({{"t", other.ms}, {"topic", other.topic}, {"payload", other.payload}});
    }
  }
  return list;
}

void Recorder::Clear() {
  things_.clear();
  presence_.clear();
  others_.clear();
  conflict_samples_.clear();
  kept_ = 0;
  messages_ = readings_ = conflicts_ = malformed_ = overflow_ = no_telemetry_ = 0;
}

}  // namespace penumbra::iotcore
