// The Modbus driver as the host sees it: the C ABI around ThingReader and Wire. No exception leaves this file.
// Thread: the host's one bus thread. Source: penumbra/driver.h.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "modbus/options.hpp"
#include "modbus/reader.hpp"
#include "modbus/schemas.hpp"
#include "modbus/wire.hpp"
#include "penumbra/driver.h"

using penumbra::modbus::Budget;
using penumbra::modbus::Configuration;
using penumbra::modbus::CostsOf;
using penumbra::modbus::Learned;
using penumbra::modbus::LearnedFromJson;
using penumbra::modbus::LearnedKey;
using penumbra::modbus::Outcome;
using penumbra::modbus::ParseConfiguration;
using penumbra::modbus::PointResult;
using penumbra::modbus::ReaderHooks;
using penumbra::modbus::ThingOptions;
using penumbra::modbus::ThingReader;
using penumbra::modbus::Value;
using penumbra::modbus::Wire;

struct penumbra_bus {
  penumbra_bus(const penumbra_host& host_table, Configuration parsed)
      : host(host_table),
        configuration(std::move(parsed)),
        wire(configuration.bus, {.now_ns = [this] { return host.now_ns(host.context); },
                                 .log = [this](const std::string& line) { Log(line); },
                                 .anomaly = [this](const char* what) { Log(std::string("anomaly: ") + what); }}) {
    things.reserve(configuration.things.size());
    for (const ThingOptions& thing : configuration.things) {
      things.emplace_back(thing, CostsOf(configuration.bus, thing), HooksOf(), KnownOf(thing));
    }
  }
  penumbra_bus(const penumbra_bus&) = delete;
  penumbra_bus& operator=(const penumbra_bus&) = delete;

  void Log(const std::string& line) const { host.log(host.context, PENUMBRA_LOG_WARNING, line.c_str()); }

  ReaderHooks HooksOf() {
    return {.log = [this](const std::string& line) { Log(line); },
            .keep = {},
            .unix_s = [] { return std::int64_t{std::time(nullptr)}; }};
  }
  std::optional<Learned> KnownOf(const ThingOptions& thing) const {
    const auto fact = configuration.facts.find(LearnedKey(thing.name));
    return fact == configuration.facts.end() ? std::nullopt : LearnedFromJson(fact->second);
  }
  penumbra_host host;
  Configuration configuration;
  Wire wire;
  std::vector<ThingReader> things;
  std::vector<PointResult> results;  // keeps handed-out text alive until the next call
};

