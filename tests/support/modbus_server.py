#!/usr/bin/python3
"""A Modbus server for tests and the demo: several temperature and humidity units, and faults on request.

The protocol is python3-pymodbus's (3.0), so that our driver is never tested against its own twin. Deliberately without
any knowledge of Penumbra. Run it with /usr/bin/python3; it prints "listening PORT" or "serving DEVICE" on standard
output when it is ready, and runs until it is killed (with --die-with-parent also when its parent is gone).

Every unit has in each table the addresses 0 to --size minus 1. Protocol addresses, counted from 0:

  input 1          temperature in tenths of a degree Celsius, s16; drifts slowly; differs by unit
  input 2          relative humidity in tenths of a percent, u16; drifts slowly
  input 4..5       temperature as f32, ABCD
  input 10..11     polls, u32 ABCD: how many read requests touched this register, this one included
  holding 10       set point in tenths of a degree, s16; 215 at start; the temperature follows it slowly
  holding 20..99   memory: reads back what was written, 0 at start
  input, holding 100 and up
                   (unit * 4096 + address + 7 * table) mod 65536 with table 3 for input and 4 for holding,
                   so that a value taken from the wrong place shows; holding can be overwritten
  coil             memory; coil n is on at start when n is a multiple of 3
  discrete         n is on when n is a multiple of 5

Faults, all off by default; UNITS is a list such as 3,7 or 1-5; each "every N" counts replies and spoils every Nth.
"""
import argparse
import asyncio
import ctypes
import itertools
import json
import logging
import math
import signal
import struct
import sys
import time

from pymodbus.datastore import ModbusServerContext
from pymodbus.interfaces import IModbusSlaveContext
from pymodbus.server.async_io import (
    ModbusConnectedRequestHandler,
    ModbusSerialServer,
    ModbusSingleRequestHandler,
    ModbusTcpServer,
)
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 2, 3, 6
TEMPERATURE, HUMIDITY, TEMPERATURE_FLOAT, POLLS, SET_POINT = 1, 2, 4, 10, 10
TABLE_LETTER = {"coil": "c", "discrete": "d", "input": "i", "holding": "h"}
PATTERN_FROM = 100


class Unit(IModbusSlaveContext):
    """The registers of one unit."""

    def __init__(self, unit, options):
        self.unit = unit
        self.size = options.size
        self.holes = [(t, a, b) for t, a, b in options.hole]
        self.polls = 0
        self.written = {("h", SET_POINT): 215}
        self.started = time.monotonic()

    def temperature(self):
        seconds = time.monotonic() - self.started
        set_point = self.written[("h", SET_POINT)] / 10
        settled = 1 - math.exp(-seconds / 120)
        base = 20 + self.unit % 10 * 0.7
        return base + (set_point - base) * settled * 0.5 + 0.8 * math.sin(seconds / 37 + self.unit)

    def humidity(self):
        return 50 + 9 * math.sin((time.monotonic() - self.started) / 53 + 2 * self.unit)

    def validate(self, fx, address, count=1):
        letter, last = self.decode(fx), address + count - 1
        if last >= self.size:
            return False
        return not any(t == letter and a <= last and b >= address for t, a, b in self.holes)

    def getValues(self, fx, address, count=1):
        letter = self.decode(fx)
        if letter == "i" and address <= POLLS + 1 and address + count > POLLS:
            self.polls += 1
        return [self.value(letter, n) for n in range(address, address + count)]

    def setValues(self, fx, address, values):
        letter = self.decode(fx)
        for offset, value in enumerate(values):
            if letter == "h" and address + offset == SET_POINT and value >= 0x8000:
                value -= 0x10000
            self.written[(letter, address + offset)] = value

    def value(self, letter, n):
        if letter == "i":
            fixed = self.measured(n)
            if fixed is not None:
                return fixed & 0xFFFF
        if letter == "d":
            return n % 5 == 0
        if (letter, n) in self.written:
            value = self.written[(letter, n)]
            return bool(value) if letter == "c" else value & 0xFFFF
        if letter == "c":
            return n % 3 == 0
        table = 3 if letter == "i" else 4
        return (self.unit * 4096 + n + 7 * table) & 0xFFFF if n >= PATTERN_FROM else 0

    def measured(self, n):
        if n == TEMPERATURE:
            return round(self.temperature() * 10)
        if n == HUMIDITY:
            return round(self.humidity() * 10)
        if n in (TEMPERATURE_FLOAT, TEMPERATURE_FLOAT + 1):
            return struct.unpack(">HH", struct.pack(">f", round(self.temperature(), 2)))[n - TEMPERATURE_FLOAT]
        if n in (POLLS, POLLS + 1):
            return self.polls >> 16 if n == POLLS else self.polls
        return None


