"""A Modbus server that lies: on plain sockets and ptys, without any Modbus library, so that it can send what none would.

Every unit 1..247 exists. Holding register x of unit u holds, by x % 300: at 0 and 1 the number of the request that it answers (u32, counted
by unit), elsewhere (u * 4096 + x) mod 65536: a value tells which unit, which address and which request it belongs to. Each reply may be
spoiled; `spoiled` counts how often each way was taken. Use as a context manager; runs on a thread of its own.
"""
import asyncio
import collections
import os
import random
import struct
import threading
import time
import tty

LATE_S = (0.06, 0.15)  # later than the time-out that the tests configure


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def register(unit, address, serial):
    offset = address % 300
    if offset < 2:
        return serial >> 16 & 0xFFFF if offset == 0 else serial & 0xFFFF
    return (unit * 4096 + address) & 0xFFFF


class Line:
    """One connection or serial line: takes requests apart, answers in its own way."""

    def __init__(self, server, write, serial):
        self.server, self.write, self.serial = server, write, serial
        self.buffer = b""
        self.previous = b""

    def feed(self, data):
        self.buffer += data
        while request := self.next_request():
            self.answer(*request)

    def next_request(self):
        """(transaction, unit, pdu) or None."""
        if not self.serial:
            if len(self.buffer) < 12:
                return None
            transaction, _, length, unit = struct.unpack(">HHHB", self.buffer[:7])
            pdu, self.buffer = self.buffer[7:6 + length], self.buffer[6 + length:]
            return transaction, unit, pdu
        while len(self.buffer) >= 8:
            if crc(self.buffer[:6]) == self.buffer[6:8]:
                frame, self.buffer = self.buffer[:6], self.buffer[8:]
                return 0, frame[0], frame[1:]
            self.buffer = self.buffer[1:]
        return None

    def frame(self, transaction, unit, pdu):
        if self.serial:
            body = bytes([unit]) + pdu
            return body + crc(body)
        return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu

    def read_reply(self, unit, address, count, serial):
        words = [register(unit, address + i, serial) for i in range(count)]
        return struct.pack(f">BB{count}H", 3, 2 * count, *words)

    def answer(self, transaction, unit, pdu):
        function, address, count = struct.unpack(">BHH", pdu[:5])
        assert function == 3
        self.server.requests += 1
        self.server.serials[unit] += 1
        serial = self.server.serials[unit]
        self.server.asked[unit, serial] = time.time()
        reply = self.frame(transaction, unit, self.read_reply(unit, address, count, serial))
        fault = self.server.choose(self.serial)
        self.server.spoiled[fault] += 1
        self.send(fault, reply, transaction, unit, address, count, serial)
        self.previous = reply

    def send(self, fault, reply, transaction, unit, address, count, serial):
        write, later = self.write, self.server.later
        other = unit % 247 + 1
        stranger = self.frame(transaction, other, self.read_reply(other, address, count, serial))
        if fault == "late":
            later(random.uniform(*LATE_S), write, reply)
        elif fault == "twice":
            write(reply + reply)
        elif fault == "foreign unit":
            write(stranger)
        elif fault == "foreign unit first":
            write(stranger + reply)
        elif fault == "wrong transaction":
            write(self.frame(transaction ^ random.randint(1, 0xFFFF), unit, self.read_reply(unit, address + 300, count, serial)))
        elif fault == "wrong transaction first":
            write(self.frame(transaction + 1 & 0xFFFF, unit, self.read_reply(unit, address + 300, count, serial)) + reply)
        elif fault == "previous first":
            write(self.previous + reply)
        elif fault == "wrong length":
            write(self.frame(transaction, unit, self.read_reply(unit, address + 300, count + 1, serial)))
        elif fault == "wrong function":
            write(self.frame(transaction, unit, bytes([4]) + self.read_reply(unit, address + 300, count, serial)[1:]))
        elif fault == "bad crc":
            write(reply[:-1] + bytes([reply[-1] ^ random.randint(1, 255)]))
        elif fault == "flipped bit":
            position = random.randrange(len(reply))
            write(reply[:position] + bytes([reply[position] ^ 1 << random.randrange(8)]) + reply[position + 1:])
        elif fault == "half":
            write(reply[:random.randrange(1, len(reply))])
        elif fault == "rest later":
            cut = random.randrange(1, len(reply))
            write(reply[:cut])
            later(random.uniform(*LATE_S), write, reply[cut:])
        elif fault == "garbage":
            write(random.randbytes(random.randrange(1, 60)))
        elif fault == "garbage first" and self.serial:
            write(random.randbytes(random.randrange(1, 5)) + reply)
        elif fault == "busy":
            write(self.frame(transaction, unit, bytes([0x83, 6])))
        elif fault != "silence":
            write(reply)


# Shares of the replies. A bit that flips on TCP may be one of the value: nothing in the protocol could tell, TCP's own checksum does.
TCP_FAULTS = {"late": 4, "twice": 4, "foreign unit": 2, "foreign unit first": 4, "wrong transaction": 2, "wrong transaction first": 4,
              "previous first": 4, "wrong length": 2, "wrong function": 2, "half": 1, "rest later": 1, "garbage": 1, "silence": 1, "busy": 1}
RTU_FAULTS = {"late": 0.5, "twice": 4, "foreign unit": 0.5, "foreign unit first": 4, "wrong function": 1, "bad crc": 4, "flipped bit": 4,
              "half": 0.5, "rest later": 0.5, "garbage": 0.5, "garbage first": 2, "silence": 0.3, "busy": 1}


class HostileModbus:
    def __init__(self, tcp=1, serial=0, seed=1):
        self.random = random.Random(seed)
        self.spoiled = collections.Counter()
        self.serials = collections.Counter()
        self.asked = {}  # (unit, number of the request): time.time()
        self.requests = 0
        self.ports, self.devices = [], []
        self.tcp, self.serial = tcp, serial
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def choose(self, serial):
        faults = RTU_FAULTS if serial else TCP_FAULTS
        point = self.random.uniform(0, 100)
        for name, share in faults.items():
            point -= share
            if point < 0:
                return name
        return "none"

    def later(self, seconds, write, data):
        self.loop.call_later(seconds, write, data)

    async def connected(self, reader, writer):
        def write(data):
            if not writer.is_closing():
                writer.write(data)

        line = Line(self, write, serial=False)
        try:
            while data := await reader.read(4096):
                line.feed(data)
        except ConnectionError:
            pass  # the other side gave the connection up, as it should
        writer.close()

    def open_line(self):
        master, slave = os.openpty()
        tty.setraw(master)
        tty.setraw(slave)  # and stays open, so that the line is there whoever comes and goes
        line = Line(self, lambda data: os.write(master, data), serial=True)
        self.loop.add_reader(master, lambda: line.feed(os.read(master, 4096)))
        self.devices.append(os.ttyname(slave))

    def run(self):
        asyncio.set_event_loop(self.loop)

        async def begin():
            for _ in range(self.tcp):
                server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
                self.ports.append(server.sockets[0].getsockname()[1])
            for _ in range(self.serial):
                self.open_line()
            self.ready.set()

        self.loop.create_task(begin())
        self.loop.run_forever()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
