#include "i2c/core/options.hpp"

#include <algorithm>

namespace penumbra::i2c {
namespace {

using Json = nlohmann::json;

constexpr const char* kDefaultDevice = "/dev/i2c-1";
constexpr int kMaxRetries = 100;

std::string AddressList(const ChipType& type) {
  std::string list;
  for (const std::uint8_t& address : type.addresses) {
    const bool last = &address == &type.addresses.back();
    list += (list.empty() ? "" : last ? " or " : ", ") + Hex(address);
  }
  return list;
}

std::string QuantityList(const ChipType& type) {
  std::string list;
  for (const Measurand& measurand : type.measurands) {
    const bool last = &measurand == &type.measurands.back();
    list += (list.empty() ? "" : last ? " or " : ", ") + ("\"" + std::string(NameOf(measurand.quantity)) + "\"");
  }
  return list;
}

bool Measures(const ChipType& type, Quantity quantity) {
  return std::any_of(type.measurands.begin(), type.measurands.end(),
                     [quantity](const Measurand& measurand) { return measurand.quantity == quantity; });
}

std::string TextOf(const Json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

int IntegerOf(const Json& object, const char* key, int fallback) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return fallback;
  return static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), -1'000'000, 1'000'000));
}

const Json& ObjectOf(const Json& object, const char* key) {
  static const Json kNone = Json::object();
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_object() ? *found : kNone;
}

const Json& ArrayOf(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_array() ? *found : kNone;
}

// The gateway has checked the configuration; this is for whoever calls without it.
void CheckShape(const Json& object, const char* key, const std::string& pointer, const Complain& complain) {
  const auto list = object.find(key);
  if (list == object.end()) return;
  const bool right =
      list->is_array() && std::all_of(list->begin(), list->end(), [](const Json& item) { return item.is_object(); });
  if (!right) complain(pointer + "/" + key, std::string(key) + " is a list of objects");
}

std::optional<Quantity> ParsePoint(const ChipType& type, const Json& point, const std::string& pointer,
                                   const Complain& complain) {
  const std::string name = TextOf(point, "name", "");
  const bool said = point.is_object() && point.contains("quantity");
  const auto quantity = QuantityNamed(TextOf(point, "quantity", name));
  if (quantity && Measures(type, *quantity)) return quantity;
  if (said) {
    complain(pointer + "/quantity", "the " + std::string(type.name) + " measures " + QuantityList(type));
  } else {
    complain(pointer,
             "point \"" + name + "\": say what it is with quantity = " + QuantityList(type) + ", or give it that name");
  }
  return std::nullopt;
}

ThingOptions ParseThing(const ChipType& type, const Json& thing, int bus_retries, const std::string& pointer,
                        const Complain& complain) {
  ThingOptions parsed;
  parsed.name = TextOf(thing, "name", "");
  parsed.options = thing.is_object() ? thing : Json::object();
  parsed.retries = std::clamp(IntegerOf(parsed.options, "retries", bus_retries), 0, kMaxRetries);
  const int address = IntegerOf(parsed.options, "address", type.default_address);
  if (std::find(type.addresses.begin(), type.addresses.end(), address) == type.addresses.end()) {
    complain(pointer + "/address", "the " + std::string(type.name) + " has address " + AddressList(type) + ", not " +
                                       (address >= 0 && address <= 0xff ? Hex(address) : std::to_string(address)));
  }
  parsed.address = static_cast<std::uint8_t>(address);
  if (type.check != nullptr) {
    type.check(parsed.options, [&](const std::string& key, const std::string& message) {
      complain(key.empty() ? pointer : pointer + "/" + key, message);
    });
  }
  CheckShape(parsed.options, "points", pointer, complain);
  const Json& points = ArrayOf(thing, "points");
  for (std::size_t k = 0; k < points.size(); ++k) {
    const auto quantity = ParsePoint(type, points[k], pointer + "/points/" + std::to_string(k), complain);
    parsed.points.push_back(quantity.value_or(type.measurands.front().quantity));
  }
  return parsed;
}

}  // namespace

std::optional<Quantity> QuantityNamed(const std::string& name) {
  for (std::size_t i = 0; i < kQuantities; ++i) {
    if (name == NameOf(static_cast<Quantity>(i))) return static_cast<Quantity>(i);
  }
  return std::nullopt;
}

std::optional<BusOptions> ParseOptions(const ChipType& type, const std::string& configuration,
                                       const Complain& complain) {
  bool complained = false;
  const Complain note = [&](const std::string& pointer, const std::string& message) {
    complained = true;
    complain(pointer, message);
  };
  const Json json = Json::parse(configuration, nullptr, false);
  if (!json.is_object()) {
    note("", "the configuration is no JSON object");
    return std::nullopt;
  }
  if (json.contains("bus") && !json["bus"].is_object()) note("/bus", "bus is an object");
  CheckShape(json, "things", "", note);
  const Json& bus = ObjectOf(json, "bus");
  BusOptions parsed;
  parsed.device = TextOf(bus, "device", kDefaultDevice);
  if (parsed.device.empty() || parsed.device.front() != '/') {
    note("/bus/device", "device is the path of an I2C bus, e.g. \"/dev/i2c-1\"");
  }
  const int retries = IntegerOf(bus, "retries", 1);
  const Json& things = ArrayOf(json, "things");
  for (std::size_t i = 0; i < things.size(); ++i) {
    const std::string pointer = "/things/" + std::to_string(i);
    parsed.things.push_back(ParseThing(type, things[i], retries, pointer, note));
    const auto same = std::find_if(parsed.things.begin(), parsed.things.end() - 1, [&](const ThingOptions& other) {
      return other.address == parsed.things.back().address;
    });
    if (same != parsed.things.end() - 1) {
      note(pointer + "/address", "thing \"" + same->name + "\" has address " + Hex(same->address) +
                                     " on this bus already; set address, or make it one thing");
    }
  }
  if (complained) return std::nullopt;
  return parsed;
}

std::string BusSchema() {
  return R"({"type":"object","additionalProperties":false,"properties":{
    "device":{"type":"string","default":"/dev/i2c-1","pattern":"^/",
      "description":"The I2C bus: a device node, or a link to one. Buses of several drivers may name the same node: each transaction locks it."}}})";
}

std::string ThingSchema(const ChipType& type) {
  const auto [low, high] = std::minmax_element(type.addresses.begin(), type.addresses.end());
  std::string schema = R"({"type":"object","additionalProperties":false,"properties":{
    "address":{"type":"integer","minimum":)" +
                       std::to_string(*low) + R"(,"maximum":)" + std::to_string(*high) + R"(,"default":)" +
                       std::to_string(type.default_address) + R"(,"description":"7-bit address of the chip, e.g. )" +
                       Hex(type.default_address) + " (default): " + AddressList(type) + R"(."})";
  if (*type.thing_properties != '\0') schema += std::string(",\n    ") + type.thing_properties;
  return schema + "}}";
}

std::string PointSchema(const ChipType& type) {
  Json names = Json::array();
  std::string units;
  for (const Measurand& measurand : type.measurands) {
    names.push_back(NameOf(measurand.quantity));
    units +=
        (units.empty() ? "" : ", ") + std::string(NameOf(measurand.quantity)) + " in " + UnitOf(measurand.quantity);
  }
  return R"({"type":"object","additionalProperties":false,"properties":{
    "quantity":{"type":"string","enum":)" +
         names.dump() + R"(,"description":"What the point is: )" + units +
         R"(. Default: the point's name, where that is one of them."}}})";
}

}  // namespace penumbra::i2c
