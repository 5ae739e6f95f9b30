// The commands of one thing: each writable key's newest desired value on its way to the device. Pure state machine on
// the caller's time; what must survive is in the rows. Loop thread.
//
// One row per key. Its life:
//   received -> pending -> written -> verified -> reported         the way that works
//   received -> refused | expired, pending -> failed               shown in reported.refused until desired moves on
// A newer desired value takes the row over whatever its state (the old one is superseded and never written again);
// removing the key from desired removes the row. Only a change of desired makes a command: a device that changes by
// itself is reported, never overwritten. Writes are absolute, so that doing one again after a restart is harmless.
//
// Contract with the caller: after TakeDirty() the rows are committed before the step that NextStep() gave is done.
// At most one step is at the device at a time, so an older value can never be written after a newer one.
// Source: device-shadow.md rule 8; interfaces.md "Shadows", "Age of a desired value"; architecture.md, "One desired
// value".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/backoff.hpp"
#include "event/receipt.hpp"
#include "model/reading.hpp"
#include "model/settings.hpp"

namespace penumbra::shadow {

enum class CommandState {
  kReceived = 0,  // durable, waits for its turn at the device
  kPending = 1,   // given to the device; whether it was done is unknown after a restart
  kWritten = 2,   // acknowledged by the device, to be read back
  kVerified = 3,  // done, and in reported_local
  kReported = 4,  // and the cloud shows it
  kRefused = 5,   // never tried: unknown, read-only, wrong type, out of range
  kExpired = 6,   // too old when its turn came
  kFailed = 7,    // the device refused it or does not keep it
};
std::string_view ToString(CommandState state);

struct CommandRow {
  std::string key;
  Json value;
  std::int64_t version = 0;      // of the cloud's document that brought it
  std::int64_t desired_s = 0;    // when it was last wanted, service clock; 0: not known (a local edit)
  std::int64_t received_ms = 0;  // Unix time of this gateway, if it was trusted; 0: it was not
  std::string received_boot;     // boot id, and the time in that boot
  std::int64_t received_boot_ns = 0;
  std::int64_t received_age_s = 0;  // how old it was on receipt, by the service's (or the sender's) own clock alone
  std::int64_t superseded = 0;      // older wishes for the key that this one overtook before they were done
  CommandState state = CommandState::kReceived;
  std::string reason;  // why it is refused, expired, failed, or not done yet
  friend bool operator==(const CommandRow&, const CommandRow&) = default;
};

struct CommandCounters {
  std::uint64_t received = 0, superseded = 0, writes = 0, reads = 0, verified = 0;
  std::uint64_t refused = 0, expired = 0, failed = 0, retries = 0, ignored_keys = 0;
};

class CommandBook {
 public:
  static constexpr int kMaxTries = 3;               // for a device that takes the write and shows another value
  static constexpr std::size_t kMaxRows = 64;       // keys of desired that are looked at; more are ignored and counted
  static constexpr std::size_t kMaxKeyBytes = 128;  // longer keys cannot be points
  static constexpr std::size_t kMaxRefused = 16;    // entries of reported.refused
  static constexpr std::size_t kMaxRefusedBytes = 2048;
  // After a restart an unfinished command of the cloud waits so long for the cloud's newest word, which may have moved
  // on meanwhile. Without a link it then goes on: the gateway works offline.
  static constexpr Duration kResumePatience = std::chrono::seconds(10);
  static constexpr Duration kStepTimeout = std::chrono::seconds(60);  // the bus answers long before; else try again

  struct Step {
    enum class Kind { kWrite, kRead } kind = Kind::kWrite;
    std::string key;
    Value value;               // of a write
    std::uint64_t ticket = 0;  // for the answer
  };

  // Begins with what was stored. `started`: now; what was received in another boot while the clock is not trusted
  // waits at most its ttl from here and then expires.
  CommandBook(const ThingSettings& thing, std::vector<CommandRow> rows, std::string boot_id, BootTime started);

