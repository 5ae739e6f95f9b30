// One bus at work: which thing is asked next, what comes of the answer, and what its things say while it is down.
// Loop thread. The host's life is host_supervisor.hpp's business; time tables, breaker and filter are pure parts.
//
// Order of a free bus: writes, then reads somebody asked for, then questions, then the earliest due. One request in
// flight.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/breaker.hpp"
#include "driver/bus_manager.hpp"
#include "driver/host_supervisor.hpp"
#include "driver/load_meter.hpp"
#include "driver/poll_result.hpp"
#include "driver/recording.hpp"
#include "driver/schedule.hpp"
#include "driver/silence_filter.hpp"
#include "driver/thing_record.hpp"

namespace penumbra {

// Where the manager's parts meet; outlives its buses.
struct BusContext {
  EventLoop& loop;
  TimeTrust& time_trust;
  HostLauncher& launcher;
  Random& random;
  BusManager::ReadingHandler reading;
  FactKeeper facts;
  Recorder& recorder;
};

// How long one request may take: every transfer of it with its retries, at most one per point.
// `timeout` and `retries` are those of the thing, else of the bus, else kDefaultTimeout.
Duration RequestTimeout(const BusSettings& bus, const ThingSettings& thing, std::size_t points);

// How long a unit that was silent may hold up its bus: one try, and no longer than half the shortest interval of the
// others, so that none of them misses a slot; but never less than twice its slowest answer lately. Every
// kFullProbeEvery-th probe lasts the whole time-out: the unit may have become slower than it was.
inline constexpr std::uint64_t kFullProbeEvery = 4;

class BusRunner {
 public:
  static constexpr std::size_t kMaxQueuedWrites = 64;
  static constexpr std::size_t kMaxQueuedReads = 64;
  static constexpr std::size_t kMaxQueuedAsks = 8;
  // What waited longer for the bus is answered with an error: the caller has given up by then.
  static constexpr Duration kMaxQueueTime = std::chrono::seconds(30);
  // After the bus came up each thing is read within this time, however long its interval.
  static constexpr Duration kFirstLook = std::chrono::seconds(2);

  BusRunner(BusSettings bus, std::vector<ThingSettings> things, const BusContext& context);

  // The driver is asked this often how its units fare, and whether something went wrong that is worth a recording
  // (driver.h: "counters").
  static constexpr Duration kWatchEvery = std::chrono::seconds(10);
  // Of one bus.
  static constexpr Duration kRecordAtMostEvery = std::chrono::minutes(10);
  // Writes to one thing that wait together and go to the driver together.
  static constexpr std::size_t kMaxWritesAtOnce = 16;

  void Start() { host_.Start(); }
  // Answers whatever waits, the request in flight included; nothing is begun any more.
  void Stop();
  // Takes over other settings of the same bus, as soon as the read or write in flight is answered (a question is cut
  // short). The host starts again only if its driver's configuration differs. Things that stay keep their time table,
  // breaker, record, and what is queued for them if nothing of theirs changed; all else that is queued fails (kRetry).
  // `sample_interval` of each thing is the one to poll at.
  void Reconfigure(BusSettings bus, std::vector<ThingSettings> things);
  // The bus is to go: nothing is told any more, what waits fails with kRetry. `gone`, later: the host has ended, and
  // this can be destroyed without waiting for it.
  void Retire(std::function<void()> gone);

  // Things by name; one that is not here is kRetry while a reconfiguration waits, else kGiveUp.
  void SetSampleInterval(const std::string& thing, Duration interval);
  void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done);
  void Write(const std::string& thing, const std::string& point, const Value& value, std::function<void(Status)> done);

  // `timeout`: from the moment the driver gets the question.
  void Ask(const Json& question, Duration timeout, BusManager::AskDone done);

  const std::string& name() const { return bus_.name; }
  BusStatus Snapshot() const;
  ThingStatus SnapshotOf(const std::string& thing) const;

 private:
  struct Thing {
    Thing(ThingSettings s, std::uint32_t u);
    ThingSettings settings;
    std::uint32_t unit;
    std::vector<std::uint32_t> points;  // 0, 1, 2, ...
    PollGrid grid;
    bool started = false;
    bool look = true;              // an early poll when the bus comes up anew: it is new or changed
    std::optional<BootTime> soon;  // an extra poll outside the grid
    SilenceFilter filter;
    ThingRecord record;
  };
  struct Unit {
    std::string name;
    BreakerSettings breaker_settings;
    Breaker breaker;
    std::vector<std::uint32_t> things;
    Duration slowest_answer{};  // fades, see OnUnitAnswered
    std::string silence;        // what the last answer that was none gave as its reason
    std::uint64_t probes = 0;
  };
  using ReadCallbacks = std::vector<std::function<void(Result<Reading>)>>;
  struct QueuedRead {
    std::uint32_t thing = 0;
    BootTime asked;
    ReadCallbacks done;
  };
  struct QueuedWrite {
    std::uint32_t thing = 0;
    std::uint32_t point = 0;
    BootTime asked;
    Value raw;
    std::function<void(Status)> done;
  };

