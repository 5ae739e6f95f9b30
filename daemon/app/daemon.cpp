// Order of making: lock, store, uplink, buses, shadows, orders, API; order of starting: buses, shadows and orders
// (which read what is stored), and only then the uplink, so that nothing is asked before it is known what was done;
// order of taking down: buses (nothing new), uplink (says goodbye), store (commits what is left), API. Loop thread,
// except the set-up before Run.
#include "app/daemon.hpp"

#include <fmt/format.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "api/server.hpp"
#include "app/bus_fact_store.hpp"
#include "app/driver_knowledge.hpp"
#include "app/health.hpp"
#include "app/instance_lock.hpp"
#include "app/options.hpp"
#include "app/order_desk.hpp"
#include "app/reloader.hpp"
#include "app/service_manager.hpp"
#include "app/view.hpp"
#include "app/watchdog.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "event/asio_loop.hpp"
#include "identity/keeper.hpp"
#include "mqtt/paho_transport.hpp"
#include "mqtt/work_thread.hpp"
#include "orders/orders.hpp"
#include "shadow/shadows.hpp"
#include "store/time_keeper.hpp"
#include "store/units.hpp"

namespace penumbra {
namespace {

using namespace std::chrono_literals;

// A stop must be over before systemd loses patience; what is not closed by then is closed by our death.
constexpr Duration kUplinkGoodbye = 2s;
constexpr Duration kFinalCommit = 2s;
constexpr Duration kHealthInterval = 5s;
// A handler that runs longer than this is a fault of ours, worth a line.
constexpr Duration kSlowHandler = 250ms;
// Of the credentials' thread: it is given one at a time by an enrolment, and one by the look around.
constexpr std::size_t kMaxCredentialWorks = 16;

// SIGTERM, SIGINT and SIGHUP as a readable descriptor. Blocked before any thread starts, so that no other thread gets
// them.
UniqueFd SignalDescriptor() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// For the status line: nothing while the file on disk is the one in force.
std::string ConfigText(const api::ConfigState& config) {
  if (config.on_disk == "in_force") return "";
  return config.on_disk == "refused" ? "; configuration on disk refused: " + config.reason
                                     : std::string("; configuration on disk differs");
}

// The machine's clock, in a boot of the test's choice.
class DaemonClock : public SystemClock {
 public:
  explicit DaemonClock(std::string boot_id) : boot_id_(std::move(boot_id)) {}
  const std::string& BootId() const override { return boot_id_.empty() ? SystemClock::BootId() : boot_id_; }

 private:
  const std::string boot_id_;
};

class Daemon {
 public:
  Daemon(const LoadedConfig& loaded, std::filesystem::path config_file, const DaemonSeams& seams)
      : loaded_(loaded),
        seams_(seams),
        settings_(loaded_.settings),
        signals_(SignalDescriptor()),
        clock_(seams.boot_id),
        loop_(clock_),
        reloader_(
            loop_, loaded_, std::move(config_file),
            [](const std::filesystem::path& file) { return LoadConfig(file, AskDrivers()); }, ReloadHooks()) {}

  Status SetUp();
  void Run();

 private:
  shadow::Shadows::Options ShadowOptions() const;
  void MakeKeeper();
  void OnReading(Reading reading);
  void OnSignal();
  Reloader::Hooks ReloadHooks();
  void Apply(LoadedConfig wanted, std::function<void()> applied);
  Reloader::Ailments Look() const;
  void SetUpDuties();
  std::vector<ThingSettings> ThingsWithGateway() const;
  std::vector<std::string> SessionNames() const;
  void StartUplink();
  // `done`: the configuration on disk is in force, or why the old one stays.
  void Reload(std::function<void(Status)> done);
  void BeginStop(std::string_view why);
  void FinishStop();
  void CheckHealth();
  void StartWatchdog();
  std::string StatusLine() const;

