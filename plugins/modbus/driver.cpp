// The Modbus driver as the host sees it: the C ABI around ThingReader and Wire. No exception leaves this file.
// Thread: the host's one bus thread. Source: penumbra/driver.h.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "modbus/answers.hpp"
#include "modbus/options.hpp"
#include "modbus/reader.hpp"
#include "modbus/scan.hpp"
#include "modbus/schemas.hpp"
#include "modbus/wire.hpp"
#include "penumbra/driver.h"

using penumbra::modbus::Asked;
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
using penumbra::modbus::ReadRaw;
using penumbra::modbus::Say;
using penumbra::modbus::SayCounters;
using penumbra::modbus::SayFrames;
using penumbra::modbus::SayPlan;
using penumbra::modbus::Scan;
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
      things.emplace_back(thing, CostsOf(configuration.bus, thing), HooksOf(thing), KnownOf(thing));
    }
  }
  penumbra_bus(const penumbra_bus&) = delete;
  penumbra_bus& operator=(const penumbra_bus&) = delete;

  void Log(const std::string& line) const { host.log(host.context, PENUMBRA_LOG_WARNING, line.c_str()); }

  ReaderHooks HooksOf(const ThingOptions& thing) {
    return {.log = [this](const std::string& line) { Log(line); },
            .keep = [this, key = LearnedKey(thing.name)](const Learned& learned) { Remember(key, learned); },
            .unix_s = [] { return std::int64_t{std::time(nullptr)}; }};
  }
  std::optional<Learned> KnownOf(const ThingOptions& thing) const {
    const auto fact = configuration.facts.find(LearnedKey(thing.name));
    return fact == configuration.facts.end() ? std::nullopt : LearnedFromJson(fact->second);
  }
  // A host of before has no memory: what was learned then ends with the process.
  void Remember(const std::string& key, const Learned& learned) const {
    if (!PENUMBRA_HOST_HAS(&host, remember)) return;
    const std::string text = ToJson(learned);
    const auto status = host.remember(host.context, key.c_str(), learned.empty() ? nullptr : text.c_str());
    if (status != PENUMBRA_OK) Log("what was learned of a device cannot be kept over a restart (" + key + ")");
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
  const bool silent = bus->things[request->thing].silent();
  for (std::size_t k = 0; k < points.size(); ++k) {
    Hand(bus->results[k], values[k]);
    if (silent && values[k].quality == PENUMBRA_BAD) values[k].status = PENUMBRA_TIMEOUT;
  }
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

// {"ask":"write","thing":0,"values":[[point,value],...]}: one answer {"answer":"written","point","status","error"}
// each.
bool ParseWrites(const nlohmann::json& question, const penumbra_bus& bus, std::size_t& thing,
                 std::vector<ThingReader::PointWrite>& writes) {
  const auto index = question.find("thing");
  const auto values = question.find("values");
  if (index == question.end() || values == question.end() || !index->is_number_unsigned() || !values->is_array()) {
    return false;
  }
  thing = index->get<std::size_t>();
  if (thing >= bus.things.size()) return false;
  const std::size_t points = bus.configuration.things[thing].points.size();
  for (const auto& entry : *values) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_number_unsigned() || entry[0] >= points) return false;
    ThingReader::PointWrite write{.point = entry[0].get<std::uint32_t>(), .value = {}};
    const auto& value = entry[1];
    if (value.is_boolean()) {
      write.value = value.get<bool>();
    } else if (value.is_number_unsigned()) {
      write.value = value.get<std::uint64_t>();
    } else if (value.is_number_integer()) {
      write.value = value.get<std::int64_t>();
    } else if (value.is_number()) {
      write.value = value.get<double>();
    } else if (value.is_string()) {
      write.value = value.get<std::string>();
    } else {
      return false;
    }
    writes.push_back(std::move(write));
  }
  return true;
}