class Image(IModbusSlaveContext):
    """A unit whose registers a file says: {"input": {"1": 225}, "holding": {...}}. What it does not say is refused; nothing can be written."""

    def __init__(self, tables):
        self.words = {TABLE_LETTER[table]: {int(a): word for a, word in words.items()} for table, words in tables.items()}

    def validate(self, fx, address, count=1):
        words = self.words.get(self.decode(fx), {})
        return fx in (3, 4) and all(a in words for a in range(address, address + count))

    def getValues(self, fx, address, count=1):
        words = self.words[self.decode(fx)]
        return [words[a] for a in range(address, address + count)]


class Faults:
    """Spoils replies on their way out; mixed into pymodbus's request handlers."""

    options = None  # set once, before the server starts
    replies = itertools.count(1)

    def execute(self, request, *addr):
        options = self.options
        count = getattr(request, "count", 1) or 1
        bits = request.function_code in (1, 2, 15)
        refusal = None
        if not bits and options.max_words and count > options.max_words:
            refusal = ILLEGAL_VALUE
        elif options.busy_every and next(Faults.replies) % options.busy_every == 0:
            refusal = BUSY
        if refusal is None:
            super().execute(request, *addr)
            return
        response = request.doException(refusal)
        response.transaction_id, response.unit_id = request.transaction_id, request.unit_id
        self.send(response, *addr)

    def _send_(self, data):
        options = self.options
        serial = isinstance(self, ModbusSingleRequestHandler)
        unit = data[0] if serial else data[6]
        if unit in options.silent:
            return
        n = next(Faults.replies)

        def due(every):
            return bool(every) and n % every == 0

        if due(options.drop_every):
            self.transport.close()
            return
        delay = options.slow.get(unit, options.delay_ms) / 1000
        if due(options.late_every):
            delay = options.late_ms / 1000
        if due(options.lose_every):
            return
        if due(options.garbage_every):
            data = bytes((17 * n + 31 * i) & 0xFF for i in range(len(data)))
        if due(options.half_every):
            data = data[: len(data) // 2]
        if due(options.wrong_unit_every):
            data = rewrap(data[:6] + bytes([unit ^ 0x11]) + data[7:] if not serial else bytes([unit ^ 0x11]) + data[1:], serial)
        if due(options.bad_crc_every) and serial:
            data = data[:-1] + bytes([data[-1] ^ 0x5A])
        if due(options.wrong_transaction_every) and not serial:
            data = bytes([data[0] ^ 0x40]) + data[1:]
        if due(options.noise_every) and serial:
            data = b"\x00" + data
        if due(options.twice_every):
            data = data + data
        self.later(delay, data)

    def later(self, delay, data):
        def write():
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(data)

        if delay > 0:
            asyncio.get_running_loop().call_later(delay, write)
        else:
            write()


def rewrap(frame, serial):
    """Corrects the CRC of a serial frame that was changed."""
    if not serial:
        return frame
    crc = 0xFFFF
    for byte in frame[:-2]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return frame[:-2] + struct.pack("<H", crc)


class TcpHandler(Faults, ModbusConnectedRequestHandler):
    pass


class SerialHandler(Faults, ModbusSingleRequestHandler):
    pass


def units(text):
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def hole(text):
    table, _, span = text.partition(":")
    first, _, last = span.partition("-")
    return TABLE_LETTER[table], int(first), int(last or first)


def slow(text):
    unit, _, milliseconds = text.partition(":")
    return int(unit), int(milliseconds)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="serve Modbus TCP on this port; 0 picks a free one")
    where.add_argument("--serial", metavar="DEVICE", help="serve Modbus RTU on this serial device or pty")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--baud", type=int, default=9600, help="speed of the serial device (9600)")
    parser.add_argument("--parity", default="N", choices="NEO", help="parity of the serial device (N)")
    parser.add_argument("--units", type=units, default=[1], help="unit ids that exist (1)")
    parser.add_argument("--image", metavar="FILE", help="JSON of {unit: {table: {address: word}}}: these units instead")
    parser.add_argument("--size", type=int, default=1000, help="addresses of each table (1000)")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the parent process ends")
    faults = parser.add_argument_group("faults")
    faults.add_argument("--silent", type=units, default=[], metavar="UNITS", help="units that never answer")
    faults.add_argument("--slow", type=slow, action="append", default=[], metavar="UNIT:MS", help="delay of one unit")
    faults.add_argument("--delay-ms", type=int, default=0, help="delay of every reply")
    faults.add_argument("--hole", type=hole, action="append", default=[], metavar="TABLE:FIRST[-LAST]",
                        help="addresses refused with exception 2, e.g. holding:110-119")
    faults.add_argument("--max-words", type=int, default=0, help="longer reads are refused with exception 3")
    faults.add_argument("--late-ms", type=int, default=1000, help="how late --late-every is (1000)")
    for name, what in (("busy", "answer exception 6"), ("drop", "close the connection instead of answering"),
                       ("lose", "do not answer"), ("late", "answer late"), ("twice", "answer twice"),
                       ("garbage", "answer with garbage"), ("half", "answer with half a frame"),
                       ("wrong-unit", "answer in another unit's name"),
                       ("wrong-transaction", "answer with another transaction id (TCP)"),
                       ("bad-crc", "answer with a wrong CRC (serial)"), ("noise", "begin with a stray byte (serial)")):
        faults.add_argument(f"--{name}-every", type=int, default=0, metavar="N", help=what)
    return parser.parse_args()


