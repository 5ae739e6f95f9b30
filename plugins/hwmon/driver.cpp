// The driver of sensors that the kernel drives: the C ABI around sysfs.hpp. For chips of which a kernel driver has the
// address, and for every other sensor of the board. No exception leaves this file. Thread: the host's one bus thread.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hwmon/sysfs.hpp"
#include "penumbra/driver.h"

namespace penumbra::hwmon {
namespace {

using Json = nlohmann::json;

constexpr const char* kBusSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "root": {"type": "string", "pattern": "^/", "default": "/sys",
      "description": "Where sysfs is mounted."}
  }
})json";

constexpr const char* kThingSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["chip"],
  "properties": {
    "chip": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]+$",
      "description": "The kernel's name of the chip, as in /sys/class/hwmon/*/name or /sys/bus/iio/devices/*/name: sht3x, bme280, cpu_thermal."},
    "device": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]+$",
      "description": "Which one, where several have the name: the kernel's device, e.g. 1-0044 for address 0x44 of I2C bus 1."}
  }
})json";

constexpr const char* kPointSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "quantity": {"type": "string", "enum": ["temperature", "humidity", "pressure"],
      "description": "What the point is: temperature in Cel, humidity in %, pressure in hPa. Default: the point's name, where that is one of them."},
    "attribute": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$",
      "description": "In place of quantity: the file below the chip's folder, e.g. temp2_input, in0_input or in_illuminance_raw. Values are in Cel, %, hPa, V, A, W, J, lx or 1/min."}
  }
})json";

bool IsQuantity(const std::string& name) {
  return name == "temperature" || name == "humidity" || name == "pressure";
}

struct Point {
  std::string quantity, attribute;
};
struct Thing {
  std::string name, chip, device;
  std::vector<Point> points;
  std::optional<KernelChip> found;
  bool told = false;  // that it is missing
};

std::string TextOf(const Json& object, const char* key, const std::string& fallback = {}) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>()
                                                                               : fallback;
}

Json ArrayOf(const Json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_array() ? object[key] : Json::array();
}

// Whether a list that may be missing is one of objects.
bool ListOfObjects(const Json& object, const char* key) {
  if (!object.contains(key)) return true;
  const Json& list = object[key];
  return list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& item) { return item.is_object(); });
}

// The gateway has checked the configuration; this is for whoever calls without it.
bool Shaped(const Json& json) {
  if (!json.is_object() || !json.value("bus", Json::object()).is_object() || !ListOfObjects(json, "things"))
    return false;
  const Json things = ArrayOf(json, "things");
  return std::all_of(things.begin(), things.end(), [](const Json& thing) { return ListOfObjects(thing, "points"); });
}

Point ParsePoint(const Json& json) {
  const std::string name = TextOf(json, "name");
  const std::string attribute = TextOf(json, "attribute");
  return {attribute.empty() ? TextOf(json, "quantity", IsQuantity(name) ? name : "") : "", attribute};
}

void PutText(char* buffer, std::size_t size, const std::string& text) {
  if (buffer != nullptr && size > 0) std::snprintf(buffer, size, "%s", text.c_str());
}

}  // namespace
}  // namespace penumbra::hwmon

struct penumbra_bus {
  penumbra_host host{};
  std::string root;
  std::vector<penumbra::hwmon::Thing> things;
};

