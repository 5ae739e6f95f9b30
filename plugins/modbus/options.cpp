#include "modbus/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <tuple>

namespace penumbra::modbus {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kRegisters = 65536;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// Time for the device to think, where nothing better is known: common sensors take 2 to 20 ms.
constexpr std::int64_t kTurnaroundGuessNs = 10 * kNsPerMs;
constexpr std::int64_t kTcpRoundTripGuessNs = 2 * kNsPerMs;
constexpr std::int64_t kTcpByteNs = 80;  // 100 Mbit/s
constexpr std::int64_t kMbapBytes = 7;
constexpr std::int64_t kAddressAndCrc = 3;
constexpr std::int64_t kTcpTimeoutMs = 500;
constexpr std::int64_t kRtuTimeoutExtraMs = 200;
// Above this, the silence between frames no longer shrinks with the baud rate.
constexpr std::uint32_t kFixedGapBaud = 19200;
constexpr std::int64_t kFixedGapNs = 1'750'000;
constexpr std::uint32_t kMaxTimeoutMs = 600'000;
constexpr std::uint32_t kMaxPauseMs = 60'000;

// libmodbus silently takes 9600 for a rate it does not know, so only these are let through.
constexpr std::array<std::uint32_t, 14> kBauds{300,   600,   1200,   2400,   4800,   9600,   19200,
                                               38400, 57600, 115200, 230400, 460800, 500000, 921600};

std::string Quote(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::optional<std::uint32_t> Digits(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<Table> TableFromName(std::string_view name) {
  for (const Table table : {Table::kCoil, Table::kDiscrete, Table::kInput, Table::kHolding}) {
    if (NameOf(table) == name) return table;
  }
  return std::nullopt;
}

// One object of the configuration, its place, and the complaints about it.
class Reader {
 public:
  Reader(const Json& object, std::string pointer, const Complain& complain, bool& failed)
      : object_(object), pointer_(std::move(pointer)), complain_(complain), failed_(failed) {}

  void Fault(std::string_view key, const std::string& message) {
    failed_ = true;
    complain_(key.empty() ? pointer_ : pointer_ + "/" + std::string(key), message);
  }

  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  const Json* Find(std::string_view key) const {
    const auto found = object_.find(std::string(key));
    return found == object_.end() ? nullptr : &*found;
  }

  std::optional<std::string> Text(std::string_view key) {
    const Json* value = Find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) {
      Fault(key, std::string(key) + " is a text in quotes");
      return std::nullopt;
    }
    return value->get<std::string>();
  }

  // Leaves `target` alone when the key is missing or wrong.
  template <typename Number>
  void Integer(std::string_view key, std::int64_t min, std::int64_t max, Number& target) {
    const Json* value = Find(key);
    if (value == nullptr) return;
    // A huge unsigned number would come out negative, hence two questions.
    const bool fits = value->is_number_unsigned() ? value->get<std::uint64_t>() <= static_cast<std::uint64_t>(max) &&
                                                        static_cast<std::int64_t>(value->get<std::uint64_t>()) >= min
                      : value->is_number_integer()
                          ? value->get<std::int64_t>() >= min && value->get<std::int64_t>() <= max
                          : false;
    if (!fits) {
      Fault(key, std::string(key) + " is a whole number from " + std::to_string(min) + " to " + std::to_string(max));
      return;
    }
    target = static_cast<typename Underlying<Number>::type>(value->get<std::int64_t>());
  }

  void Flag(std::string_view key, bool& target) {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fault(key, std::string(key) + " is true or false");
    target = value->get<bool>();
  }

 private:
  template <typename T>
  struct Underlying {
    using type = T;
  };
  template <typename T>
  struct Underlying<std::optional<T>> {
    using type = T;
  };

  const Json& object_;
  std::string pointer_;
  const Complain& complain_;
  bool& failed_;
};

// "8E1": data bits, parity and stop bits in one word.
bool ApplyLineFormat(std::string_view text, Reader& reader, BusOptions& bus) {
  if (text.size() != 3 || (text[0] != '7' && text[0] != '8') ||
      std::string_view("NEO").find(text[1]) == std::string_view::npos || (text[2] != '1' && text[2] != '2')) {
    return false;
  }
  if (reader.Has("data_bits") || reader.Has("stop_bits")) {
    reader.Fault("parity",
                 "parity " + Quote(text) + " already says data and stop bits; remove data_bits and stop_bits");
  }
  bus.data_bits = text[0] - '0';
  bus.parity = text[1];
  bus.stop_bits = text[2] - '0';
  return true;
}

// Speed and format of the serial line.
void ParseLine(Reader& reader, BusOptions& bus) {
  reader.Integer("baud", 300, 921600, bus.baud);
  if (std::find(kBauds.begin(), kBauds.end(), bus.baud) == kBauds.end()) {
    reader.Fault("baud", std::to_string(bus.baud) + " is no usual baud rate; for example 9600, 19200, 38400 or 115200");
  }
  reader.Integer("data_bits", 7, 8, bus.data_bits);
  reader.Integer("stop_bits", 1, 2, bus.stop_bits);
  if (const auto parity = reader.Text("parity")) {
    if (*parity == "none") {
      bus.parity = 'N';
    } else if (*parity == "even") {
      bus.parity = 'E';
    } else if (*parity == "odd") {
      bus.parity = 'O';
    } else if (!ApplyLineFormat(*parity, reader, bus)) {
      reader.Fault("parity", "parity is \"none\", \"even\", \"odd\", or the whole format such as \"8E1\"");
    }
  }
  if (bus.data_bits != 8) reader.Fault(reader.Has("data_bits") ? "data_bits" : "parity", "RTU needs 8 data bits");
}

void ParseSerial(Reader& reader, BusOptions& bus) {
  if (const auto device = reader.Text("device")) bus.device = *device;
  if (bus.device.empty()) reader.Fault("", "transport \"rtu\" needs device, for example \"/dev/ttyUSB0\"");
  ParseLine(reader, bus);
  reader.Flag("rs485", bus.rs485);
  for (const char* key : {"host", "port"}) {
    if (reader.Has(key))
      reader.Fault(key, std::string(key) + " goes with transport \"tcp\" or \"rtu-tcp\"; this bus is \"rtu\"");
  }
}

void ParseTcp(Reader& reader, BusOptions& bus, const std::string& transport) {
  if (const auto host = reader.Text("host")) bus.host = *host;
  if (bus.host.empty()) reader.Fault("", "transport " + Quote(transport) + " needs host, a name or an address");
  reader.Integer("port", 1, 65535, bus.port);
  const auto refuse = [&](const char* key, const char* where) {
    if (reader.Has(key))
      reader.Fault(key, std::string(key) + " goes with transport " + where + "; this bus is " + Quote(transport));
  };
  for (const char* key : {"device", "rs485"}) refuse(key, "\"rtu\"");
  if (bus.transport == Transport::kRtuTcp) return ParseLine(reader, bus);
  for (const char* key : {"baud", "parity", "data_bits", "stop_bits"}) refuse(key, "\"rtu\" or \"rtu-tcp\"");
}

void ParseBus(Reader& reader, BusOptions& bus) {
  const std::string transport = reader.Text("transport").value_or("tcp");
  if (transport == "rtu") {
    bus.transport = Transport::kRtu;
    ParseSerial(reader, bus);
  } else if (transport == "tcp" || transport == "rtu-tcp") {
    bus.transport = transport == "tcp" ? Transport::kTcp : Transport::kRtuTcp;
    ParseTcp(reader, bus, transport);
  } else {
    reader.Fault("transport", Quote(transport) + " is no transport; write \"tcp\", \"rtu\" or \"rtu-tcp\"");
  }
  reader.Integer("connect_timeout_ms", 1, kMaxTimeoutMs, bus.connect_timeout_ms);
  reader.Integer("pause_after_connect_ms", 0, kMaxPauseMs, bus.pause_after_connect_ms);
  reader.Integer("turnaround_ms", 0, kMaxPauseMs, bus.turnaround_ms);
}

// "holding 100-119", "100-119" (input and holding), "7".
bool ParseRange(std::string_view text, std::vector<Range>& ranges) {
  std::vector<Table> tables{Table::kInput, Table::kHolding};
  if (const auto space = text.find(' '); space != std::string_view::npos) {
    const auto table = TableFromName(text.substr(0, space));
    if (!table) return false;
    tables = {*table};
    text.remove_prefix(space + 1);
  }
  const auto dash = text.find('-');
  const auto first = Digits(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : Digits(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last >= kRegisters) return false;
  for (const Table table : tables) ranges.push_back({.table = table, .first = *first, .last = *last});
  return true;
}

void ParseRanges(Reader& reader, const char* key, std::vector<Range>& ranges) {
  const Json* list = reader.Find(key);
  if (list == nullptr) return;
  if (!list->is_array()) return reader.Fault(key, std::string(key) + " is a list such as [\"holding 100-119\"]");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& entry = (*list)[i];
    if (!entry.is_string() || !ParseRange(entry.get_ref<const std::string&>(), ranges)) {
      reader.Fault(std::string(key) + "/" + std::to_string(i),
                   "a range of protocol addresses such as \"holding 100-119\", \"input 7\" or \"100-119\"");
    }
  }
}

void ParseLimits(Reader& reader, Limits& limits) {
  reader.Integer("max_words", 1, kMaxReadWords, limits.max_words);
  reader.Integer("max_bits", 1, kMaxReadBits, limits.max_bits);
  reader.Integer("max_gap", 0, kMaxReadWords, limits.max_gap);
  ParseRanges(reader, "forbidden", limits.forbidden);
  ParseRanges(reader, "read_clears", limits.read_clears);
}

struct Place {
  Table table;
  std::uint32_t address;
};

// "30002", "400001": the table in the first digit, the number counted from 1 behind it.
std::optional<Place> FromEntity(std::string_view text) {
  if (text.size() != 5 && text.size() != 6) return std::nullopt;
  const auto number = Digits(text.substr(1));
  if (!number || *number == 0 || *number > kRegisters) return std::nullopt;
  switch (text[0]) {
    case '0':
      return Place{Table::kCoil, *number - 1};
    case '1':
      return Place{Table::kDiscrete, *number - 1};
    case '3':
      return Place{Table::kInput, *number - 1};
    case '4':
      return Place{Table::kHolding, *number - 1};
    default:
      return std::nullopt;
  }
}

// Answers whether table and address are known.
bool ParsePlace(Reader& reader, PointOptions& point) {
  std::optional<Table> table;
  if (const auto name = reader.Text("table")) {
    table = TableFromName(*name);
    if (!table) reader.Fault("table", Quote(*name) + " is no table; write coil, discrete, input or holding");
  }
  const Json* address = reader.Find("address");
  if (address == nullptr) {
    reader.Fault("", "address is missing: a protocol address counted from 0, or \"40001\" in quotes");
    return false;
  }
  if (!address->is_string()) {
    std::int64_t number = -1;
    reader.Integer("address", 0, kRegisters - 1, number);
    if (!reader.Has("table")) reader.Fault("", "table is missing: coil, discrete, input or holding");
    if (number < 0 || !table) return false;
    point.table = *table;
    point.address = static_cast<std::uint16_t>(number);
    return true;
  }
  const std::string& text = address->get_ref<const std::string&>();
  const auto place = FromEntity(text);
  if (!place) {
    reader.Fault("address", Quote(text) +
                                " is no entity number: \"00001\" coil, \"10001\" discrete, \"30001\" input, \"40001\" "
                                "holding; a protocol address goes without quotes");
    return false;
  }
  if (table && *table != place->table) {
    reader.Fault("address", Quote(text) + " names table " + std::string(NameOf(place->table)) + ", but table says " +
                                std::string(NameOf(*table)));
    return false;
  }
  point.table = place->table;
  point.address = static_cast<std::uint16_t>(place->address);
  return true;
}

void CheckOrder(Reader& reader, const Encoding& encoding, const std::string& text) {
  const bool reverses_words = encoding.order == Order::kCdab || encoding.order == Order::kDcba;
  if (encoding.type == Type::kBool) {
    reader.Fault("order", "order has no meaning for a bool");
  } else if (encoding.type == Type::kString && reverses_words) {
    reader.Fault("order", "the order of a string is ABCD, or BADC for the low byte first");
  } else if (encoding.type != Type::kString && WordsOf(encoding) == 1 && reverses_words) {
    reader.Fault("order", text + " needs a type of 32 or 64 bits; of 16 bits it is ABCD, or BADC to swap the bytes");
  }
}

void ParseEncoding(Reader& reader, bool bits, Encoding& encoding) {
  encoding.type = bits ? Type::kBool : Type::kU16;
  if (const auto name = reader.Text("type")) {
    const auto type = TypeFromName(*name);
    if (!type) {
      return reader.Fault("type", Quote(*name) +
                                      " is no type; write s16, u16, s32, u32, s64, u64, f16, f32, f64, bcd16, "
                                      "bcd32, bool or string");
    }
    if (bits && *type != Type::kBool) {
      reader.Fault("type", "a coil or discrete input is one bit: its type is bool, not " + *name);
    }
    encoding.type = *type;
  }
  if (const auto name = reader.Text("order")) {
    const auto order = OrderFromName(*name);
    if (!order) return reader.Fault("order", Quote(*name) + " is no order; write ABCD, CDAB, BADC or DCBA");
    encoding.order = *order;
    // The example configurations write ABCD everywhere, which changes nothing anywhere.
    if (*order != Order::kAbcd) CheckOrder(reader, encoding, *name);
  }
  if (reader.Has("bit")) {
    std::uint8_t bit = 0;
    reader.Integer("bit", 0, 15, bit);
    encoding.bit = bit;
    if (bits) reader.Fault("bit", "a coil or discrete input has no bits; remove bit");
    if (!bits && encoding.type != Type::kBool) reader.Fault("bit", "bit goes with type bool only");
  }
  reader.Integer("length", 1, kMaxReadWords, encoding.length);
  if (encoding.type == Type::kString && !reader.Has("length")) {
    reader.Fault("", "type string needs length, the number of registers");
  }
  if (encoding.type != Type::kString && reader.Has("length")) {
    reader.Fault("length", "length goes with type string only; the other types know theirs");
  }
}

void CheckReach(Reader& reader, const PointOptions& point, const Limits& limits) {
  const Item item = point.item();
  const std::uint32_t last = item.address + std::max<std::uint32_t>(item.count, 1) - 1;
  if (last >= kRegisters) {
    reader.Fault("address", std::string(NameOf(point.encoding.type)) + " at " + std::to_string(item.address) +
                                " takes " + std::to_string(item.count) + " registers and passes the last one, 65535");
  }
  if (!IsBits(item.table) && item.count > limits.max_words) {
    reader.Fault(point.encoding.type == Type::kString ? "length" : "type",
                 std::to_string(item.count) + " registers are more than this thing's max_words " +
                     std::to_string(limits.max_words));
  }
  for (const Range& range : limits.forbidden) {
    if (range.table == item.table && range.first <= last && range.last >= item.address) {
      reader.Fault("address", "lies in the thing's forbidden range " + std::to_string(range.first) + "-" +
                                  std::to_string(range.last));
      return;
    }
  }
}

void CheckDuplicate(Reader& reader, const ThingOptions& thing, const PointOptions& point) {
  for (const PointOptions& other : thing.points) {
    if (other.table == point.table && other.address == point.address && other.encoding == point.encoding) {
      return reader.Fault("address", "the same value as point " + Quote(other.name) + " of this thing (" +
                                         std::string(NameOf(point.table)) + " " + std::to_string(point.address) + ")");
    }
  }
}

// Parses the objects of the list under `key`; `parse` gets each with its reader.
template <typename Parse>
void EachObject(const Json& owner, const char* key, const std::string& pointer, const Complain& complain, bool& failed,
                const Parse& parse) {
  const auto list = owner.find(key);
  if (list == owner.end()) return;
  const std::string base = pointer + "/" + key;
  if (!list->is_array()) {
    failed = true;
    return complain(base, std::string(key) + " is a list");
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = base + "/" + std::to_string(i);
    Reader reader((*list)[i], place, complain, failed);
    if (!(*list)[i].is_object()) {
      reader.Fault("", "an object is needed here");
      continue;
    }
    parse((*list)[i], place, reader);
  }
}

PointOptions ParsePoint(Reader& reader, const ThingOptions& thing) {
  PointOptions point;
  point.name = reader.Text("name").value_or("");
  const bool placed = ParsePlace(reader, point);
  ParseEncoding(reader, placed && IsBits(point.table), point.encoding);
  if (placed) {
    CheckReach(reader, point, thing.limits);
    CheckDuplicate(reader, thing, point);
  }
  return point;
}

ThingOptions ParseThing(const Json& object, const std::string& pointer, Reader& reader, const BusOptions& bus,
                        const Complain& complain, bool& failed) {
  ThingOptions thing;
  thing.name = reader.Text("name").value_or("");
  reader.Integer("unit", 0, 255, thing.unit);
  if (bus.framing() == Framing::kRtu && (thing.unit < 1 || thing.unit > 247)) {
    reader.Fault("unit", "unit " + std::to_string(thing.unit) + " is not possible on a serial line: 1 to 247");
  } else if (thing.unit > 247 && thing.unit < 255) {
    reader.Fault("unit", "unit " + std::to_string(thing.unit) + " is reserved: 1 to 247, on TCP also 0 and 255");
  }
  ParseLimits(reader, thing.limits);
  reader.Integer("pause_ms", 0, kMaxPauseMs, thing.pause_ms);
  reader.Flag("multiple_writes_only", thing.multiple_writes_only);
  reader.Flag("merge_writes", thing.merge_writes);
  reader.Integer("timeout_ms", 1, kMaxTimeoutMs, thing.timeout_ms);
  reader.Integer("retries", 0, 100, thing.retries);
  EachObject(object, "points", pointer, complain, failed,
             [&](const Json&, const std::string&, Reader& point) { thing.points.push_back(ParsePoint(point, thing)); });
  return thing;
}

}  // namespace

std::optional<Configuration> ParseConfiguration(std::string_view text, const Complain& complain) {
  const Json root = Json::parse(text, nullptr, false);
  if (!root.is_object() || !root.contains("bus") || !root["bus"].is_object()) {
    complain("", "the configuration is a JSON object with \"bus\" and \"things\"");
    return std::nullopt;
  }
  bool failed = false;
  Configuration configuration;
  Reader bus(root["bus"], "/bus", complain, failed);
  ParseBus(bus, configuration.bus);
  std::optional<std::uint32_t> timeout_ms;
  std::uint32_t retries = 1;
  bus.Integer("timeout_ms", 1, kMaxTimeoutMs, timeout_ms);
  bus.Integer("retries", 0, 100, retries);
  EachObject(root, "things", "", complain, failed, [&](const Json& object, const std::string& pointer, Reader& reader) {
    ThingOptions thing = ParseThing(object, pointer, reader, configuration.bus, complain, failed);
    if (!thing.timeout_ms) thing.timeout_ms = timeout_ms;
    if (!reader.Has("retries")) thing.retries = retries;
    configuration.things.push_back(std::move(thing));
  });
  if (failed) return std::nullopt;
  // Facts are not the operator's: what is wrong with them is no fault of the configuration.
  if (const auto facts = root.find("facts"); facts != root.end() && facts->is_object()) {
    for (const auto& [key, value] : facts->items()) configuration.facts[key] = value.dump();
  }
  return configuration;
}

int BitsPerCharacter(const BusOptions& bus) {
  return 1 + bus.data_bits + (bus.parity == 'N' ? 0 : 1) + bus.stop_bits;
}

std::int64_t CharactersNs(const BusOptions& bus, std::int64_t characters) {
  return characters * BitsPerCharacter(bus) * kNsPerSecond / bus.baud;
}

std::int64_t FrameGapNs(const BusOptions& bus) {
  return bus.baud > kFixedGapBaud ? kFixedGapNs : CharactersNs(bus, 7) / 2;
}

std::int64_t RequestBytes(Transport transport) {
  constexpr std::int64_t kReadPdu = 5;
  return kReadPdu + (transport == Transport::kTcp ? kMbapBytes : kAddressAndCrc);
}

std::int64_t ReplyBytes(Transport transport, Table table, std::uint32_t count) {
  constexpr std::int64_t kFunctionAndCount = 2;
  return kFunctionAndCount + DataBytes(table, count) + (transport == Transport::kTcp ? kMbapBytes : kAddressAndCrc);
}

Costs CostsOf(const BusOptions& bus, const ThingOptions& thing) {
  const std::int64_t pause_ns = thing.pause_ms * kNsPerMs;
  if (bus.transport == Transport::kTcp) return {.request_ns = kTcpRoundTripGuessNs + pause_ns, .byte_ns = kTcpByteNs};
  const std::int64_t characters = RequestBytes(bus.transport) + ReplyBytes(bus.transport, Table::kHolding, 0);
  // One gap ends the request, for the device; the other, or a longer pause, comes before the next one.
  std::int64_t request_ns =
      CharactersNs(bus, characters) + FrameGapNs(bus) + std::max(FrameGapNs(bus), pause_ns) + kTurnaroundGuessNs;
  if (bus.transport == Transport::kRtuTcp) request_ns += kTcpRoundTripGuessNs;
  return {.request_ns = request_ns, .byte_ns = CharactersNs(bus, 1)};
}

std::int64_t ReplyTimeoutNs(const BusOptions& bus, const ThingOptions& thing, const Request& request) {
  if (thing.timeout_ms) return *thing.timeout_ms * kNsPerMs;
  if (bus.transport == Transport::kTcp) return kTcpTimeoutMs * kNsPerMs;
  const auto characters = static_cast<std::int64_t>(request.pdu.size + ReplySize(request)) + 2 * kAddressAndCrc;
  const std::int64_t extra_ms = bus.transport == Transport::kRtu ? kRtuTimeoutExtraMs : kTcpTimeoutMs;
  return extra_ms * kNsPerMs + CharactersNs(bus, characters);
}

}  // namespace penumbra::modbus
