// A world for one thing's shadows on virtual time: the stand-in's service, a network that loses, doubles and reorders,
// a disk that a kill catches in the middle, a device with registers, and the daemon's ThingShadows between them.
// Everything follows from the seed. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "iotcore/shadow_service.hpp"
#include "shadow/thing_shadows.hpp"

namespace penumbra::test {

class ShadowWorld {
 public:
  struct Faults {
    double lose = 0;  // each message, each way
    double duplicate = 0;
    int max_delay_ms = 5;       // random per message: above a few milliseconds this reorders
    double device_error = 0;    // a request to the device or its answer is lost
    double device_refuses = 0;  // the device says no to a write, for good
    double commit_error = 0;    // the disk takes nothing of a batch
  };
  struct Write {
    std::string key;
    double value;
    std::int64_t unix_ms;
  };
  // What really happened, so that a test can tell that it has tested something.
  struct Tally {
    std::uint64_t lost = 0, duplicated = 0, reordered = 0;
    std::uint64_t failed_writes = 0, refused_writes = 0, failed_commits = 0, overtaken_writes = 0;
    std::uint64_t kills = 0, reboots = 0, deletes = 0;
    Tally& operator+=(const Tally& other);
  };
  // Where a kill can strike in the life of a command.
  enum class KillPoint {
    kNever,
    kBeforeCommit,   // desired has arrived, nothing is durable
    kAfterCommit,    // received and pending are durable, the device knows nothing
    kBeforeWrite,    // the step is on its way to the device
    kAfterWrite,     // the register has the value, nobody was told
    kAfterAck,       // acknowledged, not yet read back
    kAfterReadBack,  // verified, its commit not durable
    kBeforePublish,  // reported is durable and not published
    kAfterPublish,   // published, no answer yet
  };

  explicit ShadowWorld(std::uint64_t seed);

  Faults faults;
  KillPoint kill_at = KillPoint::kNever;
  int kills = 0;
  bool trusted = true;  // the wall clock
  Tally tally;

  // Time passes; everything that is due happens.
  void Run(Duration time);
  // Until nothing moves any more, at most `limit`. False: it still moves.
  bool Settle(Duration limit);

  void Connect();
  void Disconnect();
  bool online() const { return online_; }
  // SIGKILL and restart; with `reboot` the machine as well.
  void Kill(bool reboot = false);

  // The cloud application: an update of the classic shadow, applied at once.
  void Cloud(const Json& state);
  void CloudText(const std::string& body);  // an update as it stands on the wire
  // A message of the cloud that the stand-in would not send; `stub` as in "update/documents".
  void Deliver(const std::string& stub, const std::string& payload);
  void CloudDelete();
  // The local side.
  void Poll();  // the device is read, readings go into reported
  void Report(const Json& patch);
  void EditDesired(const Json& patch);

  std::map<std::string, double> registers;  // of the device; change them and it has changed by itself
  std::vector<Write> writes;                // in the order in which they reached the device

  iotcore::ShadowService service;
  shadow::ThingShadows& thing() { return *thing_; }
  Json Document() { return service.Peek("t1", "", UnixMs()); }
  std::int64_t UnixMs() const { return kEpochMs + now_.ns / 1'000'000; }
  std::uint64_t updates_sent = 0;  // shadow updates of the daemon that reached the wire
  std::uint64_t gets_sent = 0;
  std::uint64_t steps = 0;  // events processed: a runaway guard
  std::uint64_t Pick(std::uint64_t n) { return random_() % n; }
  bool Chance(double p) { return p > 0 && static_cast<double>(random_() >> 11) * 0x1.0p-53 < p; }

  // Points: temperature; setpoint and mode (0 to a million, a day to live; mode is not read back); valve (30 s to
  // live).
  static ThingSettings Settings();
  static constexpr Duration kValveTtl = std::chrono::seconds(30);

 private:
  static constexpr std::int64_t kEpochMs = 1'700'000'000'000;
  struct Event {
    BootTime at;
    std::uint64_t order;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return at == other.at ? order > other.order : at > other.at;  // earliest on top
    }
  };
  void At(Duration delay, std::function<void()> action);
  void Start();
  void Advance();
  void Durable(std::uint64_t life);
  void CarryOut(const shadow::Effects& effects);
  void ToService(const shadow::Publication& publication);
  void ToDevice(const shadow::CommandBook::Step& step);
  void ToDaemon(const std::vector<iotcore::ShadowMessage>& messages);
  void Apply(const shadow::Batch& batch);
  bool KillNow(KillPoint point);
  Duration Delay();
  void WriteRegister(const shadow::CommandBook::Step& step);
  Reading ReadDevice();
  int Copies();
  void StepDone(const shadow::CommandBook::Step& step, const Status& status);
  Moment Now() const { return {now_, UnixMs(), trusted}; }

  std::mt19937_64 random_;
  BootTime now_{1'000'000'000};
  std::priority_queue<Event> events_;
  std::uint64_t next_order_ = 0;
  std::unique_ptr<shadow::ThingShadows> thing_;
  std::uint64_t life_ = 0;     // of the process: answers to a dead one go nowhere
  std::uint64_t session_ = 0;  // of the link
  std::uint64_t boot_ = 1;
  std::uint64_t next_message_ = 1, newest_delivered_ = 0;
  bool online_ = false;
  std::deque<shadow::Effects> disk_queue_;  // not yet durable, in order
  std::map<std::string, shadow::ShadowRow> disk_shadows_;
  std::map<std::string, shadow::CommandRow> disk_commands_;
  std::optional<BootTime> wake_;
  std::optional<shadow::CommandBook::Step> on_bus_;
};

}  // namespace penumbra::test
