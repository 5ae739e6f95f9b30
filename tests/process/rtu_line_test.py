"""Ten units on one serial line, one dead and one that answers after two seconds: the other eight keep their polls."""
import asyncio
import os
import struct
import sys
import threading
import time
import tty

from harness import ROOT, Gateway, wait_for

sys.path.insert(0, str(ROOT / "tests" / "support"))

from hostile_modbus import crc  # noqa: E402

DEAD, SLOW = 9, 10
SECONDS = 20
CHARACTER_S = 10 / 9600
THINK_S = 0.005


class SerialUnits:
    """Ten units on a pty that takes the time of a line of 9600 baud. Each holds (unit * 256 + number of the answer) in register 0."""

    def __init__(self):
        self.answers = {unit: [] for unit in range(1, 11)}
        self.loop = asyncio.new_event_loop()
        self.master, self.slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self.slave)
        self.device = os.ttyname(self.slave)
        self.buffer = b""
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.add_reader(self.master, self.receive)
        self.loop.run_forever()

    def receive(self):
        self.buffer += os.read(self.master, 4096)
        while len(self.buffer) >= 8:
            if crc(self.buffer[:6]) != self.buffer[6:8]:
                self.buffer = self.buffer[1:]
                continue
            unit, _, _, count = struct.unpack(">BBHH", self.buffer[:6])
            self.buffer = self.buffer[8:]
            if unit == DEAD or unit not in self.answers:
                continue
            self.answers[unit].append(time.monotonic())
            words = [unit * 256 + len(self.answers[unit]) % 256] + [unit] * (count - 1)
            body = struct.pack(f">BBB{count}H", unit, 3, 2 * count, *words)
            wait = 8 * CHARACTER_S + THINK_S + (len(body) + 2) * CHARACTER_S + (2 if unit == SLOW else 0)
            self.loop.call_later(wait, os.write, self.master, body + crc(body))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


def test_a_dead_and_a_slow_unit_cost_the_other_eight_less_than_a_twentieth_of_their_polls(tmp_path):
    with SerialUnits() as line, Gateway(tmp_path) as gateway:
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "rtu", "device": line.device, "baud": 9600}],
            things=[{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "1s",
                     "points": [{"name": f"p{i}", "table": "holding", "address": i, "type": "u16"} for i in range(4)]} for u in range(1, 11)])
        gateway.start()
        wait_for(lambda: all(line.answers[u] for u in range(1, 9)), 20, "every good unit is polled")
        begin = {u: len(line.answers[u]) for u in range(1, 9)}
        time.sleep(SECONDS)
        for u in range(1, 9):
            got = len(line.answers[u]) - begin[u]
            assert got >= 0.95 * SECONDS, f"unit {u}: {got} of {SECONDS} polls"
            readings = gateway.json("readings", f"unit-{u}", "--since", "1h")["readings"]
            values = [r["values"] for r in readings if "p0" in r.get("values", {})]
            assert len(values) >= 0.95 * SECONDS, f"unit {u}: {len(values)} readings of {SECONDS}"
            assert all(v["p0"] // 256 == u and v["p3"] == u for v in values), "no unit's value is another's"
        for u in (DEAD, SLOW):
            told = gateway.cli("explain", f"unit-{u}.p0").stdout
            assert "timeout" in told or "not answering" in told, told
