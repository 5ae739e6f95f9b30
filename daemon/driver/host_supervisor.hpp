// Keeps the driver host of one bus alive and carries its requests, one at a time. Loop thread.
//
//   starting -> opening -> running          Loaded, Opened
//   any of them -> backoff                  it died, hung, broke the protocol, or the device is not there
//   ... -> quarantined                      too many crashes without a good minute between: tried rarely
//   ... -> misconfigured                    only the operator can help: a driver that cannot load is tried rarely,
//                                           options that the driver refuses never
//
// It deliberately knows neither things nor schedules: bus_runner.hpp does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/host_launcher.hpp"
#include "driver/wire.hpp"
#include "event/backoff.hpp"
#include "event/loop.hpp"
#include "event/token_bucket.hpp"

namespace penumbra {

class HostSupervisor {
 public:
  // From the start of the process to Opened.
  static constexpr Duration kOpenTimeout = std::chrono::seconds(10);
  // What a driver may be late for its deadline before it counts as hung.
  static constexpr Duration kGrace = std::chrono::seconds(2);
  // How long after the deadline the call is cancelled: most drivers end it themselves and only just late.
  static constexpr Duration kCancelAfter = std::chrono::milliseconds(50);
  static constexpr Duration kBackoffBase = std::chrono::milliseconds(500);
  static constexpr Duration kBackoffMax = std::chrono::seconds(30);
  static constexpr Duration kBackoffFloor = std::chrono::milliseconds(100);
  static constexpr Duration kGoodAfter = std::chrono::seconds(60);
  static constexpr int kCrashesToQuarantine = 5;
  static constexpr Duration kQuarantine = std::chrono::minutes(5);
  // Between the end of the connection and the end of the process.
  static constexpr Duration kClosedGrace = std::chrono::seconds(1);

  enum class State { kStarting, kOpening, kRunning, kBackoff, kQuarantined, kMisconfigured };

  struct Handlers {
    std::function<void()> up;    // running: requests may come
    std::function<void()> down;  // not any more; after the request in flight has failed
    // The driver has learned something; empty `json`: it forgets. May be missing.
    std::function<void(const std::string& key, const std::string& json)> fact;
    // JSON text for the next open(); missing: HostSpec's.
    std::function<std::string()> configuration;
  };
  // An error (kBackOff) when the host went down meanwhile: its message is the cause. Answers with a status other than
  // kOk are answers.
  using ReadDone = std::function<void(Result<wire::ReadAnswer>)>;
  using WriteDone = std::function<void(Result<wire::WriteAnswer>)>;
  // What a question brought: the objects as JSON text, in the driver's order, and how it ended.
  struct AskReply {
    wire::AskAnswer end;
    std::vector<std::string> objects;
    bool too_many = false;  // objects beyond the bounds were dropped
  };
  using AskDone = std::function<void(Result<AskReply>)>;
  static constexpr std::size_t kMaxAskObjects = 20'000;
  static constexpr std::size_t kMaxAskBytes = 8 * 1024 * 1024;

  HostSupervisor(HostSpec spec, HostLauncher& launcher, EventLoop& loop, Random& random, Handlers handlers);

  // Once. `down` may come from within.
  void Start();

  // Ends the host in good order and starts a new one, with `driver` and what handlers.configuration says now; past
  // crashes are forgiven. Not while Busy(). Until the new one is up it is "starting"; `down` comes only if that fails.
  void Reopen(std::string driver);
  // For good: what is in flight fails with `cause`, the host ends in good order; then `ended`, later, once. No handler
  // is called any more.
  void Close(const Error& cause, std::function<void()> ended);

  bool Ready() const { return state_ == State::kRunning && !in_flight_; }
  bool Busy() const { return in_flight_.has_value(); }
  // The question in flight is to end now: it is answered soon, by the driver or by the deadline. Nothing when there is
  // none; reads and writes are left alone.
  void CancelAsk();
  // Only when Ready(); id and deadline are filled here. `done` comes exactly once, later, unless this is destroyed
  // before.
  void Read(wire::ReadRequest request, Duration timeout, ReadDone done);
  void Write(wire::WriteRequest request, Duration timeout, WriteDone done);
  void Ask(wire::AskRequest request, Duration timeout, AskDone done);

