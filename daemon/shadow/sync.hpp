// One shadow of one thing: what the device says, what the cloud is known to say, and what to send next so that both
// agree. State, not a queue of operations: a thousand offline reports are one difference. Pure state machine on the
// caller's time; no I/O, no timers. Loop thread.
//
// Contract with the caller, which owns storage and the connection: after every call that leaves TakeDirty() true, the
// row is committed before anything that Next() gave is published and before anybody is told that a report is safe.
// What is in flight is deliberately not stored: after a restart it is unknown whether it arrived, so the first thing
// that is sent is a GET, and what to send is computed again from the row.
//
// Deliberately not here: the rate of a whole thing (thing_shadows.hpp), commands to the device (commands.hpp).
// Source: device-shadow.md, section 10, by rule number in sync.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event/backoff.hpp"
#include "event/token_bucket.hpp"
#include "model/shadow_document.hpp"
#include "shadow/mirror.hpp"

namespace penumbra::shadow {

// What a report is worth: kPrompt goes as soon as the limits allow and is durable before the caller is answered.
// kMeasured is a value that the next poll brings again: it goes within value_spacing while the allowance of value_burst
// lasts, which grows by one each value_interval, and waits for a commit that comes anyway.
enum class Urgency { kPrompt, kMeasured };

enum class DeleteIntent { kNone = 0, kWanted = 1, kSent = 2 };

// Everything that survives a restart.
struct ShadowRow {
  std::string thing;
  std::string name;  // "" is the classic shadow
  Mirror mirror;
  Json reported_local = Json::object();   // what the device says; no empty objects
  Json reported_base = Json::object();    // everything we ever tried to push: what makes a key ours
  Json desired_pending = Json::object();  // patch made by local users and not yet in the cloud; {} is none
  Json desired_base = Json::object();     // mirror.desired() that the patch is meant against
  std::int64_t local_rev = 0;             // counts changes of reported_local
  std::int64_t pushed_rev = 0;            // local_rev of the newest report known to be in the cloud
  DeleteIntent delete_intent = DeleteIntent::kNone;
};

enum class OnCloudDelete {
  kRecreate,     // report everything again
  kStayDeleted,  // send nothing until somebody creates it
};

struct SyncOptions {
  Duration request_timeout = std::chrono::seconds(30);
  Duration gap_patience = std::chrono::seconds(2);       // for messages that overtook each other, before asking
  Duration min_push_interval = std::chrono::seconds(1);  // between reports of one shadow
  // Reports that carry nothing but measured values: in the long run one in this time,
  Duration value_interval = std::chrono::seconds(60);
  double value_burst = 10;                           // that many after a quiet time,
  Duration value_spacing = std::chrono::seconds(3);  // and never closer than this.
  Duration lazy_save = std::chrono::seconds(60);     // for what polls and the cloud would tell us again
  Duration backoff_base = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::seconds(60);
  Duration blocked_retry = std::chrono::hours(1);  // after an answer that says the request itself is wrong
  Duration resync = std::chrono::hours(1);         // a GET when nothing else brought news: a message may be lost
  OnCloudDelete on_cloud_delete = OnCloudDelete::kRecreate;
  std::size_t max_bytes = kMaxDocumentBytes;
  int max_depth = kMaxDepth;
};

struct SyncCounters {
  std::uint64_t gets = 0, reports = 0, desired_updates = 0, deletes = 0;
  std::uint64_t conflicts = 0, gaps = 0, timeouts = 0, rejected = 0, throttled = 0, malformed = 0, futile = 0;
};

class SyncedShadow {
 public:
  struct Request {
    std::string topic;
    std::string payload;
    std::string token;
  };

  // Begins with what was stored. `session` makes tokens unique among processes: short, [a-zA-Z0-9].
  SyncedShadow(ShadowRow row, const SyncOptions& options, std::string session);

  // The device says. `patch` merges into what it said before; null removes. Errors (kGiveUp, nothing changed): null in
  // an array, deeper than max_depth, or the document would be larger than the cloud takes.
  Status Report(const Json& patch, Urgency urgency = Urgency::kPrompt);
  // A local user wants. Merged with the cloud's desired when it can be: per leaf the cloud wins. Errors as above.
  Status EditDesired(const Json& patch);
  // Deletes the shadow, here and in the cloud. A report that comes before it was sent cancels it.
  void Delete();
  bool removed() const { return removed_; }  // the deletion is complete: forget the row

  // Asks at once, also in a session that the cloud has kept: of what waited there some may have been dropped.
  void OnOnline(BootTime now);
  void OnOffline();
  // `stub` is the topic behind the shadow's prefix, "update/accepted". Unknown ones are ignored. True: desired() may
  // have changed.
  bool OnMessage(std::string_view stub, std::string_view payload, BootTime now, Random& random);
  // The broker refused the publish of `token`, for good.
  void OnPublishRefused(std::string_view token, const std::string& why, BootTime now, Random& random);

