#include "driver/host_supervisor.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <limits>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "driver/spawn.hpp"

namespace penumbra {

enum class HostSupervisor::Fault {
  kCannotStart,  // the host program or the driver file is missing or wrong
  kNoResources,  // the system is out of processes, descriptors, memory
  kBadOptions,
  kNoDevice,
  kCrashed,  // died, hung, broke the protocol
};

// What follows from a fault.
struct HostSupervisor::Rule {
  Fault fault;
  State next;
  bool crash;  // counts towards the quarantine
  enum class Retry { kBackoff, kRarely, kNever } retry;
};

const HostSupervisor::Rule& HostSupervisor::RuleOf(Fault fault) {
  static constexpr std::array<Rule, 5> kRules{{
      {Fault::kCannotStart, State::kMisconfigured, false, Rule::Retry::kRarely},
      {Fault::kNoResources, State::kBackoff, false, Rule::Retry::kBackoff},
      {Fault::kBadOptions, State::kMisconfigured, false, Rule::Retry::kNever},
      {Fault::kNoDevice, State::kBackoff, false, Rule::Retry::kBackoff},
      {Fault::kCrashed, State::kBackoff, true, Rule::Retry::kBackoff},
  }};
  return *std::find_if(kRules.begin(), kRules.end(), [fault](const Rule& rule) { return rule.fault == fault; });
}

HostSupervisor::HostSupervisor(HostSpec spec, HostLauncher& launcher, EventLoop& loop, Random& random,
                               Handlers handlers)
    : spec_(std::move(spec)), launcher_(launcher), loop_(loop), random_(random), handlers_(std::move(handlers)) {}

void HostSupervisor::Start() {
  Launch();
}

std::string_view HostSupervisor::state_name() const {
  switch (state_) {
    case State::kStarting:
    case State::kOpening:
      return "starting";
    case State::kRunning:
      return "running";
    case State::kBackoff:
      return "backoff";
    case State::kQuarantined:
      return "quarantined";
    case State::kMisconfigured:
      return "misconfigured";
  }
  return "unknown";
}

void HostSupervisor::Launch() {
  state_ = State::kStarting;
  given_up_ = false;
  retry_due_ = false;
  ++launches_;
  if (std::exchange(reopening_, false)) ++reopens_;
  HostHandlers handlers;
  handlers.frame = [this](std::string_view frame) { OnFrame(frame); };
  handlers.broken = [this] { Down(Fault::kCrashed, "sent garbage"); };
  handlers.closed = [this] { OnClosed(); };
  handlers.ended = [this](const std::string& how) { OnEnded(how); };
  handlers.output = [this](const std::string& line, std::uint64_t dropped) { LogForDriver(5, line, dropped); };
  if (handlers_.configuration) spec_.configuration = handlers_.configuration();
  Result<std::unique_ptr<HostProcess>> process = launcher_.Launch(spec_, std::move(handlers));
  if (!process) {
    const bool config = process.error().action == Action::kFixConfig;
    return Down(config ? Fault::kCannotStart : Fault::kNoResources, process.error().message);
  }
  process_ = std::move(*process);
  deadline_ = loop_.After(
      kOpenTimeout, [this] { Down(Fault::kCrashed, "hung: open took longer than " + FormatDuration(kOpenTimeout)); });
}

// What the host was doing when it ended.
std::string HostSupervisor::Doing() const {
  if (state_ == State::kStarting) return " while it loaded the driver";
  if (state_ == State::kOpening) return " in open";
  if (!in_flight_) return " while idle";
  if (in_flight_->ask_done) return " while it answered a question";
  return in_flight_->read_done ? " in read" : " in write";
}

void HostSupervisor::OnFrame(std::string_view frame) {
  if (given_up_) return;
  std::optional<wire::FromHost> message = wire::DecodeFromHost(frame);
  if (!message) return Down(Fault::kCrashed, "sent garbage");
  std::visit([this](auto& m) { Handle(m); }, *message);
}

void HostSupervisor::Handle(const wire::Loaded& message) {
  if (state_ != State::kStarting) return Down(Fault::kCrashed, "sent garbage");
  version_ = message.version;
  capabilities_ = message.capabilities;
  state_ = State::kOpening;
}

void HostSupervisor::Handle(const wire::LoadFailed& message) {
  Down(Fault::kCannotStart, "cannot load the driver: " + message.error);
}

void HostSupervisor::Handle(const wire::Opened& message) {
  if (state_ != State::kOpening) return Down(Fault::kCrashed, "sent garbage");
  if (message.code != wire::Code::kOk) {
    const std::string cause = message.error.empty() ? std::string(wire::ToString(message.code)) : message.error;
    return Down(message.code == wire::Code::kBadOptions ? Fault::kBadOptions : Fault::kNoDevice, cause);
  }
  deadline_.reset();
  state_ = State::kRunning;
  reason_.clear();
  logged_.clear();
  good_ = loop_.After(kGoodAfter, [this] {
    crashes_ = 0;
    backoff_.Reset();
  });
  log::Info("bus.up", "bus runs",
            {{"bus", spec_.bus}, {"driver", spec_.driver}, {"version", version_}, {"pid", process_->pid()}});
  shortcomings_ = message.shortcomings;
  if (!shortcomings_.empty() && shortcomings_ != shortcomings_logged_) {
    log::Notice("bus.unconfined", shortcomings_, {{"bus", spec_.bus}, {"driver", spec_.driver}});
  }
  shortcomings_logged_ = shortcomings_;
  handlers_.up();
}

void HostSupervisor::Handle(const wire::Ending& ending) {
  if (state_ != State::kRunning && state_ != State::kOpening) return Down(Fault::kCrashed, "sent garbage");
  Down(ending.code == wire::Code::kNoDevice ? Fault::kNoDevice : Fault::kCrashed, ending.reason);
}

void HostSupervisor::Handle(wire::ReadAnswer& answer) {
  const bool expected = in_flight_ && in_flight_->read_done && in_flight_->id == answer.id &&
                        (answer.code != wire::Code::kOk || answer.values.size() == in_flight_->points);
  if (!expected) return Down(Fault::kCrashed, "sent garbage");
  EndDeadline();
  const ReadDone done = std::move(in_flight_->read_done);
  in_flight_.reset();
  done(std::move(answer));
}

void HostSupervisor::Handle(wire::WriteAnswer& answer) {
  const bool expected = in_flight_ && in_flight_->write_done && in_flight_->id == answer.id;
  if (!expected) return Down(Fault::kCrashed, "sent garbage");
  EndDeadline();
  const WriteDone done = std::move(in_flight_->write_done);
  in_flight_.reset();
  done(std::move(answer));
}

void HostSupervisor::Handle(wire::AskObject& object) {
  if (!in_flight_ || !in_flight_->ask_done || in_flight_->id != object.id) return Down(Fault::kCrashed, "sent garbage");
  AskReply& reply = in_flight_->ask_reply;
  in_flight_->ask_bytes += object.json.size();
  reply.too_many |= reply.objects.size() >= kMaxAskObjects || in_flight_->ask_bytes > kMaxAskBytes;
  if (!reply.too_many) reply.objects.push_back(std::move(object.json));
}

void HostSupervisor::Handle(wire::AskAnswer& answer) {
  if (!in_flight_ || !in_flight_->ask_done || in_flight_->id != answer.id) return Down(Fault::kCrashed, "sent garbage");
  EndDeadline();
  InFlight asked = std::move(*in_flight_);
  in_flight_.reset();
  asked.ask_reply.end = std::move(answer);
  asked.ask_done(std::move(asked.ask_reply));
}

void HostSupervisor::Handle(const wire::Fact& fact) {
  if (state_ == State::kStarting) return Down(Fault::kCrashed, "sent garbage");
  if (!idle_frames_.TryTake(loop_.Now())) return Down(Fault::kCrashed, "flooded the daemon with facts");
  if (handlers_.fact) handlers_.fact(fact.key, fact.json);
}

void HostSupervisor::Handle(const wire::LogLine& line) {
  if (!idle_frames_.TryTake(loop_.Now())) return Down(Fault::kCrashed, "flooded the daemon");
  LogForDriver(line.level, line.text, line.dropped);
}

void HostSupervisor::LogForDriver(std::uint8_t level, const std::string& text, std::uint64_t dropped) {
  // A host's number is a foreign number: the sum must not wrap.
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  log_lines_dropped_ = dropped > kMost - log_lines_dropped_ ? kMost : log_lines_dropped_ + dropped;
  if (dropped > 0) {
    log::Warning("driver.log_dropped", "the driver logs too much; lines were dropped",
                 {{"bus", spec_.bus}, {"driver", spec_.driver}, {"lines", dropped}});
  }
  if (text.empty()) return;
  const auto clamped = static_cast<log::Level>(std::clamp<int>(level, 3, 7));
  if (log::Enabled(clamped)) {
    log::Write(clamped, "driver.log", text, {{"bus", spec_.bus}, {"driver", spec_.driver}});
  }
}

void HostSupervisor::Read(wire::ReadRequest request, Duration timeout, ReadDone done) {
  InFlight in_flight;
  in_flight.id = request.id = next_id_++;
  in_flight.points = request.points.size();
  in_flight.read_done = std::move(done);
  request.deadline_ns = (loop_.Now() + timeout).ns;
  Send(request, timeout, std::move(in_flight));
}

void HostSupervisor::Write(wire::WriteRequest request, Duration timeout, WriteDone done) {
  InFlight in_flight;
  in_flight.id = request.id = next_id_++;
  in_flight.write_done = std::move(done);
  request.deadline_ns = (loop_.Now() + timeout).ns;
  Send(request, timeout, std::move(in_flight));
}

void HostSupervisor::Ask(wire::AskRequest request, Duration timeout, AskDone done) {
  InFlight in_flight;
  in_flight.id = request.id = next_id_++;
  in_flight.ask_done = std::move(done);
  request.deadline_ns = (loop_.Now() + timeout).ns;
  Send(request, timeout, std::move(in_flight));
}

void HostSupervisor::EndDeadline() {
  deadline_.reset();
  cancel_.reset();
}

void HostSupervisor::Send(const wire::Request& request, Duration timeout, InFlight in_flight) {
  in_flight_ = std::move(in_flight);
  if (!process_->Send(wire::Encode(request))) {
    // Its end is on the way and names the cause better; the deadline stands for when it is not.
    deadline_ = loop_.After(kClosedGrace, [this] { Down(Fault::kCrashed, "does not take requests"); });
    return;
  }
  cancel_ = loop_.After(timeout + kCancelAfter, [this] { process_->Cancel(); });
  deadline_ = loop_.After(timeout + kGrace, [this] {
    Down(Fault::kCrashed, "hung" + Doing() + ": no answer " + FormatDuration(kGrace) + " past its deadline");
  });
}

void HostSupervisor::OnClosed() {
  if (given_up_) return;
  closed_ = loop_.After(kClosedGrace, [this] { Down(Fault::kCrashed, "closed its connection"); });
}

namespace {

// What an operator needs to look for beside the bare signal. Only of an end that the gateway did not ask for.
std::string Hint(const std::string& how) {
  return how == DescribeExit(SIGKILL) ? ": out of memory (journalctl -k), or by hand" : "";
}

}  // namespace

void HostSupervisor::OnEnded(const std::string& how) {
  const std::unique_ptr<HostProcess> ended = std::move(process_);
  JudgeEnd(how);
  if (leaving_) {
    if (const auto left = std::exchange(closed_for_good_, {})) left();
    return;
  }
  if (!given_up_) return Down(Fault::kCrashed, how + Doing() + Hint(how));
  if (retry_due_) Launch();
}

// The host closes its bus and exits; OnEnded follows.
void HostSupervisor::EndInGoodOrder() {
  if (state_ == State::kRunning) ending_in_ = in_flight_ ? Doing() : " in close";
  process_->Close();
}

// A driver that falls on its way out harms nobody any more: the operator reads it, and nothing else follows. One that
// was in the middle of a call and did not end at once has done nothing wrong.
void HostSupervisor::JudgeEnd(const std::string& how) {
  const std::string in = std::exchange(ending_in_, {});
  if (in.empty() || how == DescribeExit(0)) return;
  if (how == kHungAtTheEnd && in != " in close") return;
  reason_ = how + in;
  log::Warning("driver.bad_end", reason_, {{"bus", spec_.bus}, {"driver", spec_.driver}});
}

void HostSupervisor::FailInFlight(const Error& cause) {
  if (!in_flight_) return;
  const InFlight failed = std::move(*in_flight_);
  in_flight_.reset();
  if (failed.read_done) failed.read_done(Fail(cause));
  if (failed.write_done) failed.write_done(Fail(cause));
  if (failed.ask_done) failed.ask_done(Fail(cause));
}

void HostSupervisor::Reopen(std::string driver) {
  spec_.driver = std::move(driver);
  if (launches_ == 0) return;  // Start is still to come
  crashes_ = 0;
  backoff_.Reset();
  reopening_ = true;
  EndRun();
  if (!process_) return Launch();
  EndInGoodOrder();
  state_ = State::kStarting;
  reason_.clear();
  logged_.clear();
  retry_due_ = true;  // OnEnded launches
  // Whatever keeps it from ending, the bus must not wait in silence.
  deadline_ = loop_.After(kOpenTimeout, [this] { Down(Fault::kCrashed, "does not end"); });
}

void HostSupervisor::Close(const Error& cause, std::function<void()> ended) {
  leaving_ = true;
  closed_for_good_ = std::move(ended);
  EndRun();
  retry_due_ = false;
  if (process_) {
    EndInGoodOrder();
  } else {
    leave_ = loop_.After(Duration::zero(), [this] { std::exchange(closed_for_good_, {})(); });
  }
  FailInFlight(cause);
}

void HostSupervisor::CancelAsk() {
  if (!in_flight_ || !in_flight_->ask_done || !process_) return;
  process_->Cancel();
  deadline_ =
      loop_.After(kGrace, [this] { Down(Fault::kCrashed, "hung" + Doing() + ": does not let itself be cancelled"); });
}

// This run of the host does not count any more; the process may still be there.
void HostSupervisor::EndRun() {
  given_up_ = true;
  EndDeadline();
  retry_.reset();
  good_.reset();
  closed_.reset();
  shortcomings_.clear();
}

void HostSupervisor::Down(Fault fault, std::string cause) {
  EndRun();
  retry_due_ = false;
  if (process_) process_->Kill();
  reason_ = std::move(cause);
  PlanRetry(RuleOf(fault));
  FailInFlight({Action::kBackOff, reason_});
  handlers_.down();
}

void HostSupervisor::PlanRetry(const Rule& rule) {
  state_ = rule.next;
  if (rule.crash && ++crashes_ >= kCrashesToQuarantine) state_ = State::kQuarantined;
  Duration wait = kQuarantine;
  if (state_ == State::kBackoff) wait = backoff_.Next(random_);
  if (rule.retry == Rule::Retry::kNever) return LogDown("never: change the configuration");
  LogDown(FormatDuration(std::chrono::duration_cast<std::chrono::milliseconds>(wait)));
  retry_ = loop_.After(wait, [this] { OnRetryDue(); });
}

void HostSupervisor::LogDown(const std::string& retry_in) {
  const std::string now = std::string(state_name()) + reason_;
  if (now == logged_) return;  // the same trouble at the next attempt is no news
  logged_ = now;
  log::Warning("bus.down", reason_,
               {{"bus", spec_.bus}, {"driver", spec_.driver}, {"state", state_name()}, {"retry_in", retry_in}});
}

void HostSupervisor::OnRetryDue() {
  retry_due_ = true;
  if (!process_) return Launch();
  // SIGKILL does not end a process that waits in the kernel for a device. A second one would only get stuck as well.
  reason_ = "the driver process is stuck in the kernel and cannot be killed (" + reason_ + ")";
  LogDown("when it ends");
}

}  // namespace penumbra
