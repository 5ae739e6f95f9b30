// All buses: one supervised driver host process each, and the poll schedule of the things on them. Loop thread.
//
// A host that crashes, hangs past its deadline or breaks the protocol is killed and started again with backoff; one
// that keeps doing so is quarantined (tried again rarely). Nothing of that touches another bus. The schedule is
// drift-free, phases are spread over the interval, one request is in flight per bus, polls that could not start in time
// are counted as overruns, not queued. A unit that does not answer is asked less and less (breaker), so that the others
// keep their rate.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"
#include "driver/bus_facts.hpp"
#include "driver/unit_status.hpp"
#include "event/loop.hpp"
#include "event/time_trust.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra {

struct BusStatus {
  std::string bus;
  std::string driver;
  // "starting" "running" "backoff" "quarantined" "misconfigured"
  std::string state;
  std::string reason;          // why it is not running, one line; empty when it runs
  double load = 0;             // share of the last minute spent in requests, 0..1
  std::uint64_t polls = 0;     // finished requests that brought at least one value
  std::uint64_t errors = 0;    // finished requests that brought none
  std::uint64_t overruns = 0;  // polls skipped because the bus was busy
  std::uint64_t restarts = 0;
  std::uint64_t log_lines_dropped = 0;
  int pid = 0;  // 0: none
  // While it runs: what of the system its host can reach beyond what the driver says it needs, and why; empty: nothing.
  std::string unconfined;
  std::vector<UnitStatus> units;  // of a driver that counts by unit; some seconds old
};

// The last word on one point, for `explain` and for the shadow.
struct PointStatus {
  PointValue value;             // last good value's fields when there was one; else Bad with the reason
  std::int64_t value_ms = 0;    // Unix time of that value; 0: never
  std::string trouble;          // why the newest attempt brought nothing; empty when it did
  std::int64_t attempt_ms = 0;  // Unix time of the newest attempt; 0: never tried
};

struct ThingStatus {
  std::string thing;
  std::string bus;
  std::string state;  // "ok", "stale" (no value within 3 intervals), "unreachable" (every point of the last poll bad),
                      // "waiting"
  std::string reason;
  std::string breaker;  // "closed", "open", "half-open"
  Duration sample_interval{};
  std::int64_t last_reading_ms = 0;
  std::uint64_t polls = 0, failed_polls = 0, overruns = 0;
  std::map<std::string, PointStatus> points;
};

class BusManager {
 public:
  struct Options {
    PathSettings paths;
    FactKeeper facts;                  // where drivers' facts are kept; empty: nowhere
    std::filesystem::path recordings;  // where the last frames of a bus in trouble go; empty: nowhere
  };
  // Called for each finished poll, with the values converted by the model and without seq.
  using ReadingHandler = std::function<void(Reading)>;

  static std::unique_ptr<BusManager> Create(Options options, EventLoop& loop, TimeTrust& time_trust,
                                            ReadingHandler handler);

  // Stops, and kills all hosts.
  virtual ~BusManager() = default;

  // Polls nothing any more and answers whatever still waits for an answer with an error (kBackOff); also what is asked
  // from then on. For the end of the program, while those who asked are still there.
  virtual void Stop() {}

  // Starts hosts and schedules. Once. `things` whose bus is not listed are ignored.
  virtual void Start(std::vector<BusSettings> buses, std::vector<ThingSettings> things) = 0;

  // Takes over another configuration while everything runs. A bus of which nothing changed is not touched, one whose
  // driver must learn of the change ends its request in flight and starts its host again, one that is gone ends. A
  // thing that stays keeps its time table and the interval it is polled at (sample_interval of `things` counts only for
  // new ones: see SetSampleInterval); what is queued for a thing that changed fails with kRetry.
  virtual void Reconfigure(std::vector<BusSettings> buses, std::vector<ThingSettings> things) = 0;

  // From the next due time on, counted from now; at least 50 ms. False: no such thing.
  virtual bool SetSampleInterval(const std::string& thing, Duration interval) = 0;
  // Polls as soon as the bus is free. `done` gets the reading, which also goes the normal way; or why there is none.
  virtual void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) = 0;
  // Writes `value` (as people see it: scaled). The caller has validated it. `done`: acknowledged by the device, or why
  // not. `wanted` is asked when its turn at the bus has come: if not, it is not written (kRetry). Empty: always.
  virtual void Write(const std::string& thing, const std::string& point, const Value& value,
                     std::function<void(Status)> done, std::function<bool()> wanted = {}) = 0;

  // Asks the driver of `bus` (driver.h, PENUMBRA_CAN_ASK: {"ask":"plan"} ...) as soon as the bus is free; the bus polls
  // nothing while its driver answers. `timeout` counts from then, at most kMaxAskTime. `done` gets an array of objects,
  // keys in the driver's order. Errors: kGiveUp no such bus, a question that its driver does not answer, the driver's
  // own refusal; kRetry or kBackOff the device or bus is in trouble.
  static constexpr Duration kMaxAskTime = std::chrono::minutes(10);
  using AskDone = std::function<void(Result<OrderedJson>)>;
  virtual void Ask(const std::string& bus, const Json& question, Duration timeout, AskDone done) = 0;

  virtual std::vector<BusStatus> Buses() const = 0;
  virtual std::optional<ThingStatus> Thing(const std::string& thing) const = 0;
};

}  // namespace penumbra