  // What to publish now, or nothing. It counts as in flight from here on; at most one is.
  std::optional<Request> Next(BootTime now, Random& random);
  // Notices timeouts; nullopt: nothing to wait for. Otherwise when to call Next again at the latest.
  std::optional<BootTime> Tick(BootTime now, Random& random);

  // A GET was answered since the start: the mirror is not older than this process.
  bool heard() const { return last_pass_.has_value(); }
  bool in_flight() const { return in_flight_.has_value(); }
  bool Awaits(std::string_view token) const { return in_flight_ && in_flight_->token == token; }
  // The row has to be committed before anything else is done; or it is time for what could wait.
  bool TakeDirty(BootTime now);
  void MarkDirty() { dirty_ = true; }
  // When a row that could wait is to be committed.
  std::optional<BootTime> SaveDue() const;
  const ShadowRow& row() const { return row_; }
  // What is wanted of the device: the cloud's desired with local edits on top.
  Json desired() const;
  // Device and cloud agree as far as we know, and nothing is on its way.
  bool InStep() const;
  // Something is still to be told or learned, for people: measured values that only wait for their turn online do not
  // count, or it would hardly ever be false.
  bool Pending() const;
  // What the next report would send.
  Json ReportPatch() const;
  // Why the cloud does not take our report, our desired, or our question; empty: it does as far as we know.
  const std::string& blocked() const;
  const SyncCounters& counters() const { return counters_; }

 private:
  enum class Kind { kGet, kReport, kDesired, kDelete };
  struct InFlight {
    Kind kind;
    std::string token;
    BootTime deadline;
    std::int64_t rev = 0;     // local_rev that a report carries
    std::uint64_t taken = 0;  // how often the mirror had changed when it was sent
    Json patch;               // of a report
    bool repeated = false;    // the cloud took this very patch before
  };

  bool Mine(const Json& body, std::string_view operation) const;
  bool OnUpdateMessage(bool documents, const Json& body, BootTime now);
  bool OnGetAnswer(const Json& body, BootTime now, Random& random);
  bool OnDeleted(const Json& body, BootTime now);
  bool OnRejected(std::string_view operation, const Json& body, BootTime now, Random& random);
  bool OnGetRejected(int code, const std::string& message, BootTime now, Random& random);
  bool OnUpdateRejected(Kind kind, int code, const std::string& message, BootTime now, Random& random);
  void Confirmed(const InFlight& request, std::int64_t version, BootTime now);
  void NoteDesired();
  bool Learn(Verdict verdict, std::int64_t version, BootTime now);
  void WantGet();
  void NoteGap(std::int64_t version, BootTime now);
  void RebaseDesired();
  void CompleteDelete();
  void Failed(Kind kind, BootTime now, Random& random);
  void Block(const std::string& why, BootTime now, Random& random);
  void GetAnswered(BootTime now);
  BootTime Due() const;
  BootTime ReportAfter() const;
  bool Prompt() const;
  bool ShownByCloud(const Json& patch) const;
  void Own(const Json& patch);

  std::optional<Request> NextReport(BootTime now, Random& random);
  std::optional<Request> NextDesired(BootTime now);
  Request Send(Kind kind, const char* operation, Json body, BootTime now);
  Status CheckSize(const Json& reported, const Json& desired, std::size_t before) const;

  ShadowRow row_;
  SyncOptions options_;
  std::string prefix_;
  std::string session_;
  std::uint64_t next_token_ = 1;
  bool online_ = false;
  bool dirty_ = false;
  bool stale_ = false;  // the row on disk is old, but nothing is lost with it
  std::optional<BootTime> stale_since_;
  bool removed_ = false;
  std::optional<InFlight> in_flight_;

  bool need_get_ = true;
  bool get_again_ = false;  // wanted once more while one is in flight
  BootTime get_after_{};
  std::optional<BootTime> last_pass_;
  BootTime resync_at_{};
  std::uint64_t taken_ = 0;
  // What the device was told of, to see whether a message changes it.
  bool seen_exists_ = false;
  Json seen_desired_, seen_times_;

  std::int64_t await_version_ = 0;  // our accepted report: no next one before the mirror shows it
  std::int64_t gap_version_ = 0;    // somebody spoke of this version
  std::optional<BootTime> gap_deadline_;

  bool check_report_ = true;  // something changed since the last look for a difference
  BootTime report_after_{};
  BootTime desired_after_{};
  Json last_report_;     // the patch that was accepted last: the same again means that somebody undoes it
  bool undone_ = false;  // and so we wait longer each time
  BootTime last_push_{};
  TokenBucket value_allowance_;
  BootTime value_after_{};       // for reports that nobody waits for
  std::int64_t prompt_rev_ = 0;  // local_rev of the newest prompt report
  Backoff get_backoff_, report_backoff_, desired_backoff_;
  std::string blocked_why_;
  std::string desired_refused_, get_refused_;  // likewise, of what a local user wants and of the question
  std::int64_t blocked_rev_ = -1;
  BootTime blocked_until_{};
  SyncCounters counters_;
};

}  // namespace penumbra::shadow
