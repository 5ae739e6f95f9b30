// What the local API sees of the gateway: a narrow, read-mostly view that `app` implements over the modules.
// It exists so that request handlers never touch a module, and so that tests put plain structs in its place.
// Deliberately without JSON: api/render.hpp turns these structs into what programs read.
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

#include "config/config.hpp"
#include "driver/bus_manager.hpp"
#include "event/time_trust.hpp"
#include "model/settings.hpp"
#include "store/store.hpp"
#include "uplink/uplink.hpp"

namespace penumbra::api {

struct GatewayInfo {
  std::string version;
  std::int64_t started_ms = 0;  // Unix time of the daemon's start, as far as it is known now
  Duration uptime{};            // on CLOCK_BOOTTIME: right even when the wall clock has jumped
  std::int64_t now_ms = 0;      // Unix time now, as the daemon believes it
  bool clock_trusted = false;
  ClockStatus clock;
  std::string config_file;
  std::uint64_t written_bytes = 0;   // by the whole process since its start, as the kernel counts them; 0: not known
  std::uint64_t resident_bytes = 0;  // of the daemon itself; 0: not known
  Duration longest_handler{};        // how long the event loop was ever kept busy by one handler
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

  virtual StoreStats Stats() const = 0;
  virtual std::filesystem::path StoreFile() const = 0;
  // Store::Vacuum.
  virtual void Vacuum(std::function<void(Result<std::uint64_t>)> done) = 0;
  virtual OutboxState Outbox(const std::string& thing) const = 0;
  // Things with readings in the store, also those that are not configured any more.
  virtual std::vector<std::string> StoredThings() const = 0;
  virtual void Readings(ReadingQuery query, std::function<void(Result<std::vector<StoredReading>>)> done) = 0;
  // What became of a thing's reading on its way to the cloud (Uplink::Explain).
  virtual std::string ExplainDelivery(const std::string& thing, std::uint64_t seq) const = 0;

  // Polls `thing` as soon as its bus is free; the reading also goes the normal way.
  virtual void ReadNow(const std::string& thing, std::function<void(Result<Reading>)> done) = 0;
  // Asks the driver of a bus (BusManager::Ask). The answer is an array of objects.
  virtual void AskBus(const std::string& bus, const Json& question, Duration timeout,
                      std::function<void(Result<OrderedJson>)> done) = 0;
};

}  // namespace penumbra::api
