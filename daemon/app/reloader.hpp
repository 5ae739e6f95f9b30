// Another configuration for a running daemon: reads it on a thread of its own, compares it with what is in force, and
// has the difference applied, or refuses the file as a whole. One after another, whoever asks: SIGHUP, the local API,
// the same on trial, so that it goes back by itself when it does harm (Try). Loop thread.
// Deliberately not here: how a difference is applied to the modules (daemon.cpp), how files are read (config_reader).
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/gateway_view.hpp"
#include "api/reload_report.hpp"
#include "app/config_reader.hpp"
#include "config/config.hpp"
#include "event/loop.hpp"

namespace penumbra {

class Reloader {
 public:
  // Beyond SIGHUP, which waits at most once: a signal says only that the file is to be looked at again.
  static constexpr std::size_t kMaxWaiting = 8;
  // Try: how often the gateway is looked at, and for how long at least.
  static constexpr Duration kLook = std::chrono::seconds(1);
  static constexpr Duration kShortestTrial = std::chrono::seconds(5);

  // What is wrong with the gateway now, by what it is wrong with: {"bus hall-a": "backoff: no such device"}.
  using Ailments = std::map<std::string, std::string>;
  struct Hooks {
    // Makes `wanted` the configuration in force; the difference has been judged. `applied` once, later or at once.
    std::function<void(LoadedConfig wanted, std::function<void()> applied)> apply;
    std::function<void()> begun, ended;  // around everything that is not a dry run; for the service manager
    std::function<Ailments()> look;      // for Try
  };
  using Done = std::function<void(Result<api::ReloadReport>)>;

  // `in_force` is the daemon's, which `apply` replaces; it and `loop` outlive this. `file` is the daemon's own.
  Reloader(EventLoop& loop, const LoadedConfig& in_force, std::filesystem::path file, ConfigReader::Load load,
           Hooks hooks);
  // What waits is not answered any more.
  ~Reloader();

  // The daemon is up: what was asked before is done from here on.
  void Begin();
  // The daemon stops: what waits and what comes is answered with kRetry, nothing is applied any more.
  void Stop();

  // SIGHUP.
  void OnSignal();
  // The daemon's own file, asked by somebody who waits for the answer. Error kBackOff: too many wait.
  void Request(bool dry_run, Done done);

  // Like Request, for whoever may lose the way back by a wrong setting: applies the file and looks at the gateway until
  // it is at least as well as it was before, at most for `trial`. Then it stays (kApplied); else what was in force is
  // put back (kRolledBack, with what was wrong) and the file counts as refused until it is changed. kWrong and
  // kNeedsRestart as for a reload: nothing was done. No other request is served meanwhile.
  void Try(Duration trial, Done done);

  // How the file on disk relates to what is in force, for status. Cheap: it looks at times and sizes, not into files.
  api::ConfigState State() const;

 private:
  struct Job {
    bool dry_run = false;
    bool signal = false;
    std::optional<Duration> trial;
    Done done;
  };

  void Enqueue(Job job);
  void Next();
  void Judge(LoadedConfig wanted);
  void Apply(LoadedConfig wanted, api::ReloadReport report);
  void Watch(api::ReloadReport report, BootTime since);
  void RollBack(api::ReloadReport report);
  void Finish(const api::ReloadReport& report);
  void Log(const api::ReloadReport& report) const;

  EventLoop& loop_;
  const LoadedConfig& in_force_;
  const std::filesystem::path file_;
  const Hooks hooks_;
  ConfigReader reader_;
  std::deque<Job> waiting_;
  std::optional<Job> job_;  // under way
  bool ready_ = false;
  bool stopped_ = false;
  std::string refused_;              // why the daemon's own file was refused when it was read last; empty: it was not
  std::string refused_fingerprint_;  // of the file then
  std::string seen_fingerprint_;     // of the daemon's own file when it was last in force
  // Of a trial.
  Ailments before_;
  LoadedConfig fallback_;
  SubscriptionPtr look_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penumbra
