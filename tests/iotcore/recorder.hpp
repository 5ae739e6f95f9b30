// What arrived in the cloud: every reading by (device_id, seq), how often, when, and whether its content ever
// differed; publishes per thing and second; presence. The judge of "nothing lost, nothing changed, nothing too fast".
// Deliberately ignorant of what should have arrived: a test knows that from its sensors.
// One thread. Times are Unix milliseconds, handed in. Source: interfaces.md, Telemetry, Will and presence.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "iotcore/thing_of_topic.hpp"

namespace penumbra::iotcore {

class Recorder {
 public:
  // Readings kept; more are counted as "overflow" and not judged (about 400 MB at the limit).
  static constexpr std::size_t kMaxReadings = 5'000'000;
  static constexpr std::size_t kMaxConflicts = 100;          // kept with their payloads; all are counted
  static constexpr std::size_t kMaxOther = 10'000;           // messages that are no telemetry, kept newest
  static constexpr std::size_t kMaxSeconds = 7 * 24 * 3600;  // of publish counts per thing

  // Appends every message as one line of JSON: {"t","topic","payload"}; what is not JSON has "text" instead.
  Status RecordTo(const std::filesystem::path& file);

  void OnMessage(std::string_view topic, std::string_view payload, std::int64_t now_ms);

  // {"messages","readings","distinct","duplicates","conflicts","malformed","overflow","things":{T:{"messages",
  //  "readings","distinct","duplicates","first_seq","last_seq","gaps","first_ms","last_ms","publish_per_second_max",
  //  "out_of_order"}},"conflict_samples":[..]}
  // `gaps`: numbers between first_seq and last_seq that have not arrived. `publish_per_second_max`: in any window of
  // one second, all topics of the thing together.
  Json Summary() const;
  // Delivered seqs of a thing as ascending ranges [[first,last],..].
  Json Ranges(const std::string& thing) const;
  // Arrival time of each (seq, first arrival), ascending by seq: [[seq,ms,count],..] from `from_seq` on, at most
  // `limit`.
  Json Arrivals(const std::string& thing, std::uint64_t from_seq, std::size_t limit) const;
  // Publishes of a thing per second of Unix time: [[second,count],..].
  Json Rates(const std::string& thing) const;
  // Newest presence message of each thing: {T:{"message","arrived_ms","count"}}.
  Json Presence() const;
  // Messages other than telemetry whose topic begins so, oldest first.
  Json Others(std::string_view topic_prefix) const;
  // Forgets everything recorded; the file goes on.
  void Clear();

 private:
  struct Arrival {
    std::uint64_t content = 0;  // hash
    std::int64_t first_ms = 0;
    std::uint32_t count = 0;
  };
  struct Thing {
    std::unordered_map<std::uint64_t, Arrival> readings;
    std::uint64_t messages = 0, copies = 0, first_seq = 0, last_seq = 0, out_of_order = 0;
    std::int64_t first_ms = 0, last_ms = 0;
    std::deque<std::int64_t> last_second;
    std::size_t per_second_max = 0;
    std::map<std::int64_t, std::uint32_t> per_second;
  };
  struct Other {
    std::int64_t ms;
    std::string topic, payload;
  };
  struct LastPresence {
    Json message;
    std::int64_t arrived_ms = 0;
    std::uint64_t count = 0;
  };

  void Append(std::string_view topic, std::string_view payload, const Json* json, std::int64_t now_ms);
  void CountPublish(Thing& thing, std::int64_t now_ms);
  void OnReading(const Json& reading, std::int64_t now_ms);
  void OnOther(std::string_view topic, std::string_view payload, std::int64_t now_ms);
  void NoteConflict(const std::string& device, std::uint64_t seq, const Json& reading);

  std::ofstream file_;
  std::map<std::string, Thing> things_;
  std::map<std::string, LastPresence> presence_;
  std::deque<Other> others_;
  std::vector<Json> conflict_samples_;
  std::size_t kept_ = 0;
  std::uint64_t messages_ = 0, readings_ = 0, conflicts_ = 0, malformed_ = 0, overflow_ = 0, no_telemetry_ = 0;
};

}  // namespace penumbra::iotcore
