// The simulated driver: sensors without hardware, for the demo and the tests. Values are a pure function of seed,
// thing, point and time (or of the number of reads), so that a run can be repeated; and it misbehaves on request,
// because the gateway's promise is that a driver that does hurts only its own bus. Bus thread.
#include <penumbra/driver.h>
#include <poll.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "faults.hpp"

namespace penumbra_sim {
namespace {

using Json = nlohmann::json;

constexpr const char* kBusSchema = R"({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "seed": {"type": "integer", "minimum": 0, "default": 1,
             "description": "Gateways with the same seed simulate the same values."},
    "latency": {"type": "integer", "minimum": 0, "maximum": 60000, "default": 0, "x-unit": "ms",
                "description": "How long each read takes, as if there were a slow line."},
    "open_fault": {"type": "string", "default": "none",
                   "enum": ["none", "crash", "hang", "exit", "no_device", "bad_options"],
                   "description": "What goes wrong when the bus is opened."}
  }
})";

constexpr const char* kThingSchema = R"({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "unit": {"type": "integer", "minimum": 0, "maximum": 247,
             "description": "Unit id: things with the same one count as one device that answers or does not."},
    "fault": {"type": "string", "default": "none",
              "enum": ["none", "crash", "hang", "exit", "flood", "garbage", "nan", "slow", "timeout", "refuse"],
              "description": "What reading this thing does wrong: ends the process (crash, exit), never returns (hang), floods the log, writes garbage to the daemon, answers NaN, takes 900 ms (slow), does not answer (timeout) or says no (refuse)."},
    "fault_after": {"type": "integer", "minimum": 0, "default": 0,
                    "description": "The fault begins after so many good reads of this thing."},
    "fault_file": {"type": "string",
                   "description": "While this file exists, its content names the fault; it wins over `fault`."}
  }
})";

constexpr const char* kPointSchema = R"({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "kind": {"type": "string", "default": "temperature",
             "enum": ["temperature", "humidity", "counter", "constant", "bool", "text", "setpoint"],
             "description": "temperature: 20 +- 5, one wave an hour; humidity: 50 +- 20; counter: reads so far; constant: `value`; bool: changes at every read; text: a short text; setpoint: what was last written, `value` at first."},
    "value": {"type": "number", "default": 0, "description": "For constant and setpoint."}
  }
})";

constexpr int kSlowMs = 900;
constexpr double kPi = 3.14159265358979323846;
constexpr double kWaveSeconds = 3600;

enum class Kind { kTemperature, kHumidity, kCounter, kConstant, kBool, kText, kSetpoint };

Kind KindOf(const std::string& name) {
  if (name == "humidity") return Kind::kHumidity;
  if (name == "counter") return Kind::kCounter;
  if (name == "constant") return Kind::kConstant;
  if (name == "bool") return Kind::kBool;
  if (name == "text") return Kind::kText;
  if (name == "setpoint") return Kind::kSetpoint;
  return Kind::kTemperature;
}

struct Point {
  Kind kind = Kind::kTemperature;
  double value = 0;
  double phase = 0;  // 0..1 of a wave, from seed, thing and point
  std::uint64_t reads = 0;
  std::string text;
};

struct Thing {
  FaultOptions fault;
  std::int64_t reads = 0;
  std::vector<Point> points;
};

// A fixed, well mixed number for each (seed, thing, point): splitmix64.
double Phase(std::uint64_t seed, std::uint64_t thing, std::uint64_t point) {
  std::uint64_t z = (seed << 40U) + (thing << 16U) + point + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return static_cast<double>((z ^ (z >> 31U)) >> 11U) / 9007199254740992.0;
}

double Wave(const Point& point, std::int64_t now_ns, double middle, double swing) {
  const double turns = static_cast<double>(now_ns) * 1e-9 / kWaveSeconds + point.phase;
  return std::round((middle + swing * std::sin(2 * kPi * turns)) * 100) / 100;
}

