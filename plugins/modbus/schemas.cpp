#include "modbus/schemas.hpp"

namespace penumbra::modbus {

const char* const kBusSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "transport": {"type": "string", "enum": ["tcp", "rtu", "rtu-tcp"], "default": "tcp",
      "description": "How the units are reached: tcp (Modbus TCP), rtu (serial line, usually RS-485), or rtu-tcp (RTU frames through a transparent serial server)."},
    "host": {"type": "string", "x-endpoint": "shared",
      "description": "tcp, rtu-tcp: host name or address of the device or gateway. One connection serves all units of the bus."},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 502, "x-endpoint": "shared",
      "description": "tcp, rtu-tcp: port."},
    "device": {"type": "string", "x-endpoint": "exclusive",
      "description": "rtu: serial port, best by a name that survives replugging: /dev/serial/by-id/..."},
    "baud": {"type": "integer", "default": 9600, "x-unit": "Bd",
      "enum": [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 921600],
      "description": "rtu: speed of the line, the same for all its units. rtu-tcp: of the line behind the server, for time-outs and the read plan; parity, data_bits and stop_bits likewise."},
    "parity": {"type": "string", "default": "none", "pattern": "^(none|even|odd|[78][NEO][12])$",
      "description": "rtu: none, even or odd; or the whole format in one word, such as 8E1, which then replaces data_bits and stop_bits. The Modbus standard says 8E1, most sensors are delivered with 8N1."},
    "data_bits": {"type": "integer", "minimum": 7, "maximum": 8, "default": 8, "x-unit": "bit",
      "description": "rtu: data bits; the RTU protocol needs 8."},
    "stop_bits": {"type": "integer", "minimum": 1, "maximum": 2, "default": 1, "x-unit": "bit",
      "description": "rtu: stop bits."},
    "rs485": {"type": "boolean", "default": false,
      "description": "rtu: let the kernel switch the transceiver between sending and receiving (TIOCSRS485). For ports of the board that need it; USB adapters switch by themselves."},
    "connect_timeout_ms": {"type": "integer", "minimum": 1, "maximum": 600000, "default": 2000, "x-unit": "ms",
      "description": "tcp, rtu-tcp: how long to wait for a connection, name look-up included."},
    "pause_after_connect_ms": {"type": "integer", "minimum": 0, "maximum": 60000, "default": 0, "x-unit": "ms",
      "description": "Silence after the connection or port was opened, for devices that need a moment."},
    "turnaround_ms": {"type": "integer", "minimum": 0, "maximum": 60000, "default": 0, "x-unit": "ms",
      "description": "Silence before a request to another unit than the one before. The silence between frames that the protocol demands is always kept."}
  }
})json";

const char* const kThingSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "unit": {"type": "integer", "minimum": 0, "maximum": 255, "default": 1,
      "description": "Modbus unit id (slave address): 1 to 247, on tcp also 0 and 255."},
    "max_words": {"type": "integer", "minimum": 1, "maximum": 125, "default": 125, "x-unit": "registers",
      "description": "Most registers the device answers in one request."},
    "max_bits": {"type": "integer", "minimum": 1, "maximum": 2000, "default": 2000, "x-unit": "bit",
      "description": "Most coils or discrete inputs the device answers in one request."},
    "max_gap": {"type": "integer", "minimum": 0, "maximum": 125, "default": 50, "x-unit": "registers",
      "description": "Most unused registers to read along between two points when that saves a request (of coils and discrete inputs sixteen times as many). 0 reads adjacent registers only."},
    "forbidden": {"type": "array",
      "items": {"type": "string", "pattern": "^((coil|discrete|input|holding) )?[0-9]{1,5}(-[0-9]{1,5})?$"},
      "description": "Protocol addresses never to be read along, because the device answers them with an exception or reading changes something: \"holding 100-119\", \"input 7\"; without a table both input and holding."},
    "read_clears": {"type": "array",
      "items": {"type": "string", "pattern": "^((coil|discrete|input|holding) )?[0-9]{1,5}(-[0-9]{1,5})?$"},
      "description": "Protocol addresses that change when they are read, such as counters that start again: read only for a point that lies there, never along with others. Written as forbidden."},
    "pause_ms": {"type": "integer", "minimum": 0, "maximum": 60000, "default": 0, "x-unit": "ms",
      "description": "Silence before each request to this unit."},
    "multiple_writes_only": {"type": "boolean", "default": false,
      "description": "Write also a single coil or register with functions 15 and 16, for devices that lack 5 and 6."},
    "merge_writes": {"type": "boolean", "default": true,
      "description": "Write values that are set together and lie side by side in one request (functions 15 and 16). When the device refuses it, or with false, each goes by itself."}
  }
})json";

const char* const kPointSchema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["address"],
  "properties": {
    "table": {"type": "string", "enum": ["coil", "discrete", "input", "holding"],
      "description": "coil (0x, read and write bits), discrete (1x, read-only bits), input (3x, read-only registers) or holding (4x, read and write registers). May be left out when address is in entity notation."},
    "address": {"type": ["integer", "string"], "minimum": 0, "maximum": 65535, "pattern": "^[0134]([0-9]{4}|[0-9]{5})$",
      "description": "Protocol address counted from 0, as a number; or in quotes the entity number of the manual, counted from 1 with the table in the first digit: \"00001\" coil, \"10001\" discrete, \"30001\" input, \"40001\" or \"400001\" holding. \"30002\" is input 1."},
    "type": {"type": "string",
      "enum": ["bool", "s16", "u16", "s32", "u32", "s64", "u64", "f16", "f32", "f64", "bcd16", "bcd32", "string"],
      "description": "What the registers hold. Default: bool for coil and discrete, u16 for input and holding. A bool in a register is true when the register is not 0, or as its bit says."},
    "order": {"type": "string", "enum": ["ABCD", "CDAB", "BADC", "DCBA"], "default": "ABCD",
      "description": "Order of the bytes, A the most significant: ABCD as the standard has it, CDAB with the registers reversed, BADC with the bytes of each register swapped, DCBA with both. The same for 64 bits; of 16 bits only ABCD and BADC."},
    "length": {"type": "integer", "minimum": 1, "maximum": 125, "x-unit": "registers",
      "description": "string: number of registers, two characters each."},
    "bit": {"type": "integer", "minimum": 0, "maximum": 15,
      "description": "bool in a register: which bit, 0 the least significant. Writing it reads the register first and keeps the others."}
  }
})json";

}  // namespace penumbra::modbus
