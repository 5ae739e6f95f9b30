// All shadows of one thing together with its commands: what readings become in `reported`, what `desired` becomes at
// the device, and what may be sent now within the thing's rate. Pure; every input is followed by Advance(), whose
// effects the caller carries out in their order: commit the rows, and only when that is durable publish and touch the
// device. Loop thread.
//
// Deliberately no I/O, no timers, no knowledge of SQLite, MQTT or buses: shadows.hpp ties those to it, and the
// property test runs it ten thousand times. Source: device-shadow.md, section 10; interfaces.md, "Shadows".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/token_bucket.hpp"
#include "model/report.hpp"
#include "shadow/commands.hpp"
#include "shadow/sync.hpp"

namespace penumbra::shadow {

// What the store keeps for one thing.
struct StoredThing {
  std::vector<ShadowRow> shadows;
  std::vector<CommandRow> commands;
};

// One transaction.
struct Batch {
  std::string thing;
  std::vector<ShadowRow> shadows;             // insert or replace
  std::vector<std::string> removed_shadows;   // by name
  std::vector<CommandRow> commands;           // insert or replace
  std::vector<std::string> removed_commands;  // by key
  bool empty() const {
    return shadows.empty() && removed_shadows.empty() && commands.empty() && removed_commands.empty();
  }
};

struct Publication {
  std::string shadow;  // name
  std::string topic;
  std::string payload;
  std::string token;
};

struct Effects {
  Batch commit;                           // first
  std::vector<Publication> publish;       // when that is durable
  std::optional<CommandBook::Step> step;  // likewise
  std::optional<Duration> interval;       // the sample interval changed to this
};

struct ThingOptions {
  SyncOptions sync;
  double request_rate = 10;  // shadow requests a second, half of the quota
  double request_burst = 5;
  int max_in_flight = 8;       // the quota is 10
  std::size_t max_named = 16;  // named shadows that the cloud can make us keep
  bool device = true;          // false: the gateway's own thing, whose desired is nobody's wish
};

class ThingShadows {
 public:
  // `session` makes tokens unique among processes; `seed` the jitter.
  ThingShadows(ThingSettings settings, StoredThing stored, const ThingOptions& options, const std::string& session,
               const std::string& boot_id, Moment now, std::uint64_t seed);

  // The filters of its topics: one per kind for all named shadows. No trailing '#': AWS may add topics.
  static std::vector<std::string> Filters(const std::string& thing);

  void OnOnline(Moment now);
  void OnOffline();
  // Topics that are not this thing's shadows, unknown stubs and foreign bytes are ignored or counted.
  void OnMessage(std::string_view topic, std::string_view payload, Moment now);
  void OnPublishRefused(const std::string& shadow, const std::string& token, const std::string& why, Moment now);

  // A poll's values, into `reported` as far as each point's report policy lets them.
  void OnReading(const Reading& reading);
  // "ok", "stale", "unreachable".
  void SetStatus(const std::string& status);
  // The thing is configured otherwise: points, their ranges and report policies. `sample_interval` is not looked at:
  // see SetBaseInterval.
  void Follow(const ThingSettings& settings);
  // The interval that holds while desired names none.
  void SetBaseInterval(Duration interval);
  Duration interval() const { return interval_; }
  // desired.sample_interval is valid and in force.
  bool interval_desired() const { return interval_desired_; }

  void OnWritten(std::uint64_t ticket, const Status& status, Moment now);
  void OnRead(std::uint64_t ticket, const Result<Reading>& reading, Moment now);

  // The local side. Errors as in SyncedShadow. `shadow` "" is the classic one; a named one is made when it is missing
  // (kGiveUp for a bad name or too many).
  Status Report(const std::string& shadow, const Json& patch, Urgency urgency = Urgency::kPrompt);
  // `age_ms`: how old the wish is already when it comes here; counts towards the ttl of what it sets.
  Status EditDesired(const std::string& shadow, const Json& patch, std::int64_t age_ms = 0);
  void Delete(const std::string& shadow);

  // What Advance gave did not become durable: everything is dirty again. The caller answers the step itself.
  void OnSaveFailed(const Effects& lost);
  // Asked right before a step is done at the device; see CommandBook::Wanted.
  bool StepWanted(std::uint64_t ticket) const { return book_.Wanted(ticket); }

  Effects Advance(Moment now);
  // When to call Advance next without another input.
  std::optional<BootTime> Due(Moment now);

  const SyncedShadow* Find(const std::string& shadow) const;
  std::vector<std::string> Names() const;
  const CommandBook& commands() const { return book_; }
  // Nothing to send, nothing on its way, every command at its end.
  bool Quiet() const;
  std::uint64_t reports_refused() const { return reports_refused_; }
  std::uint64_t ignored_messages() const { return ignored_messages_; }

 private:
  bool IsReported(const std::string& key) const;  // in the classic shadow, by us
  SyncedShadow& Classic() { return shadows_.at(""); }
  SyncedShadow* FindOrMake(const std::string& name);
  void ApplyDesired(Moment now);
  void ApplyInterval(const Json& desired);
  std::optional<std::int64_t> RefusedVersion(const std::string& key, const Json& value) const;
  void ReportCommands(Moment now);
  void CollectRequests(Moment now, std::vector<Publication>& out);
  void CollectRows(Moment now, Batch& batch);
  int InFlight() const;

  ThingSettings settings_;
  ThingOptions options_;
  std::string session_;
  std::map<std::string, SyncedShadow> shadows_;
  CommandBook book_;
  std::map<std::string, CommandRow> saved_commands_;
  std::map<std::string, ReportFilter> filters_;
  TokenBucket bucket_;
  Random random_;
  Duration base_interval_;
  Duration interval_;
  bool interval_desired_ = false;
  std::optional<Duration> announce_interval_;
  bool desired_changed_ = true;
  std::map<std::string, std::int64_t> edit_ages_ms_;  // of edits that ApplyDesired has not seen
  bool throttled_ = false;
  std::optional<BootTime> shadows_due_;
  std::uint64_t reports_refused_ = 0;
  std::uint64_t ignored_messages_ = 0;
};

}  // namespace penumbra::shadow
