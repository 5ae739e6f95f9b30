// The gateway's configuration as plain values: what `config` produces and everything else consumes.
// Names and defaults are those of the user's TOML file (penumbra.toml); see config/ for how they are read and checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/duration.hpp"
#include "base/json.hpp"
#include "model/value.hpp"

namespace penumbra {

// Of every sample interval, whoever sets it: the configuration file (schema/penumbra-config.schema.json says the same),
// update_config, the shadow's desired.
inline constexpr Duration kMinSampleInterval = std::chrono::milliseconds(50);
inline constexpr Duration kMaxSampleInterval = std::chrono::hours(24 * 30);

struct ReportPolicy {
  double deadband = 0;            // absolute, in the point's unit; or
  bool deadband_percent = false;  // percent of the last sent value
  Duration max_silence = std::chrono::minutes(10);
  Duration min_interval = Duration::zero();
  friend bool operator==(const ReportPolicy&, const ReportPolicy&) = default;
};

struct WritePolicy {
  std::optional<double> min, max, step;
  Duration ttl = std::chrono::minutes(10);
  bool verify = true;
  friend bool operator==(const WritePolicy&, const WritePolicy&) = default;
};

struct PointSettings {
  std::string name;
  double scale = 1;
  double offset = 0;
  bool scaled = false;             // scale or offset was given: the value is rounded to `decimals`
  int decimals = 0;                // digits after the point of scale and offset
  std::string unit;                // UCUM
  std::optional<double> min, max;  // plausibility: outside is Bad
  std::vector<double> invalid;     // raw values that mean "no value" (before scaling)
  ReportPolicy report;
  std::optional<WritePolicy> writable;
  Json driver_options = Json::object();  // this point's keys that belong to the driver: table, address, type, order...
  friend bool operator==(const PointSettings&, const PointSettings&) = default;
};

struct BreakerSettings {
  int failures = 3;
  Duration open = std::chrono::seconds(5);
  Duration max_open = std::chrono::minutes(5);
  friend bool operator==(const BreakerSettings&, const BreakerSettings&) = default;
};

struct BusSettings {
  std::string name;
  std::string driver;               // name of the .so without its ending
  std::optional<Duration> timeout;  // per request; nullopt: the driver's default
  int retries = 1;
  BreakerSettings breaker;
  Json driver_options = Json::object();
  friend bool operator==(const BusSettings&, const BusSettings&) = default;
};

enum class Telemetry { kEveryPoll, kOnReport };

struct ThingSettings {
  std::string name;  // = MQTT client id
  std::string type;
  std::map<std::string, std::string> attributes;
  std::vector<std::string> groups;
  std::string bus;
  Duration sample_interval = std::chrono::seconds(30);
  std::string topic;    // with {thing} already replaced
  std::string primary;  // point repeated as "value"
  std::filesystem::path certificate, private_key;
  Telemetry telemetry = Telemetry::kEveryPoll;
  std::optional<std::uint64_t> batch_bytes;  // backlog as arrays on sensors/<thing>/batch, up to this size
  std::optional<Duration> batch_interval;    // fresh readings too, collected for so long; only with batch_bytes
  std::optional<Duration> timeout;
  std::optional<int> retries;
  std::optional<BreakerSettings> breaker;
  std::vector<PointSettings> points;
  Json driver_options = Json::object();  // unit, address, ...
  friend bool operator==(const ThingSettings&, const ThingSettings&) = default;
};

struct GatewaySettings {
  std::string thing;  // empty: the gateway itself does not connect
  std::filesystem::path certificate, private_key;
  friend bool operator==(const GatewaySettings&, const GatewaySettings&) = default;
};

enum class MqttProtocol { kAuto, k5, k311 };

struct UpstreamSettings {
  std::string endpoint;  // host name; empty: no upstream, poll and store only
  std::uint16_t port = 8883;
  std::filesystem::path root_ca;
  MqttProtocol protocol = MqttProtocol::kAuto;
  Duration reconnect_base = std::chrono::seconds(1);
  Duration reconnect_max = std::chrono::seconds(32);
  Duration reconnect_stable = std::chrono::seconds(20);
  Duration connect_timeout = std::chrono::seconds(10);
  Duration operation_timeout = std::chrono::seconds(5);
  Duration keep_alive = std::chrono::seconds(60);
  Duration session_expiry = std::chrono::hours(1);  // the cloud keeps messages for who is away; 0: it does not
  double publish_rate = 50;                         // messages a second and connection
  int in_flight = 20;                               // unacknowledged messages per connection
  double connect_rate = 1;                          // connects a second, whole gateway
  bool status_retained = false;
  friend bool operator==(const UpstreamSettings&, const UpstreamSettings&) = default;
};

struct StoreSettings {
  Duration commit_interval = std::chrono::seconds(1);
  Duration retention = std::chrono::hours(24 * 30);
  std::uint64_t max_size = 1024ULL * 1024 * 1024;
  std::optional<std::uint64_t> min_free;      // nullopt: the smaller of 256 MiB and a tenth of the file system
  std::optional<std::uint64_t> write_budget;  // bytes a day; nullopt: none, every commit_interval is a commit
  std::optional<std::uint64_t> endurance;     // bytes the card stands in its life, for the forecast
  friend bool operator==(const StoreSettings&, const StoreSettings&) = default;
};

struct ClockSettings {
  bool always_trusted = false;
  Duration patience = std::chrono::minutes(2);
  friend bool operator==(const ClockSettings&, const ClockSettings&) = default;
};

// How things come by certificates (`penumbra provision`, `penumbra cert rotate`, and the daemon by itself).
struct CredentialSettings {
  std::string template_name;                      // of fleet provisioning; empty: none
  std::map<std::string, std::string> parameters;  // for it; {thing} in a value is the thing's name
  bool rsa = false;                               // new keys are RSA-2048 instead of P-256
  std::optional<Duration> rotate_before;          // replaces certificates so long before they expire; nullopt: never
  friend bool operator==(const CredentialSettings&, const CredentialSettings&) = default;
};

struct PathSettings {  // all absolute after reading
  std::filesystem::path state = "/var/lib/penumbra";
  std::filesystem::path run = "/run/penumbra";
  std::filesystem::path drivers;  // default: the built-in multiarch folder
  std::filesystem::path driver_host;
  std::filesystem::path profiles;
  friend bool operator==(const PathSettings&, const PathSettings&) = default;
};

struct Settings {
  GatewaySettings gateway;
  UpstreamSettings upstream;
  StoreSettings store;
  ClockSettings clock;
  PathSettings paths;
  CredentialSettings credentials;
  std::vector<BusSettings> buses;
  std::vector<ThingSettings> things;
};

}  // namespace penumbra
