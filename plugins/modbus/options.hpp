// The driver's configuration: from the JSON that the host passes to plain values, with every fault named by its JSON
// pointer. Checks again what the schemas already say, because open() may be called by a host that did not look.
// Touches no device. Pure; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modbus/codec.hpp"
#include "modbus/planner.hpp"

namespace penumbra::modbus {

struct PointOptions {
  std::string name;
  Table table = Table::kHolding;
  std::uint16_t address = 0;  // protocol address, counted from 0
  Encoding encoding;

  Item item() const {
    return {.table = table, .address = address, .count = IsBits(table) ? std::uint16_t{1} : WordsOf(encoding)};
  }
};

struct ThingOptions {
  std::string name;
  std::uint8_t unit = 1;
  Limits limits;
  std::uint32_t pause_ms = 0;         // silence before each request to this unit
  bool multiple_writes_only = false;  // functions 15 and 16 also for a single coil or register
  bool merge_writes = true;           // values written together that lie side by side go in one request
  std::optional<std::uint32_t> timeout_ms;
  std::uint32_t retries = 1;
  std::vector<PointOptions> points;
};

// kRtuTcp: RTU frames through a TCP connection, as transparent serial servers carry them.
enum class Transport { kTcp, kRtu, kRtuTcp };

inline bool IsSocket(Transport transport) {
  return transport != Transport::kRtu;
}

struct BusOptions {
  Transport transport = Transport::kTcp;
  std::string host;
  std::uint16_t port = 502;
  std::string device;
  std::uint32_t baud = 9600;
  char parity = 'N';  // N, E, O
  int data_bits = 8;
  int stop_bits = 1;
  bool rs485 = false;  // the kernel switches the transceiver's direction
  std::uint32_t connect_timeout_ms = 2000;
  std::uint32_t pause_after_connect_ms = 0;
  std::uint32_t turnaround_ms = 0;  // silence after the unit has changed

  Framing framing() const { return transport == Transport::kTcp ? Framing::kTcp : Framing::kRtu; }
};

struct Configuration {
  BusOptions bus;
  std::vector<ThingOptions> things;
  std::map<std::string, std::string> facts;  // what the host was told to remember, as JSON texts by key
};

using Complain = std::function<void(const std::string& pointer, const std::string& message)>;

// Answers nullopt after at least one complaint. `text` is the JSON object described in penumbra/driver.h.
std::optional<Configuration> ParseConfiguration(std::string_view text, const Complain& complain);

// Bits on the wire for one character.
int BitsPerCharacter(const BusOptions& bus);
// Time of `characters` on the serial line.
std::int64_t CharactersNs(const BusOptions& bus, std::int64_t characters);
// The silence that ends a frame: 3.5 characters, fixed at 1.75 ms above 19200 baud (MODBUS over Serial Line 2.5.1.1).
std::int64_t FrameGapNs(const BusOptions& bus);
// Bytes on the wire of a read request and of the answer to it.
std::int64_t RequestBytes(Transport transport);
std::int64_t ReplyBytes(Transport transport, Table table, std::uint32_t count);
// What a request costs on this bus, for the planner: bytes, frame gaps, pauses, and the time the device thinks.
Costs CostsOf(const BusOptions& bus, const ThingOptions& thing);
// How long to wait for the answer to a request: as configured, or 500 ms on TCP, or on a serial line 200 ms and the
// time of request and reply.
std::int64_t ReplyTimeoutNs(const BusOptions& bus, const ThingOptions& thing, const Request& request);

}  // namespace penumbra::modbus