namespace {

// Time for the host to take the values over before it loses patience with us.
constexpr std::int64_t kReturnMarginNs = 3'000'000;

void PutText(char* buffer, std::size_t size, const std::string& text) {
  if (buffer != nullptr && size > 0) std::snprintf(buffer, size, "%s", text.c_str());
}

void Hand(const PointResult& result, penumbra_value& out) {
  const std::uint32_t size = out.size;
  out = {};
  out.size = size;
  out.time_ns = result.time_ns;
  if (result.reason != nullptr) {
    out.quality = PENUMBRA_BAD;
    out.reason = result.reason;
    return;
  }
  out.quality = PENUMBRA_GOOD;
  if (const auto* flag = std::get_if<bool>(&result.value)) {
    out.type = PENUMBRA_BOOL;
    out.as.u = *flag ? 1 : 0;
  } else if (const auto* integer = std::get_if<std::int64_t>(&result.value)) {
    out.type = PENUMBRA_INT;
    out.as.i = *integer;
  } else if (const auto* natural = std::get_if<std::uint64_t>(&result.value)) {
    out.type = PENUMBRA_UINT;
    out.as.u = *natural;
  } else if (const auto* real = std::get_if<double>(&result.value)) {
    out.type = PENUMBRA_REAL;
    out.as.d = *real;
  } else {
    out.type = PENUMBRA_TEXT;
    out.text = std::get<std::string>(result.value).c_str();
  }
}

bool Take(const penumbra_value& in, Value& value) {
  switch (in.type) {
    case PENUMBRA_BOOL:
      value = in.as.u != 0;
      return true;
    case PENUMBRA_INT:
      value = in.as.i;
      return true;
    case PENUMBRA_UINT:
      value = in.as.u;
      return true;
    case PENUMBRA_REAL:
      value = in.as.d;
      return true;
    case PENUMBRA_TEXT:
      value = std::string(in.text == nullptr ? "" : in.text);
      return true;
    default:
      return false;
  }
}

penumbra_status Check(const char* configuration, penumbra_complain complain, void* context) try {
  const auto parsed = ParseConfiguration(configuration, [&](const std::string& pointer, const std::string& message) {
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
  auto parsed = ParseConfiguration(configuration, [&](const std::string& pointer, const std::string& message) {
    if (first.empty()) first = pointer + ": " + message;
  });
  if (!parsed) {
    PutText(error, error_size, first);
    return PENUMBRA_BAD_OPTIONS;
  }
  *bus = std::make_unique<penumbra_bus>(*host, std::move(*parsed)).release();
  return PENUMBRA_OK;
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_BAD_OPTIONS;
}

penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) try {
  if (request->thing >= bus->things.size()) return PENUMBRA_UNSUPPORTED;
  const std::span points(request->points, request->point_count);
  for (const std::uint32_t point : points) {
    if (point >= bus->configuration.things[request->thing].points.size()) return PENUMBRA_UNSUPPORTED;
  }
  bus->results.assign(points.size(), {});
  const Budget budget{.deadline_ns = request->deadline_ns - kReturnMarginNs, .cancel_fd = request->cancel_fd};
  if (!bus->things[request->thing].Read(points, bus->wire, budget, bus->results)) return PENUMBRA_CANCELLED;
  for (std::size_t k = 0; k < points.size(); ++k) Hand(bus->results[k], values[k]);
  return PENUMBRA_OK;
} catch (const std::exception&) {
  return PENUMBRA_IO;
}

penumbra_status StatusOf(const ThingReader::WriteResult& result) {
  if (result.unsupported) return PENUMBRA_UNSUPPORTED;
  switch (result.kind) {
    case Outcome::Kind::kAnswer:
      return PENUMBRA_OK;
    case Outcome::Kind::kException:
      return PENUMBRA_REFUSED;
    case Outcome::Kind::kCancelled:
      return PENUMBRA_CANCELLED;
    case Outcome::Kind::kFailed:
      break;
  }
  return result.error == "timeout" || result.error == "deadline" ? PENUMBRA_TIMEOUT : PENUMBRA_IO;
}

penumbra_status Write(penumbra_bus* bus, const penumbra_write_request* request, char* error,
                      std::size_t error_size) try {
  Value value;
  if (request->thing >= bus->things.size() ||
      request->point >= bus->configuration.things[request->thing].points.size() || !Take(*request->value, value)) {
    PutText(error, error_size, "no such point or no value");
    return PENUMBRA_UNSUPPORTED;
  }
  const Budget budget{.deadline_ns = request->deadline_ns - kReturnMarginNs, .cancel_fd = request->cancel_fd};
  const auto result = bus->things[request->thing].Write(request->point, value, bus->wire, budget);
  PutText(error, error_size, result.error);
  return StatusOf(result);
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_IO;
}

void Close(penumbra_bus* bus) {
  delete bus;
}

}  // namespace

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t* host_abis, std::size_t count) {
  static const penumbra_driver kDriver{.size = sizeof(penumbra_driver),
                                       .abi_version = PENUMBRA_ABI_VERSION,
                                       .name = "modbus",
                                       .version = PENUMBRA_DRIVER_VERSION,
                                       .capabilities = PENUMBRA_CAN_WRITE,
                                       .bus_schema = penumbra::modbus::kBusSchema,
                                       .thing_schema = penumbra::modbus::kThingSchema,
                                       .point_schema = penumbra::modbus::kPointSchema,
                                       .check = Check,
                                       .open = Open,
                                       .read = Read,
                                       .write = Write,
                                       .close = Close};
  for (std::size_t i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kDriver;
  }
  return nullptr;
}