  LoadedConfig loaded_;  // in force; a reload replaces it
  const DaemonSeams& seams_;
  const Settings& settings_;
  UniqueFd signals_;
  DaemonClock clock_;
  AsioLoop loop_;
  Reloader reloader_;
  UniqueFd lock_;
  std::unique_ptr<Store> store_;
  std::optional<TimeKeeper> time_;
  std::unique_ptr<mqtt::PahoTransport> transport_;
  std::unique_ptr<shadow::ShadowStore> shadow_store_;
  std::unique_ptr<shadow::Shadows> shadows_;  // a client of the uplink, so it goes after it
  std::unique_ptr<orders::OrderStore> order_store_;
  std::unique_ptr<OrderDesk> desk_;
  std::unique_ptr<orders::Orders> orders_;  // likewise
  std::unique_ptr<Health> health_;          // likewise
  std::unique_ptr<Uplink> uplink_;
  std::unique_ptr<BusManager> buses_;
  std::unique_ptr<identity::CertificateKeeper> keeper_;
  std::unique_ptr<mqtt::WorkThread> credential_thread_;  // comes to rest before the keeper goes
  std::unique_ptr<View> view_;
  std::unique_ptr<api::ApiServer> api_;
  SubscriptionPtr signal_watch_, health_timer_, stop_timer_;
  std::unique_ptr<Watchdog> watchdog_;
  bool stopping_ = false;
};

Status Daemon::SetUp() {
  if (auto made = EnsureDirectory(settings_.paths.state, "state"); !made) return made;
  if (auto made = EnsureDirectory(settings_.paths.run, "run"); !made) return made;
  auto lock = LockStateDirectory(settings_.paths.state);
  if (!lock) return Fail(lock.error());
  lock_ = std::move(*lock);

  auto store = Store::Open({settings_.paths.state / "penumbra.db", settings_.store}, loop_);
  if (!store) return Fail(store.error().WithContext("store"));
  store_ = std::move(*store);
  time_.emplace(loop_, settings_.clock, *store_);
  RememberUnits(*store_, settings_.things);

  transport_ = mqtt::PahoTransport::Create(loop_);
  uplink_ = Uplink::Create({settings_.upstream, settings_.clock, settings_.paths.state}, loop_, *transport_, *store_,
                           time_->trust());
  store_->OnCommitted([this](const std::vector<Reading>& readings) { uplink_->OnCommitted(readings); });
  buses_ = BusManager::Create({settings_.paths, FactsIn(*store_), settings_.paths.state / "recorder"}, loop_,
                              time_->trust(), [this](Reading reading) { OnReading(std::move(reading)); });
  shadow_store_ = shadow::MakeSqliteShadowStore(*store_);
  shadows_ = std::make_unique<shadow::Shadows>(ShadowOptions(), loop_, time_->trust(), *shadow_store_, *buses_);
  uplink_->Attach(*shadows_);
  SetUpDuties();
  MakeKeeper();
  view_ = std::make_unique<View>(loaded_, reloader_, loop_, time_->trust(), *store_, *buses_, *uplink_, *shadows_,
                                 *keeper_);
  view_->Serve(*orders_, *health_);
  auto api = api::ApiServer::Create(loop_, settings_.paths.run / "api.sock", *view_);
  if (!api) return Fail(api.error().WithContext("local API"));
  api_ = std::move(*api);
  return {};
}

shadow::Shadows::Options Daemon::ShadowOptions() const {
  std::random_device random;
  shadow::Shadows::Options options;
  options.session = fmt::format("{:08x}{:08x}", random(), random());
  options.gateway = settings_.gateway.thing;
  options.seed = random();
  options.at_moment = seams_.moment;
  return options;
}

// What is done for the cloud beside readings and shadows.
void Daemon::SetUpDuties() {
  desk_ = std::make_unique<OrderDesk>(
      OrderDesk::World{loop_, settings_, loaded_.duties, *store_, buses_.get(), *shadows_,
                       [this](std::function<void(Status)> done) { Reload(std::move(done)); },
                       seams_.config_patience.value_or(ConfigUpdate::kHealthPatience), seams_.moment});
  std::random_device random;
  orders::Orders::Options options;
  options.session = fmt::format("{:08x}{:08x}", random(), random());
  options.seed = random();
  options.book.ttl = loaded_.duties.orders.ttl;
  options.at_moment = seams_.moment;
  order_store_ = orders::MakeSqliteOrderStore(*store_);
  orders_ = std::make_unique<orders::Orders>(std::move(options), loop_, time_->trust(), *order_store_, *desk_);
  uplink_->Attach(*orders_);
  health_ =
      std::make_unique<Health>(Health::World{loop_, time_->trust(), settings_, loaded_.duties, *store_, buses_.get(),
                                             *shadows_, *orders_, *uplink_, settings_.gateway.thing});
  uplink_->Attach(*health_);
}

// The things that have sessions: the devices', and the gateway's own, which has no bus.
std::vector<ThingSettings> Daemon::ThingsWithGateway() const {
  std::vector<ThingSettings> things = settings_.things;
  if (settings_.gateway.thing.empty()) return things;
  ThingSettings own;
  own.name = settings_.gateway.thing;
  things.push_back(std::move(own));
  return things;
}

std::vector<std::string> Daemon::SessionNames() const {
  std::vector<std::string> names;
  for (const ThingSettings& thing : ThingsWithGateway()) names.push_back(thing.name);
  return names;
}

// Shadows and orders know what was done before this start: whatever the cloud asks now is heard.
void Daemon::StartUplink() {
  if (stopping_) return;
  uplink_->Start(settings_.gateway, settings_.things);
  health_->Start();
  reloader_.Begin();
  keeper_->Start();
}

void Daemon::MakeKeeper() {
  credential_thread_ = std::make_unique<mqtt::WorkThread>("credentials", kMaxCredentialWorks);
  const auto worker = [this](std::function<void()> work, std::function<void()> then) {
    credential_thread_->PostAlways([this, work = std::move(work), then = std::move(then)] {
      work();
      loop_.Post(then);
    });
  };
  identity::CertificateKeeper::Options options{settings_.upstream, settings_.credentials,
                                               identity::MakePlans(settings_, {})};
  if (seams_.moment) options.moment = seams_.moment;
  keeper_ = std::make_unique<identity::CertificateKeeper>(std::move(options), loop_, *transport_, *uplink_,
                                                          time_->trust(), worker);
  keeper_->Recover();
}

void Daemon::OnReading(Reading reading) {
  shadows_->OnReading(reading);
  store_->Append(std::move(reading));
}

void Daemon::Run() {
  signal_watch_ = loop_.WhenReadable(signals_.get(), [this] { OnSignal(); });
  buses_->Start(settings_.buses, settings_.things);
  shadows_->Start(ThingsWithGateway(), [this] { orders_->Start(SessionNames(), [this] { StartUplink(); }); });
  CheckHealth();
  StartWatchdog();
  service_manager::Ready();
  log::Notice("daemon.started", "running",
              {{"version", kVersion}, {"buses", settings_.buses.size()}, {"things", settings_.things.size()}});
  loop_.Run();
}

void Daemon::OnSignal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      reloader_.OnSignal();
      continue;
    }
    BeginStop(info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
  }
}