  // wire::kCan... of the running driver.
  std::uint64_t capabilities() const { return capabilities_; }
  // Of the confinement of the running host; empty: none, or it does not run.
  const std::string& shortcomings() const { return shortcomings_; }
  // Answers the request in flight with an error and lets go of it. For the end.
  void Abandon(const std::string& cause) { FailInFlight({Action::kBackOff, cause}); }

  State state() const { return state_; }
  std::string_view state_name() const;
  const std::string& reason() const { return reason_; }  // empty while it runs well
  // Without those that Reopen asked for.
  std::uint64_t restarts() const { return launches_ > 0 ? launches_ - 1 - reopens_ : 0; }
  std::uint64_t log_lines_dropped() const { return log_lines_dropped_; }
  int pid() const { return process_ ? process_->pid() : 0; }

 private:
  enum class Fault;
  struct Rule;
  static const Rule& RuleOf(Fault fault);

  struct InFlight {
    std::uint32_t id = 0;
    std::size_t points = 0;  // of a read
    ReadDone read_done;      // one of the three
    WriteDone write_done;
    AskDone ask_done;
    AskReply ask_reply;
    std::size_t ask_bytes = 0;
  };

  void Launch();
  void OnFrame(std::string_view frame);
  void OnClosed();
  void OnEnded(const std::string& how);
  void Handle(const wire::Loaded& message);
  void Handle(const wire::LoadFailed& message);
  void Handle(const wire::Opened& message);
  void Handle(wire::ReadAnswer& answer);
  void Handle(wire::WriteAnswer& answer);
  void Handle(const wire::LogLine& line);
  void Handle(wire::AskObject& object);
  void Handle(wire::AskAnswer& answer);
  void Handle(const wire::Fact& fact);
  void Handle(const wire::Ending& ending);
  void LogForDriver(std::uint8_t level, const std::string& text, std::uint64_t dropped);

  void Send(const wire::Request& request, Duration timeout, InFlight in_flight);
  void EndDeadline();
  void EndRun();
  void FailInFlight(const Error& cause);
  // The end of this run of the host, whatever the process does: kills it if it still runs, plans what comes next.
  void Down(Fault fault, std::string cause);
  void PlanRetry(const Rule& rule);
  void LogDown(const std::string& retry_in);
  void OnRetryDue();
  std::string Doing() const;
  void EndInGoodOrder();
  void JudgeEnd(const std::string& how);

  HostSpec spec_;
  HostLauncher& launcher_;
  EventLoop& loop_;
  Random& random_;
  Handlers handlers_;

  State state_ = State::kStarting;
  std::string reason_;
  std::string logged_;  // the state and reason last logged; empty after a run
  std::string version_;
  std::string shortcomings_;
  std::string shortcomings_logged_;
  std::uint64_t capabilities_ = 0;
  std::unique_ptr<HostProcess> process_;  // stays until it has ended, also when it is given up
  bool given_up_ = false;                 // the process is killed and its frames do not count any more
  bool retry_due_ = false;
  std::optional<InFlight> in_flight_;
  std::uint32_t next_id_ = 1;
  Backoff backoff_{kBackoffBase, kBackoffMax, kBackoffFloor};
  int crashes_ = 0;
  std::uint64_t launches_ = 0;
  std::uint64_t reopens_ = 0;  // of the launches
  bool reopening_ = false;     // the next launch is one of them
  std::function<void()> closed_for_good_;
  bool leaving_ = false;   // Close was called
  std::string ending_in_;  // what a driver that ran is doing since it was told to end: " in close"
  std::uint64_t log_lines_dropped_ = 0;
  // Log lines and facts. Well above the host's own limit for lines: only a forger, or a flood of facts, gets here.
  TokenBucket idle_frames_{50, 200};
  SubscriptionPtr deadline_, cancel_, retry_, good_, closed_, leave_;
};

}  // namespace penumbra