async def serve(options):
    units_served = {u: Unit(u, options) for u in options.units}
    if options.image:
        with open(options.image, encoding="utf-8") as file:
            units_served = {int(unit): Image(tables) for unit, tables in json.load(file).items()}
    context = ModbusServerContext(slaves=units_served, single=False)
    if options.serial:
        server = ModbusSerialServer(context, framer=ModbusRtuFramer, port=options.serial, baudrate=options.baud,
                                    parity=options.parity, handler=SerialHandler, ignore_missing_slaves=True)
        await server.start()
        if server.transport is None:
            sys.exit(f"cannot open {options.serial}")
        print(f"serving {options.serial}", flush=True)
        await server.serve_forever()
        return
    server = ModbusTcpServer(context, framer=ModbusSocketFramer, address=(options.host, options.port),
                             handler=TcpHandler, allow_reuse_address=True, ignore_missing_slaves=True, backlog=256)
    task = asyncio.ensure_future(server.serve_forever())
    await asyncio.wait([server.serving, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    print(f"listening {server.server.sockets[0].getsockname()[1]}", flush=True)
    await task


def main():
    options = parse_arguments()
    logging.disable(logging.CRITICAL)  # pymodbus calls every closed connection an error
    options.slow = dict(options.slow)
    Faults.options = options
    if options.die_with_parent:
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    try:
        asyncio.run(serve(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except OSError as failure:
        sys.exit(f"modbus_server: {failure}")


if __name__ == "__main__":
    main()
