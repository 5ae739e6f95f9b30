// One bus at work: which thing is asked next, what comes of the answer, and what its things say while it is down.
// Loop thread. The host's life is host_supervisor.hpp's business; time tables, breaker and filter are pure parts.
//
// Order of a free bus: writes, then reads somebody asked for, then questions, then the earliest due. One request in
// flight.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "driver/bus_facts.hpp"
#include "driver/bus_manager.hpp"
#include "driver/bus_queues.hpp"
#include "driver/bus_things.hpp"
#include "driver/host_supervisor.hpp"
#include "driver/load_meter.hpp"
#include "driver/poll_result.hpp"
#include "driver/recording.hpp"
#include "driver/unit_watch.hpp"

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

class BusRunner {
 public:
  BusRunner(BusSettings bus, std::vector<ThingSettings> things, const BusContext& context);

  // Recordings of one bus.
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
  void Write(const std::string& thing, const std::string& point, const Value& value, std::function<void(Status)> done,
             std::function<bool()> wanted);

  // `timeout`: from the moment the driver gets the question.
  void Ask(const Json& question, Duration timeout, BusManager::AskDone done);

  const std::string& name() const { return bus_.name; }
  BusStatus Snapshot() const;
  ThingStatus SnapshotOf(const std::string& thing) const;

 private:
  struct Plan {
    BusSettings bus;
    std::vector<ThingSettings> things;
  };

  Error NotHere(const std::string& thing) const;
  bool StepPlan();
  bool Listed(const BusThings::Thing& thing) const;

  void OnUp();
  void OnDown();

  // Does what can be done now, and sets the timer for the rest.
  void Pump();
  bool Step();
  bool StepQueues();
  bool StepWatch();
  bool StepDue();
  void ArmTimer();

  void PollDue(std::uint32_t thing);
  void SendPoll(std::uint32_t thing, BusQueues::ReadCallbacks done);
  void OnPolled(std::uint32_t thing, BootTime begun, Result<wire::ReadAnswer> answer,
                const BusQueues::ReadCallbacks& done);

  void ProbeDue(std::uint32_t unit);
  bool MayProbe(std::uint32_t unit) const;
  Duration ProbeTime(std::uint32_t unit) const;
  void SendProbe(std::uint32_t unit);
  void OnProbed(std::uint32_t unit, BootTime begun, const Result<wire::ReadAnswer>& answer);
  void OnUnitAnswered(std::uint32_t unit, Duration took);
  void OnUnitSilent(std::uint32_t unit, Duration spent, std::string reason);

  void SendWrite(BusQueues::Write write);
  void OnWritten(std::uint32_t thing, BootTime begun, const Result<wire::WriteAnswer>& answer,
                 const std::function<void(Status)>& done);
  void SendWrites(std::vector<BusQueues::Write> writes);
  void OnWrittenTogether(BootTime begun, const std::vector<BusQueues::Write>& writes,
                         const Result<OrderedJson>& answers);

  // Somebody's question; ours, and how both go to the driver. Only when the host is ready.
  void SendQuestion(BusQueues::Question question);
  void Send(const Json& question, Duration timeout, BusManager::AskDone done);
  void Send(std::string question, std::string name, Duration timeout, BusManager::AskDone done);

  void Record(const std::string& anomaly, bool frozen);
  void OnFact(const std::string& key, const std::string& json);
  std::string Configuration() const;

  PollTimes TimesOf(BootTime begun) const;
  void Tell(BusThings::Thing& thing, const Reading& reading);
  std::string DownCause() const;

  BusSettings bus_;
  BusContext context_;
  std::optional<Plan> plan_;  // waits for the request in flight
  bool opened_anew_ = false;  // the host starts because of a plan: unchanged things need no first look
  BusThings things_;
  BusQueues queues_;
  Json configuration_;  // without the facts
  BusFacts facts_;
  bool fact_refused_ = false;  // logged already
  bool down_ = false;          // it was up or was tried, and is not
  bool pumping_ = false;
  std::optional<Error> stopped_;  // nothing is begun or told any more; what is asked fails with this
  bool question_ = false;         // the one in flight is somebody's question, which may be cut short
  UnitWatch watch_;
  BootTime record_from_{};  // the next recording may begin
  SilenceBudget silence_budget_;
  LoadMeter load_;
  std::uint64_t polls_ = 0, errors_ = 0, overruns_ = 0;
  BootTime armed_for_{-1};
  SubscriptionPtr timer_;
  HostSupervisor host_;  // last: its handlers use the rest
};

}  // namespace penumbra