void Real(penumbra_value& out, double value) {
  out.type = PENUMBRA_REAL;
  out.as.d = value;
}

void Fill(Point& point, std::int64_t now_ns, penumbra_value& out) {
  ++point.reads;
  out.quality = PENUMBRA_GOOD;
  out.time_ns = now_ns;
  switch (point.kind) {
    case Kind::kTemperature:
      return Real(out, Wave(point, now_ns, 20, 5));
    case Kind::kHumidity:
      return Real(out, Wave(point, now_ns, 50, 20));
    case Kind::kConstant:
    case Kind::kSetpoint:
      return Real(out, point.value);
    case Kind::kCounter:
      out.type = PENUMBRA_UINT;
      out.as.u = point.reads;
      return;
    case Kind::kBool:
      out.type = PENUMBRA_BOOL;
      out.as.u = point.reads % 2;
      return;
    case Kind::kText:
      point.text = "sim-" + std::to_string(point.reads);
      out.type = PENUMBRA_TEXT;
      out.text = point.text.c_str();
      return;
  }
}

void Bad(penumbra_value& out, penumbra_status status, const char* reason) {
  out.type = PENUMBRA_NONE;
  out.quality = PENUMBRA_BAD;
  out.status = status;
  out.reason = reason;
}

// False: cancelled.
bool Wait(int ms, int cancel_fd) {
  if (ms <= 0) return true;
  pollfd p{cancel_fd, POLLIN, 0};
  return ::poll(&p, cancel_fd >= 0 ? 1 : 0, ms) == 0;
}

}  // namespace
}  // namespace penumbra_sim

struct penumbra_bus {
  const penumbra_host* host = nullptr;
  int latency_ms = 0;
  std::vector<penumbra_sim::Thing> things;
};

namespace penumbra_sim {
namespace {

Thing ParseThing(const Json& json, std::uint64_t seed, std::uint64_t index) {
  Thing thing;
  thing.fault.fault = json.value("fault", "none");
  thing.fault.after = json.value("fault_after", std::int64_t{0});
  thing.fault.fault_file = json.value("fault_file", "");
  for (const Json& p : json.value("points", Json::array())) {
    Point point;
    point.kind = KindOf(p.value("kind", "temperature"));
    point.value = p.value("value", 0.0);
    point.phase = Phase(seed, index, thing.points.size());
    thing.points.push_back(std::move(point));
  }
  return thing;
}

penumbra_status FailOpen(char* error, std::size_t error_size, penumbra_status status, const char* message) {
  std::snprintf(error, error_size, "%s", message);
  return status;
}

penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                     std::size_t error_size) {
  try {
    const Json json = Json::parse(configuration);
    const Json options = json.value("bus", Json::object());
    const std::string fault = options.value("open_fault", "none");
    Misbehave(fault, *host);
    if (fault == "no_device") return FailOpen(error, error_size, PENUMBRA_NO_DEVICE, "simulated: no such device");
    if (fault == "bad_options") return FailOpen(error, error_size, PENUMBRA_BAD_OPTIONS, "simulated: bad options");
    auto opened = std::make_unique<penumbra_bus>();
    opened->host = host;
    opened->latency_ms = options.value("latency", 0);
    const auto seed = options.value("seed", std::uint64_t{1});
    for (const Json& thing : json.value("things", Json::array())) {
      opened->things.push_back(ParseThing(thing, seed, opened->things.size()));
    }
    *bus = opened.release();
    return PENUMBRA_OK;
  } catch (const std::exception& e) {
    return FailOpen(error, error_size, PENUMBRA_BAD_OPTIONS, e.what());
  }
}

// What a fault that does not hit the process makes of the values.
void Spoil(const std::string& fault, const penumbra_read_request& request, penumbra_value* values) {
  for (std::uint32_t i = 0; i < request.point_count; ++i) {
    if (fault == "nan") Real(values[i], std::numeric_limits<double>::quiet_NaN());
    if (fault == "timeout") Bad(values[i], PENUMBRA_TIMEOUT, "timeout");
    if (fault == "refuse") Bad(values[i], PENUMBRA_REFUSED, "exception 2 (illegal data address)");
  }
}

penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) {
  if (request->thing >= bus->things.size()) return PENUMBRA_UNSUPPORTED;
  Thing& thing = bus->things[request->thing];
  const std::string fault = CurrentFault(thing.fault, thing.reads++);
  Misbehave(fault, *bus->host);
  if (!Wait(bus->latency_ms + (fault == "slow" ? kSlowMs : 0), request->cancel_fd)) return PENUMBRA_CANCELLED;
  const std::int64_t now_ns = bus->host->now_ns(bus->host->context);
  for (std::uint32_t i = 0; i < request->point_count; ++i) {
    if (request->points[i] >= thing.points.size()) return PENUMBRA_UNSUPPORTED;
    Fill(thing.points[request->points[i]], now_ns, values[i]);
  }
  Spoil(fault, *request, values);
  return PENUMBRA_OK;
}