Reloader::Hooks Daemon::ReloadHooks() {
  Reloader::Hooks hooks;
  hooks.apply = [this](LoadedConfig wanted, std::function<void()> applied) {
    Apply(std::move(wanted), std::move(applied));
  };
  hooks.begun = service_manager::Reloading;
  hooks.ended = [this] {
    service_manager::Status(StatusLine());
    service_manager::Ready();
  };
  hooks.look = [this] { return Look(); };
  return hooks;
}

// Buses first: from here on they say what the new configuration asks for. Then shadows and orders, which must know
// what was done with a wish or an order before its session, which comes last, brings it again.
void Daemon::Apply(LoadedConfig wanted, std::function<void()> applied) {
  loaded_ = std::move(wanted);
  RememberUnits(*store_, settings_.things);
  buses_->Reconfigure(settings_.buses, settings_.things);
  shadows_->Reconfigure(ThingsWithGateway(), [this, applied = std::move(applied)] {
    if (stopping_) return;
    orders_->Reconfigure(SessionNames(), [this, applied] {
      if (stopping_) return;
      uplink_->Reconfigure(settings_.upstream, settings_.things);
      keeper_->Reconfigure(settings_.upstream, settings_.credentials, identity::MakePlans(settings_, {}));
      applied();
    });
  });
}

// What a new configuration may have done harm to.
Reloader::Ailments Daemon::Look() const {
  Reloader::Ailments found;
  for (const BusStatus& bus : buses_->Buses()) {
    if (bus.state != "running") found["bus " + bus.bus] = bus.state + (bus.reason.empty() ? "" : ": " + bus.reason);
  }
  for (const ThingSettings& thing : settings_.things) {
    const auto status = buses_->Thing(thing.name);
    if (!status || status->state == "ok") continue;
    found["thing " + thing.name] = status->state + (status->reason.empty() ? "" : ": " + status->reason);
  }
  if (settings_.upstream.endpoint.empty()) return found;
  for (const LinkStatus& link : uplink_->Links()) {
    if (link.link == "online" || link.leaving) continue;
    found["session " + link.thing] = link.link + (link.last_error.empty() ? "" : ": " + link.last_error);
  }
  return found;
}