  struct QueuedAsk {
    std::string question;      // JSON text
    std::string name;          // of the question
    std::uint64_t needed = 0;  // wire::kCan...
    Duration timeout{};
    BootTime asked;
    BusManager::AskDone done;
  };

  struct Plan {
    BusSettings bus;
    std::vector<ThingSettings> things;
  };

  static std::string UnitName(const ThingSettings& thing);
  std::uint32_t UnitOf(const ThingSettings& thing);
  void AddThing(ThingSettings settings);
  std::optional<std::uint32_t> Find(const std::string& thing) const;
  Error NotHere(const std::string& thing) const;

  // Reconfigure, in its steps.
  bool StepPlan();
  void Carry(Thing& to, Thing& from) const;
  void CarryUnits(const std::vector<Unit>& old);
  void CarryQueues(const std::vector<Thing>& old);
  bool Listed(const Thing& thing) const;

  void OnUp();
  void OnDown();
  void PlanSoon(std::uint32_t thing);
  void SetDue(std::uint32_t thing);

  // Does what can be done now, and sets the timer for the rest.
  void Pump();
  bool Step();
  bool StepQueues();
  bool StepDue();
  void ArmTimer();
  void FailQueues(const Error& cause);

  void TakeSlot(Thing& thing, BootTime now);
  void PollDue(std::uint32_t thing);
  void ProbeDue(std::uint32_t unit);
  void SendPoll(std::uint32_t thing, ReadCallbacks done);
  void SendProbe(std::uint32_t unit);
  Duration ProbeTime(const Unit& unit) const;
  bool MayProbe(const Unit& unit) const;
  void SendWrite(QueuedWrite write);
  std::vector<QueuedWrite> TakeWritesTogether();
  void SendWrites(std::vector<QueuedWrite> writes);
  void OnWrittenTogether(BootTime begun, const std::vector<QueuedWrite>& writes, const Result<OrderedJson>& answer);
  void SendAsk(QueuedAsk ask);
  void Ask(std::string question, std::string name, Duration timeout, BusManager::AskDone done);
  void SendQuestion(Json question, Duration timeout, BusManager::AskDone done);
  bool StepWatch();
  void OnWatched(const Result<OrderedJson>& counters);
  void TakeCounted(std::vector<UnitStatus> units);
  void Record(const std::string& anomaly, bool frozen);
  void OnFact(const std::string& key, const std::string& json);
  std::string Configuration() const;
  void OnPolled(std::uint32_t thing, BootTime begun, Result<wire::ReadAnswer> answer, const ReadCallbacks& done);
  void OnProbed(std::uint32_t unit, BootTime begun, const Result<wire::ReadAnswer>& answer);
  void OnWritten(std::uint32_t thing, BootTime begun, const Result<wire::WriteAnswer>& answer,
                 const std::function<void(Status)>& done);
  void OnUnitAnswered(std::uint32_t unit, Duration took);
  void OnUnitSilent(std::uint32_t unit, Duration spent, std::string reason);

  PollTimes TimesOf(BootTime begun) const;
  void Tell(Thing& thing, const Reading& reading);
  std::string DownCause() const;

  BusSettings bus_;
  BusContext context_;
  std::optional<Plan> plan_;  // waits for the request in flight
  bool opened_anew_ = false;  // the host starts because of a plan: unchanged things need no first look
  std::vector<Thing> things_;
  std::vector<Unit> units_;
  DueTable due_;  // items: things, then units (their probes)
  std::deque<QueuedWrite> writes_;
  std::deque<QueuedRead> reads_;
  std::deque<QueuedAsk> asks_;
  Json configuration_;  // without the facts
  BusFacts facts_;
  bool fact_refused_ = false;  // logged already
  bool down_ = false;          // it was up or was tried, and is not
  bool pumping_ = false;
  std::optional<Error> stopped_;     // nothing is begun or told any more; what is asked fails with this
  bool question_ = false;            // the one in flight is somebody's question, which may be cut short
  BootTime watch_at_{};              // next question for the counters
  std::int64_t anomalies_seen_ = 0;  // of this run of the host
  std::vector<UnitStatus> counted_;  // as of the last such question
  BootTime record_from_{};           // the next recording may begin
  SilenceBudget silence_budget_;
  LoadMeter load_;
  std::uint64_t polls_ = 0, errors_ = 0, overruns_ = 0;
  BootTime armed_for_{-1};
  SubscriptionPtr timer_;
  HostSupervisor host_;  // last: its handlers use the rest
};

}  // namespace penumbra