double Number(const penumbra_value& value) {
  switch (value.type) {
    case PENUMBRA_INT:
      return static_cast<double>(value.as.i);
    case PENUMBRA_BOOL:
    case PENUMBRA_UINT:
      return static_cast<double>(value.as.u);
    case PENUMBRA_REAL:
      return value.as.d;
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

penumbra_status Write(penumbra_bus* bus, const penumbra_write_request* request, char* error, std::size_t error_size) {
  if (request->thing >= bus->things.size()) return PENUMBRA_UNSUPPORTED;
  Thing& thing = bus->things[request->thing];
  if (request->point >= thing.points.size()) return PENUMBRA_UNSUPPORTED;
  const std::string fault = CurrentFault(thing.fault, thing.reads);
  Misbehave(fault, *bus->host);
  if (fault == "timeout") return FailOpen(error, error_size, PENUMBRA_TIMEOUT, "timeout");
  if (fault == "refuse") return FailOpen(error, error_size, PENUMBRA_REFUSED, "exception 4 (device failure)");
  Point& point = thing.points[request->point];
  const double value = Number(*request->value);
  if (point.kind != Kind::kSetpoint || !std::isfinite(value)) {
    return FailOpen(error, error_size, PENUMBRA_UNSUPPORTED, "only a setpoint can be written, with a number");
  }
  point.value = value;
  return PENUMBRA_OK;
}

// Nothing but the folders of the fault files, which come and go.
void Needs(const char* configuration, penumbra_need need, void* context) {
  const Json json = Json::parse(configuration, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("things") || !json["things"].is_array()) return;
  for (const Json& thing : json["things"]) {
    if (!thing.is_object() || !thing.contains("fault_file") || !thing["fault_file"].is_string()) continue;
    const auto folder = std::filesystem::path(thing["fault_file"].get<std::string>()).parent_path();
    need(context, PENUMBRA_NEED_READ, folder.c_str());
  }
}

void Close(penumbra_bus* bus) {
  delete bus;
}

constexpr penumbra_driver kDriver = {
    .size = sizeof(penumbra_driver),
    .abi_version = PENUMBRA_ABI_VERSION,
    .name = "sim",
    .version = "1.0",
    .capabilities = PENUMBRA_CAN_WRITE,
    .bus_schema = kBusSchema,
    .thing_schema = kThingSchema,
    .point_schema = kPointSchema,
    .check = nullptr,
    .open = Open,
    .read = Read,
    .write = Write,
    .close = Close,
    .ask = nullptr,
    .needs = Needs,
};

}  // namespace
}  // namespace penumbra_sim

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t* host_abis, std::size_t count) {
  const bool known = std::find(host_abis, host_abis + count, PENUMBRA_ABI_VERSION) != host_abis + count;
  return known ? &penumbra_sim::kDriver : nullptr;
}