  // The thing is configured otherwise. What was refused of a point that changed is judged again by the next OnDesired.
  void Follow(const ThingSettings& thing);
  // The whole of desired. Idempotent.
  struct Wishes {
    const Json& desired;
    const Json& times;       // key -> service time it was last wanted, seconds; missing: a local edit
    std::int64_t version;    // of the document
    std::int64_t service_s;  // the service's clock when it sent the document, seconds
    // key -> how many milliseconds old a local edit was when it came; missing: new
    std::map<std::string, std::int64_t> edit_ages_ms = {};
  };
  void OnDesired(const Wishes& wishes, Moment now);
  // The cloud's desired is known to be the newest: what was stored unfinished need not wait any longer.
  void Resume() { resumed_.clear(); }
  // What the device says and what the cloud shows: a verified command whose value stands in both is reported.
  void OnCloudShows(const Json& local, const Json& cloud);
  // A poll's values: a failed or expired command that the device shows after all is done.
  void OnReading(const Reading& reading);

  // What to do at the device now, or nothing.
  std::optional<Step> NextStep(Moment now, Random& random);
  // Whether the step is still wanted. To be asked right before it is done: committing takes time, and a value that was
  // overtaken meanwhile must not reach the device. If not, answer the step with an error.
  bool Wanted(std::uint64_t ticket) const;
  // When to ask again; nullopt: after the next input.
  std::optional<BootTime> Due() const;

  void OnWritten(std::uint64_t ticket, const Status& status, Moment now, Random& random);
  // The reading that a kRead step asked for, or why there is none.
  void OnRead(std::uint64_t ticket, const Result<Reading>& reading, Moment now, Random& random);

  // Values that commands made true, for reported: taken once.
  Json TakeReported();
  // reported.refused as it should be.
  Json Refused() const;
  // Refuses or clears a key that is handled elsewhere (sample_interval).
  void SetForeignRefusal(const std::string& key, std::optional<CommandRow> refusal);

  bool TakeDirty() { return std::exchange(dirty_, false); }
  void MarkDirty() { dirty_ = true; }
  const std::map<std::string, CommandRow>& rows() const { return rows_; }
  // How the commands for these values ended: nullopt while one of them is under way; kGiveUp with the reason for the
  // first that was refused, expired, failed, or gave way to another wish.
  std::optional<Status> EndOf(const Json& values) const;
  bool Idle() const;  // every command has come to its end
  const CommandCounters& counters() const { return counters_; }

 private:
  struct Try {  // what need not survive a restart
    int mismatches = 0;
    Backoff backoff{std::chrono::seconds(1), std::chrono::seconds(60)};
    BootTime after{};
  };
  enum class Freshness { kFresh, kExpired, kUnknown };

  void Receive(const std::string& key, const Json& value, std::int64_t desired_s, const Wishes& wishes, Moment now);
  Freshness FreshnessOf(const CommandRow& row, const PointSettings& point, Moment now) const;
  bool Waits(const std::string& key, BootTime now) const;
  std::optional<Step> StepFor(CommandRow& row, Moment now);
  Step Start(Step::Kind kind, const CommandRow& row, Value value, Moment now);
  void Supersede(const std::string& key);
  void CheckReadBack(CommandRow& row, const Value& written, const PointValue& read, Moment now, Random& random);
  void TryLater(CommandRow& row, const std::string& why, Moment now, Random& random);
  void Done(CommandRow& row, const Value& actual);
  void End(CommandRow& row, CommandState state, std::string reason);
  CommandRow* TakeRunning(std::uint64_t ticket, Step& step);

  ThingSettings thing_;
  std::map<std::string, CommandRow> rows_;
  std::map<std::string, Try> tries_;
  std::set<std::string> resumed_;  // keys of stored commands that wait for the cloud's word
  std::map<std::string, CommandRow> foreign_;
  std::string boot_id_;
  BootTime started_;
  Json reported_ = Json::object();
  std::optional<Step> running_;     // at the device
  bool running_overtaken_ = false;  // its command is not the newest any more
  BootTime running_deadline_{};
  std::uint64_t next_ticket_ = 1;
  bool dirty_ = false;
  CommandCounters counters_;
};

}  // namespace penumbra::shadow
