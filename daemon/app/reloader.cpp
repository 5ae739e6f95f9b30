#include "app/reloader.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace penumbra {
namespace {

using Outcome = api::ReloadReport::Outcome;

Error Stopping() {
  return {Action::kRetry, "the daemon is stopping"};
}

// What is wrong now and was not before, in one line; empty: nothing.
std::string Worse(const Reloader::Ailments& before, const Reloader::Ailments& now) {
  std::string text;
  for (const auto& [what, how] : now) {
    if (before.count(what) == 0) text += (text.empty() ? "" : "; ") + what + ": " + how;
  }
  return text;
}

std::string FirstOf(const SettingsDiff& diff, Effect effect) {
  const auto found = std::find_if(diff.changes.begin(), diff.changes.end(),
                                  [effect](const SettingsChange& change) { return change.effect == effect; });
  return found == diff.changes.end() ? "" : ToString(*found);
}

}  // namespace

Reloader::Reloader(EventLoop& loop, const LoadedConfig& in_force, std::filesystem::path file, ConfigReader::Load load,
                   Hooks hooks)
    : loop_(loop),
      in_force_(in_force),
      file_(std::move(file)),
      hooks_(std::move(hooks)),
      reader_(loop, std::move(load)),
      seen_fingerprint_(in_force.fingerprint) {}

Reloader::~Reloader() {
  *alive_ = false;
}

void Reloader::Begin() {
  ready_ = true;
  Next();
}

void Reloader::Stop() {
  stopped_ = true;
  look_timer_.reset();
  for (const Job& job : std::exchange(waiting_, {})) {
    if (job.done) job.done(Fail(Stopping()));
  }
  if (const auto job = std::exchange(job_, std::nullopt); job && job->done) job->done(Fail(Stopping()));
}

void Reloader::OnSignal() {
  const auto waits = std::find_if(waiting_.begin(), waiting_.end(), [](const Job& job) { return job.signal; });
  if (waits == waiting_.end()) Enqueue({.signal = true});
}

void Reloader::Request(bool dry_run, Done done) {
  Enqueue({.dry_run = dry_run, .done = std::move(done)});
}

void Reloader::Try(Duration trial, Done done) {
  Enqueue({.trial = trial, .done = std::move(done)});
}

void Reloader::Enqueue(Job job) {
  if (stopped_) {
    if (job.done) job.done(Fail(Stopping()));
    return;
  }
  if (!job.signal && waiting_.size() >= kMaxWaiting) {
    return job.done(Fail(Action::kBackOff, "too many reloads are waiting already"));
  }
  waiting_.push_back(std::move(job));
  Next();
}

void Reloader::Next() {
  if (!ready_ || stopped_ || job_ || waiting_.empty()) return;
  job_ = std::move(waiting_.front());
  waiting_.pop_front();
  if (!job_->dry_run) hooks_.begun();
  reader_.Read(file_, [this](LoadedConfig wanted) {
    if (!stopped_) Judge(std::move(wanted));
  });
}

// All or nothing: what is wrong, or what only a restart can apply, leaves everything as it is.
void Reloader::Judge(LoadedConfig wanted) {
  api::ReloadReport report;
  report.file = file_.string();
  report.diagnostics = wanted.diagnostics;
  const auto error = std::find_if(wanted.diagnostics.begin(), wanted.diagnostics.end(),
                                  [](const Diagnostic& diagnostic) { return !diagnostic.warning; });
  if (error != wanted.diagnostics.end()) {
    report.outcome = Outcome::kWrong;
    report.reason = ToString(*error);
  } else {
    report.diff = Compare(in_force_.settings, wanted.settings);
    report.diff.Append(Compare(in_force_.duties, wanted.duties));
    if (report.diff.NeedsRestart()) {
      report.outcome = Outcome::kNeedsRestart;
      report.reason = "only a restart can apply " + FirstOf(report.diff, Effect::kRestart);
    } else if (job_->dry_run) {
      report.outcome = report.diff.empty() ? Outcome::kUnchanged : Outcome::kWouldApply;
    } else {
      report.outcome = report.diff.empty() ? Outcome::kUnchanged : Outcome::kApplied;
    }
  }
  if (!job_->dry_run) {
    refused_ = report.Refused() ? report.reason : "";
    (report.Refused() ? refused_fingerprint_ : seen_fingerprint_) = wanted.fingerprint;
  }
  if (report.Refused() || job_->dry_run) return Finish(report);
  Apply(std::move(wanted), std::move(report));
}

void Reloader::Apply(LoadedConfig wanted, api::ReloadReport report) {
  const bool trial = job_->trial && !report.diff.empty();
  if (trial) {
    fallback_ = in_force_;
    before_ = hooks_.look();
  }
  // Also when nothing differs: comments and origins of values may.
  hooks_.apply(std::move(wanted), [this, alive = alive_, trial, report = std::move(report)]() mutable {
    if (!*alive || stopped_) return;
    if (!trial) return Finish(report);
    Log(report);
    const BootTime now = loop_.Now();
    look_timer_ = loop_.After(kShortestTrial, [this, report = std::move(report), now] { Watch(report, now); });
  });
}

void Reloader::Watch(api::ReloadReport report, BootTime since) {
  report.reason = Worse(before_, hooks_.look());
  if (report.reason.empty()) return Finish(report);
  if (loop_.Now() - since >= *job_->trial) return RollBack(std::move(report));
  look_timer_ = loop_.After(kLook, [this, report = std::move(report), since] { Watch(report, since); });
}

void Reloader::RollBack(api::ReloadReport report) {
  report.outcome = Outcome::kRolledBack;
  refused_ = "it did harm and was taken back: " + report.reason;
  refused_fingerprint_ = seen_fingerprint_;
  hooks_.apply(std::exchange(fallback_, {}), [this, alive = alive_, report = std::move(report)] {
    if (*alive && !stopped_) Finish(report);
  });
}

void Reloader::Finish(const api::ReloadReport& report) {
  look_timer_.reset();
  fallback_ = {};
  const Job job = *std::exchange(job_, std::nullopt);
  if (!job.dry_run) {
    Log(report);
    hooks_.ended();
  }
  if (job.done) job.done(report);
  Next();
}

void Reloader::Log(const api::ReloadReport& report) const {
  switch (report.outcome) {
    case Outcome::kWrong:
      return log::Error("daemon.reload_refused", "the new configuration is wrong; the old one stays in force",
                        {{"first", report.reason}, {"all", "penumbra config check"}});
    case Outcome::kNeedsRestart:
      return log::Warning("daemon.reload_refused",
                          "only a restart can apply this; the old configuration stays in force",
                          {{"changes", report.diff.changes.size()}, {"first", FirstOf(report.diff, Effect::kRestart)}});
    case Outcome::kRolledBack:
      return log::Error("daemon.rolled_back", "the new configuration did harm; the old one is in force again",
                        {{"reason", report.reason}});
    case Outcome::kUnchanged:
    case Outcome::kApplied:
    case Outcome::kWouldApply:
      log::Notice("daemon.reloaded", "the new configuration is in force", {{"changes", report.diff.changes.size()}});
  }
}

api::ConfigState Reloader::State() const {
  api::ConfigState state;
  state.file = file_.string();
  const std::string now = ConfigFingerprint(file_);
  if (!refused_.empty() && now == refused_fingerprint_) {
    state.on_disk = "refused";
    state.reason = refused_;
  } else if (now != seen_fingerprint_) {
    state.on_disk = "differs";
    state.reason = "changed since it was read; `penumbra reload --dry-run` shows what a reload would do";
  }
  return state;
}

}  // namespace penumbra
