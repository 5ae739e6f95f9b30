// What the local API sees of the gateway: a narrow, read-mostly view that `app` implements over the modules.
// It exists so that request handlers never touch a module, and so that tests put plain structs in its place.
// Deliberately without JSON, but for shadow documents, which are nothing else: api/render.hpp turns these structs into
// what programs read.
//
// Thread: loop thread, every function, and none of them blocks. Callbacks come on the loop thread, once, possibly
// inside the call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/reload_report.hpp"
#include "base/json.hpp"
#include "config/config.hpp"
#include "driver/bus_manager.hpp"
#include "event/time_trust.hpp"
#include "identity/keeper.hpp"
#include "model/defender.hpp"
#include "model/settings.hpp"
#include "orders/book.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::api {

// How the configuration on disk relates to the one in force.
struct ConfigState {
  std::string file;
  std::string on_disk = "in_force";  // "in_force"; "differs": not read since; "refused": read, and not taken over
  std::string reason;                // one line, when it is not in force
};

struct GatewayInfo {
  std::string version;
  std::int64_t started_ms = 0;  // Unix time of the daemon's start, as far as it is known now
  Duration uptime{};            // on CLOCK_BOOTTIME: right even when the wall clock has jumped
  std::int64_t now_ms = 0;      // Unix time now, as the daemon believes it
  bool clock_trusted = false;
  ClockStatus clock;
  ConfigState config;
  DefenderState defender;
  std::uint64_t written_bytes = 0;   // by the whole process since its start, as the kernel counts them; 0: not known
  std::uint64_t resident_bytes = 0;  // of the daemon itself; 0: not known
  Duration longest_handler{};        // how long the event loop was ever kept busy by one handler
};

// One shadow of a thing, as the gateway knows it, online or not.
struct ShadowState {
  std::string thing, name;  // "" is the classic shadow
  Json desired = Json::object();
  Json reported = Json::object();  // the device's own truth
  std::int64_t version = 0;        // counts changes of reported here
  bool pending = false;            // something is still to be told or learned (SyncedShadow::Pending)
  bool cloud_exists = false;
  std::int64_t cloud_version = 0;
  Json cloud = Json::object();          // {"desired","reported"} as last learned
  Json base_desired = Json::object();   // the cloud's desired that local edits are meant against
  Json base_reported = Json::object();  // all that was ever pushed: what makes a key ours
  Json to_send = Json::object();        // {"desired","reported"}: the patches that will go
  std::string blocked;                  // why the cloud does not take our report; empty: it does
};

// A desired value on its way to the device.
struct CommandInfo {
  std::string state;  // "received" "pending" "written" "verified" "reported" "refused" "expired" "failed"
  Json value;
  std::string reason;           // why it is not done, or not yet
  std::int64_t version = 0;     // of the shadow that brought it
  std::int64_t superseded = 0;  // older values that it overtook before they were done
};

class GatewayView {
 public:
  virtual ~GatewayView() = default;

  virtual GatewayInfo Info() const = 0;
  // The settings in force. The reference is good until the handler returns.
  virtual const Settings& settings() const = 0;
  // Each effective value with its origin, for `config show --effective`.
  virtual std::vector<Origin> EffectiveConfig() const = 0;

  virtual std::vector<BusStatus> Buses() const = 0;
  // nullopt: no such thing, or it is on no bus.
  virtual std::optional<ThingStatus> Thing(const std::string& thing) const = 0;
  // All sessions, the gateway's own included when it has one.
  virtual std::vector<LinkStatus> Links() const = 0;

  // Every thing's certificate, the gateway's own included when it has one.
  virtual std::vector<identity::CertificateState> Certificates() const = 0;
  // CertificateKeeper::Rotate: half a minute, or several while the cloud is away.
  virtual void RotateCertificate(const std::string& thing, const identity::RotationWishes& wishes,
                                 std::function<void(Result<identity::Enrolled>)> done) = 0;

  virtual StoreStats Stats() const = 0;
  virtual std::filesystem::path StoreFile() const = 0;
  // Store::Vacuum.
  virtual void Vacuum(std::function<void(Result<std::uint64_t>)> done) = 0;
  virtual OutboxState Outbox(const std::string& thing) const = 0;
  // Things with readings in the store, also those that are not configured any more.
  virtual std::vector<std::string> StoredThings() const = 0;
  virtual void Readings(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) = 0;
  // Commands, jobs and executions of all things since the start.
  virtual orders::BookCounters Orders() const = 0;
  // The orders that are under way, remembered, or ended lately without an id, in the order of receipt. None for a thing
  // without a session.
  virtual std::vector<orders::OrderRow> OrdersOf(const std::string& thing) const = 0;
  // What became of a thing's reading on its way to the cloud (Uplink::Explain).
  virtual std::string ExplainDelivery(const std::string& thing, std::uint64_t seq) const = 0;

  // Error: there is no such shadow.
  virtual Result<ShadowState> Shadow(const std::string& thing, const std::string& name) const = 0;
  // Merges `patch` (an object) into desired, null removes. `done` when it is durable, or what is wrong with it.
  virtual void SetDesired(const std::string& thing, const std::string& name, const Json& patch,
                          std::function<void(Status)> done) = 0;
  // The newest desired value of a point; nullopt: there is none.
  virtual std::optional<CommandInfo> Command(const std::string& thing, const std::string& point) const = 0;

  // Reads the daemon's configuration again and takes it over, or, as a dry run, only says what that would do.
  // Reloader::Request.
  virtual void Reload(bool dry_run, std::function<void(Result<ReloadReport>)> done) = 0;
  // The same on trial: taken back when the gateway is not as well as before within `trial`. Reloader::Try.
  virtual void TryReload(Duration trial, std::function<void(Result<ReloadReport>)> done) = 0;

  // Polls `thing` as soon as its bus is free; the reading also goes the normal way.
  virtual void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) = 0;
  // Asks the driver of a bus (BusManager::Ask). The answer is an array of objects.
  virtual void AskBus(const std::string& bus, const Json& question, Duration timeout,
                      std::function<void(Result<OrderedJson>)> done) = 0;
};

}  // namespace penumbra::api