namespace penumbra::hwmon {
namespace {

penumbra_status Check(const char* configuration, penumbra_complain complain, void* context) try {
  const Json json = Json::parse(configuration, nullptr, false);
  penumbra_status status = PENUMBRA_OK;
  const Json things = ArrayOf(json, "things");
  for (std::size_t t = 0; t < things.size(); ++t) {
    const Json points = ArrayOf(things[t], "points");
    for (std::size_t p = 0; p < points.size(); ++p) {
      const Point point = ParsePoint(points[p]);
      if (!point.quantity.empty() || !point.attribute.empty()) continue;
      const std::string pointer = "/things/" + std::to_string(t) + "/points/" + std::to_string(p);
      const std::string message =
          "point \"" + TextOf(points[p], "name") +
          "\": say what it is with quantity = \"temperature\", \"humidity\" or \"pressure\", or "
          "with attribute = \"...\"";
      complain(context, pointer.c_str(), message.c_str());
      status = PENUMBRA_BAD_OPTIONS;
    }
  }
  return status;
} catch (const std::exception& failure) {
  complain(context, "", failure.what());
  return PENUMBRA_BAD_OPTIONS;
}

// A chip that is missing is no reason to fail: its module may be loaded later.
penumbra_status Open(const penumbra_host* host, const char* configuration, penumbra_bus** bus, char* error,
                     std::size_t error_size) try {
  const Json json = Json::parse(configuration);
  if (!Shaped(json)) {
    PutText(error, error_size, "the configuration is not an object of a bus and things with points");
    return PENUMBRA_BAD_OPTIONS;
  }
  auto opened = std::make_unique<penumbra_bus>();
  opened->host = *host;
  opened->root = TextOf(json.value("bus", Json::object()), "root", "/sys");
  for (const Json& thing : ArrayOf(json, "things")) {
    Thing parsed{TextOf(thing, "name"), TextOf(thing, "chip"), TextOf(thing, "device"), {}, {}, false};
    for (const Json& point : ArrayOf(thing, "points")) parsed.points.push_back(ParsePoint(point));
    opened->things.push_back(std::move(parsed));
  }
  *bus = opened.release();
  return PENUMBRA_OK;
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_BAD_OPTIONS;
}

// Looks the chip up when it is not known or has gone; says once when it is missing.
bool Locate(penumbra_bus& bus, Thing& thing) {
  std::error_code error;
  if (thing.found && std::filesystem::exists(thing.found->folder / "name", error)) return true;
  std::string why;
  thing.found = FindChip(bus.root, thing.chip, thing.device, why);
  if (!thing.found && !thing.told) {
    bus.host.log(bus.host.context, PENUMBRA_LOG_WARNING, ("thing=" + thing.name + ": " + why).c_str());
  }
  thing.told = !thing.found;
  return thing.found.has_value();
}

void Hand(const Reading& reading, penumbra_value& out) {
  const std::uint32_t size = out.size;
  out = {};
  out.size = size;
  if (reading.value) {
    out.type = PENUMBRA_REAL;
    out.as.d = *reading.value;
    return;
  }
  out.quality = PENUMBRA_BAD;
  out.status = reading.status;
  out.reason = reading.reason;
}

penumbra_status Read(penumbra_bus* bus, const penumbra_read_request* request, penumbra_value* values) try {
  if (request->thing >= bus->things.size()) return PENUMBRA_UNSUPPORTED;
  Thing& thing = bus->things[request->thing];
  for (std::uint32_t k = 0; k < request->point_count; ++k) {
    if (request->points[k] >= thing.points.size()) return PENUMBRA_UNSUPPORTED;
  }
  const bool there = Locate(*bus, thing);
  for (std::uint32_t k = 0; k < request->point_count; ++k) {
    const Point& point = thing.points[request->points[k]];
    Reading reading{std::nullopt, PENUMBRA_IO, "the kernel shows no such chip"};
    if (there && bus->host.now_ns(bus->host.context) >= request->deadline_ns) {
      reading = {std::nullopt, PENUMBRA_TIMEOUT, "deadline"};
    } else if (there) {
      reading = point.attribute.empty() ? ReadQuantity(*thing.found, point.quantity)
                                        : ReadAttribute(*thing.found, point.attribute);
    }
    Hand(reading, values[k]);
  }
  return PENUMBRA_OK;
} catch (const std::exception&) {
  return PENUMBRA_IO;
}

void Close(penumbra_bus* bus) {
  delete bus;
}

// All chips that the kernel shows, with what can be read of them.
penumbra_status Ask(penumbra_bus* bus, const penumbra_ask_request* request, char* error, std::size_t error_size) try {
  const Json question = Json::parse(request->question, nullptr, false);
  if (TextOf(question, "ask") != "scan") {
    PutText(error, error_size, "hwmon answers scan");
    return PENUMBRA_UNSUPPORTED;
  }
  for (const KernelChip& chip : ListChips(bus->root)) {
    const Json entry{{"chip", chip.name}, {"device", chip.device}, {"attributes", AttributesOf(chip)}};
    request->answer(request->context, entry.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  }
  return PENUMBRA_OK;
} catch (const std::exception& failure) {
  PutText(error, error_size, failure.what());
  return PENUMBRA_IO;
}

void Needs(const char* configuration, penumbra_need need, void* context) {
  const Json json = Json::parse(configuration, nullptr, false);
  const Json bus = json.is_object() ? json.value("bus", Json::object()) : Json::object();
  need(context, PENUMBRA_NEED_READ, TextOf(bus, "root", "/sys").c_str());
}

constexpr penumbra_driver kDriver = {
    .size = sizeof(penumbra_driver),
    .abi_version = PENUMBRA_ABI_VERSION,
    .name = "hwmon",
    .version = PENUMBRA_DRIVER_VERSION,
    .capabilities = PENUMBRA_CAN_ASK | PENUMBRA_CAN_SCAN,
    .bus_schema = kBusSchema,
    .thing_schema = kThingSchema,
    .point_schema = kPointSchema,
    .check = Check,
    .open = Open,
    .read = Read,
    .write = nullptr,
    .close = Close,
    .ask = Ask,
    .needs = Needs,
};

}  // namespace
}  // namespace penumbra::hwmon

extern "C" const penumbra_driver* penumbra_driver_entry(const std::uint32_t* host_abis, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (host_abis[i] == PENUMBRA_ABI_VERSION) return &penumbra::hwmon::kDriver;
  }
  return nullptr;
}