void Daemon::Reload(std::function<void(Status)> done) {
  reloader_.Request(false, [done = std::move(done)](const Result<api::ReloadReport>& report) {
    if (!report) return done(Fail(report.error()));
    done(report->Refused() ? Status(Fail(Action::kGiveUp, report->reason)) : Status{});
  });
}

void Daemon::BeginStop(std::string_view why) {
  if (stopping_) return;
  stopping_ = true;
  log::Notice("daemon.stopping", "stopping", {{"why", why}});
  service_manager::Stopping();
  view_->KeeperGone();
  credential_thread_->Finish();
  keeper_.reset();
  reloader_.Stop();
  orders_->Stop();
  desk_->BusesGone();
  health_->BusesGone();
  buses_->Stop();
  view_->BusesGone();
  shadows_->BusesGone();
  buses_.reset();
  stop_timer_ = loop_.After(kUplinkGoodbye, [this] { FinishStop(); });
  uplink_->Shutdown([this] { FinishStop(); });
}

void Daemon::FinishStop() {
  stop_timer_ = loop_.After(kFinalCommit, [this] {
    log::Error("daemon.commit_late", "the last commit did not finish in time");
    loop_.Stop();
  });
  store_->Flush([this](const Status& status) {
    if (!status) log::Error("daemon.commit_failed", status.error().message);
    loop_.Stop();
  });
}

void Daemon::CheckHealth() {
  if (const Duration longest = loop_.TakeLongestHandler(); longest > kSlowHandler) {
    log::Warning("loop.slow", "a handler kept the event loop busy", {{"ms", longest / 1ms}});
  }
  service_manager::Status(StatusLine());
  health_timer_ = loop_.After(kHealthInterval, [this] { CheckHealth(); });
}

void Daemon::StartWatchdog() {
  const auto interval = service_manager::WatchdogInterval();
  if (!interval) return;
  // A read that the store thread answers between commits, in trouble too. Refused for a full queue it proves nothing.
  const auto ask_store = [this](const std::function<void()>& answer) {
    store_->Query({.limit = 1}, [this, answer](const Result<std::vector<StoredReading>>& rows) {
      if (rows || !store_->Stats().trouble.empty()) answer();
    });
  };
  const auto ask_mqtt = [this](std::function<void()> answer) { transport_->Probe(std::move(answer)); };
  watchdog_ = std::make_unique<Watchdog>(loop_, *interval,
                                         std::vector<Watchdog::Member>{{"store", ask_store}, {"mqtt", ask_mqtt}},
                                         service_manager::WatchdogPing);
}

std::string Daemon::StatusLine() const {
  if (!buses_) return "stopping";
  std::size_t running = 0;
  const auto buses = buses_->Buses();
  for (const BusStatus& bus : buses) running += bus.state == "running" ? 1 : 0;
  std::size_t online = 0;
  const auto links = uplink_->Links();
  for (const LinkStatus& link : links) online += link.link == "online" ? 1 : 0;
  std::uint64_t backlog = 0;
  for (const ThingSettings& thing : settings_.things) backlog += store_->Outbox(thing.name).unsent;
  const api::ConfigState config = reloader_.State();
  return fmt::format("{}/{} buses running, {}/{} things online, {} readings wait for the cloud{}", running,
                     buses.size(), online, links.size(), backlog, ConfigText(config));
}

}  // namespace

int RunDaemon(const LoadedConfig& loaded, const std::filesystem::path& config_file, const DaemonSeams& seams) {
  Daemon daemon(loaded, config_file, seams);
  if (const Status ready = daemon.SetUp(); !ready) {
    log::Error("daemon.cannot_start", ready.error().message);
    return ready.error().action == Action::kFixConfig ? kExitConfig : kExitFailed;
  }
  daemon.Run();
  log::Notice("daemon.stopped", "stopped");
  return kExitOk;
}

}  // namespace penumbra