penumbra_status AskWrite(penumbra_bus& bus, const nlohmann::json& question, const Budget& budget, const Say& say,
                         char* error, std::size_t error_size) {
  std::size_t thing = 0;
  std::vector<ThingReader::PointWrite> writes;
  if (!ParseWrites(question, bus, thing, writes)) {
    PutText(error, error_size, R"(write wants "thing" and "values":[[point,value],...], counted from 0)");
    return PENUMBRA_BAD_OPTIONS;
  }
  const auto results = bus.things[thing].WriteMany(writes, bus.wire, budget);
  for (std::size_t i = 0; i < results.size(); ++i) {
    say(nlohmann::json{{"answer", "written"},
                       {"point", writes[i].point},
                       {"status", static_cast<int>(StatusOf(results[i]))},
                       {"error", results[i].error}}
            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return PENUMBRA_OK;
}

// "scan" and "read": also of units that nobody has configured.
penumbra_status AskStrangers(penumbra_bus& bus, const nlohmann::json& question, const Budget& budget, const Say& say,
                             char* error, std::size_t error_size) {
  const Asked asked = question["ask"] == "scan" ? Scan(question, bus.configuration, bus.wire, budget, say)
                                                : ReadRaw(question, bus.configuration, bus.wire, budget, say);
  std::set<std::uint8_t> known;
  for (const ThingOptions& thing : bus.configuration.things) known.insert(thing.unit);
  bus.wire.ForgetAllBut(known);
  PutText(error, error_size, asked.error);
  switch (asked.status) {
    case Asked::Status::kDone:
      return PENUMBRA_OK;
    case Asked::Status::kBadQuestion:
      return PENUMBRA_BAD_OPTIONS;
    case Asked::Status::kRefused:
      return PENUMBRA_REFUSED;
    case Asked::Status::kNoLine:
      return PENUMBRA_IO;
    case Asked::Status::kCancelled:
      break;
  }
  return PENUMBRA_CANCELLED;
}

penumbra_status Ask(penumbra_bus* bus, const penumbra_ask_request* request, char* error, std::size_t error_size) try {
  const auto question = nlohmann::json::parse(request->question, nullptr, false);
  const std::string name = question.is_object() && question.contains("ask") && question["ask"].is_string()
                               ? question["ask"].get<std::string>()
                               : "";
  const Say say = [request](const std::string& json) { request->answer(request->context, json.c_str()); };
  const Budget budget{.deadline_ns = request->deadline_ns - kReturnMarginNs, .cancel_fd = request->cancel_fd};
  if (name == "plan") {
    SayPlan(bus->configuration.bus, bus->things, say);
  } else if (name == "counters") {
    SayCounters(bus->wire.counters(), bus->wire.units(), bus->wire.NowNs(), say);
  } else if (name == "frames") {
    const bool frozen = question.value("frozen", nlohmann::json()) == true;
    SayFrames(bus->configuration.bus, frozen ? bus->wire.frozen() : bus->wire.frames(), say);
  } else if (name == "scan" || name == "read") {
    return AskStrangers(*bus, question, budget, say, error, error_size);
  } else if (name == "write") {
    return AskWrite(*bus, question, budget, say, error, error_size);
  } else {
    PutText(error, error_size, "no such question; there are plan, scan, read, counters, frames and write");
    return PENUMBRA_UNSUPPORTED;
  }
  return PENUMBRA_OK;
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_IO;
}

// The serial line, or the network; never both.
void Needs(const char* configuration, penumbra_need need, void* context) try {
  const auto parsed = ParseConfiguration(configuration, [](const std::string&, const std::string&) {});
  if (!parsed) return;  // open says what is wrong
  if (parsed->bus.transport == penumbra::modbus::Transport::kRtu) {
    need(context, PENUMBRA_NEED_DEVICE, parsed->bus.device.c_str());
  } else {
    need(context, PENUMBRA_NEED_NETWORK, nullptr);
  }
} catch (const std::exception&) {
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
                                       .capabilities = PENUMBRA_CAN_WRITE | PENUMBRA_CAN_ASK | PENUMBRA_CAN_SCAN |
                                                       PENUMBRA_CAN_PLAN | PENUMBRA_CAN_WRITE_MANY,
                                       .bus_schema = penumbra::modbus::kBusSchema,
                                       .thing_schema = penumbra::modbus::kThingSchema,
                                       .point_schema = penumbra::modbus::kPointSchema,
                                       .check = Check,
                                       .open = Open,
                                       .read = Read,
                                       .write = Write,
                                       .close = Close,
                                       .ask = Ask,
                                       .needs = Needs};
  for (std::size_t i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &kDriver;
  }
  return nullptr;
}
