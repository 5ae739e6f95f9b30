// Thread: the host's one bus thread. No exception leaves this file.
#include "i2c/core/driver.hpp"

#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "i2c/core/scan.hpp"
#include "i2c/core/session.hpp"
#include "penumbra/i2c_device.hpp"

struct penumbra_bus {
  penumbra_bus(const penumbra_host& host_table, const penumbra::i2c::ChipType& type,
               const penumbra::i2c::BusOptions& options)
      : host(host_table), bus(options.device), session(type, options, [this](bool warning, const std::string& line) {
          host.log(host.context, warning ? PENUMBRA_LOG_WARNING : PENUMBRA_LOG_INFO, line.c_str());
        }) {}
  penumbra_bus(const penumbra_bus&) = delete;
  penumbra_bus& operator=(const penumbra_bus&) = delete;

  penumbra_host host;
  penumbra::i2c::DeviceBus bus;
  penumbra::i2c::Session session;
  std::vector<penumbra::i2c::PointOutcome> results;
};

namespace penumbra::i2c {
namespace {

// Time for the host to take the values over before it loses patience.
constexpr std::int64_t kReturnMarginNs = 3'000'000;

const ChipType* g_type = nullptr;  // the one kind of chip of this .so, set when it is loaded

void PutText(char* buffer, std::size_t size, const std::string& text) {
  if (buffer != nullptr && size > 0) std::snprintf(buffer, size, "%s", text.c_str());
}

penumbra_status Check(const char* configuration, penumbra_complain complain, void* context) try {
  const auto parsed = ParseOptions(*g_type, configuration, [&](const std::string& pointer, const std::string& message) {
    complain(context, pointer.c_str(), message.c_str());
  });
  return parsed ? PENUMBRA_OK : PENUMBRA_BAD_OPTIONS;
} catch (const std::exception& failure) {
  complain(context, "", failure.what());
  return PENUMBRA_BAD_OPTIONS;
}

penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                     std::size_t error_size) try {
  std::string first;
  const auto options =
      ParseOptions(*g_type, configuration, [&](const std::string& pointer, const std::string& message) {
        if (first.empty()) first = pointer + ": " + message;
      });
  if (!options) {
    PutText(error, error_size, first);
    return PENUMBRA_BAD_OPTIONS;
  }
  auto opened = std::make_unique<penumbra_bus>(*host, *g_type, *options);
  const Outcome outcome = opened->bus.Connect();
  if (!outcome.ok()) {
    PutText(error, error_size, outcome.note);
    return outcome.fault == Fault::kUnsupported ? PENUMBRA_BAD_OPTIONS : PENUMBRA_NO_DEVICE;
  }
  *bus = opened.release();
  return PENUMBRA_OK;
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_BAD_OPTIONS;
}

void Hand(const PointOutcome& result, penumbra_value& out) {
  const std::uint32_t size = out.size;
  out = {};
  out.size = size;
  if (result.value) {
    out.type = PENUMBRA_REAL;
    out.quality = result.reason == nullptr ? PENUMBRA_GOOD : PENUMBRA_UNCERTAIN;
    out.reason = result.reason;
    out.as.d = *result.value;
  } else {
    out.quality = PENUMBRA_BAD;
    out.status = result.status;
    out.reason = result.reason;
  }
}

penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) try {
  const Budget budget{request->deadline_ns - kReturnMarginNs, request->cancel_fd};
  const std::span points(request->points, request->point_count);
  if (!bus->session.Read(bus->bus, request->thing, points, budget, bus->results)) return PENUMBRA_UNSUPPORTED;
  for (std::size_t k = 0; k < points.size(); ++k) {
    if (bus->results[k].status == PENUMBRA_CANCELLED) return PENUMBRA_CANCELLED;
    Hand(bus->results[k], values[k]);
  }
  return PENUMBRA_OK;
} catch (const std::exception&) {
  return PENUMBRA_IO;
}

void Close(penumbra_bus* bus) {
  delete bus;
}

using Answer = std::function<void(const nlohmann::json&)>;

// What has happened to each sensor since the bus was opened.
void TellCounters(const penumbra_bus& bus, const Answer& answer) {
  for (const Sensor& sensor : bus.session.sensors()) {
    const SensorCounters& c = sensor.counters();
    answer({{"thing", sensor.name()},
            {"address", Hex(sensor.address())},
            {"measurements", c.measurements},
            {"good", c.good},
            {"crc_errors", c.crc_errors},
            {"no_answers", c.no_answers},
            {"other_faults", c.other_faults},
            {"resets", c.resets},
            {"inits", c.inits}});
  }
}

// Sets each chip up afresh, which checks its identity and its check sums, and measures once.
Outcome SelfTest(penumbra_bus& bus, const Budget& budget, const Answer& answer) {
  for (Sensor& sensor : bus.session.sensors()) {
    Values values;
    sensor.Forget();
    const Outcome outcome = sensor.Measure(bus.bus, budget, values);
    if (outcome.fault == Fault::kCancelled) return outcome;
    const bool measured = values.Get(g_type->measurands.front().quantity).has_value();
    std::string detail = !outcome.ok() ? Reason(outcome.fault) : measured ? "set up and measured" : "not measured";
    if (!outcome.note.empty()) detail += " (" + outcome.note + ")";
    if (values.doubt != nullptr) detail += std::string("; ") + values.doubt;
    nlohmann::json result{{"thing", sensor.name()}, {"ok", outcome.ok()}, {"detail", detail}};
    for (const Measurand& measurand : g_type->measurands) {
      if (const auto value = values.Get(measurand.quantity)) result[NameOf(measurand.quantity)] = *value;
    }
    answer(result);
  }
  return {};
}

penumbra_status Ask(penumbra_bus* bus, const penumbra_ask_request* request, char* error, std::size_t error_size) try {
  const auto question = nlohmann::json::parse(request->question, nullptr, false);
  const std::string ask = question.is_object() ? question.value("ask", "") : "";
  const Budget budget{request->deadline_ns - kReturnMarginNs, request->cancel_fd};
  const Answer answer = [request](const nlohmann::json& object) {
    request->answer(request->context, object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  };
  Outcome outcome;
  if (ask == "scan") {
    outcome = Scan(bus->bus, budget, answer);
  } else if (ask == "self_test") {
    outcome = SelfTest(*bus, budget, answer);
  } else if (ask == "counters") {
    TellCounters(*bus, answer);
  } else {
    PutText(error, error_size, std::string(g_type->name) + " answers scan, self_test and counters");
    return PENUMBRA_UNSUPPORTED;
  }
  if (!outcome.ok()) PutText(error, error_size, outcome.note.empty() ? Reason(outcome.fault) : outcome.note);
  return StatusOf(outcome.fault);
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_IO;
}

// The bus node alone: who owns an address is read from links of sysfs, which needs no access to files.
void Needs(const char* configuration, penumbra_need need, void* context) {
  const auto options = ParseOptions(*g_type, configuration, [](const std::string&, const std::string&) {});
  if (options) need(context, PENUMBRA_NEED_DEVICE, options->device.c_str());
}

struct Schemas {
  explicit Schemas(const ChipType& type) : bus(BusSchema()), thing(ThingSchema(type)), point(PointSchema(type)) {}
  std::string bus, thing, point;
};

}  // namespace

const penumbra_driver* DriverFor(const ChipType& type, const std::uint32_t* host_abis, std::size_t count) {
  g_type = &type;
  static const Schemas kSchemas(type);
  static const penumbra_driver kDriver{.size = sizeof(penumbra_driver),
                                       .abi_version = PENUMBRA_ABI_VERSION,
                                       .name = type.name,
                                       .version = PENUMBRA_DRIVER_VERSION,
                                       .capabilities = PENUMBRA_CAN_ASK | PENUMBRA_CAN_SCAN | PENUMBRA_CAN_SELF_TEST,
                                       .bus_schema = kSchemas.bus.c_str(),
                                       .thing_schema = kSchemas.thing.c_str(),
                                       .point_schema = kSchemas.point.c_str(),
                                       .check = Check,
                                       .open = Open,
                                       .read = Read,
                                       .write = nullptr,
                                       .close = Close,
                                       .ask = Ask,
                                       .needs = Needs};
  for (std::size_t i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kDriver;
  }
  return nullptr;
}

}  // namespace penumbra::i2c
