"""Honest time, with the real daemon: its wall clock lies (lying_clock.c), the Modbus server knows when each value was really read, and the
cloud must be told that, within a second."""
import contextlib
import mmap
import struct
import time

from counting_bus import CountingBus
from harness import BUILD, COUNTER_POINTS, Cloud, Gateway, wait_for

YEAR = 365 * 86400
HOUR = 3600
PATIENCE = 6


class LyingClock:
    """The daemon's wall clock: `off` seconds beside the truth, and what the kernel says of it."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.file.write_bytes(bytes(4096))
        with open(self.file, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)
        self.boot("first-boot", battery=False)
        self.lie()

    def lie(self, off=0.0, synchronised=False):
        self.map[8:16] = struct.pack("q", int(synchronised))
        self.map[0:8] = struct.pack("q", int(off * 1e9))

    def boot(self, boot_id, battery):
        self.file.with_name("clock.boot_id").write_text(boot_id + "\n")
        self.file.with_name("clock.hctosys").write_text("1" if battery else "0")


class Rig:
    def __init__(self, folder, bus, gateway, cloud):
        self.clock = LyingClock(folder)
        self.unit, self.gateway, self.cloud = bus.units[1], gateway, cloud
        gateway.environment.update(LD_PRELOAD=str(BUILD / "tests" / "process" / "lying_clock.so"),
                                   LYING_CLOCK_FILE=str(self.clock.file))
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
            things=[{"name": "unit-1", "bus": "hall", "unit": 1, "sample_interval": "250ms", "points": COUNTER_POINTS}],
            upstream={**cloud.upstream(), "reconnect": {"base": "1s", "max": "2s", "stable": "20s"}},
            clock={"trust": "auto", "patience": f"{PATIENCE}s"})

    def read(self, seconds):
        before = len(self.unit.answers)
        time.sleep(seconds)
        assert len(self.unit.answers) > before, "a lying clock must not stop the polls"

    def answered(self):
        """What the cloud has of polls that were answered; one that was not has no value, and nobody knows its true time."""
        return [r for r in self.cloud.readings() if "counter" in r]

    def told_all(self):
        """Waits until all that was read up to now has reached the cloud."""
        last = len(self.unit.answers)
        wait_for(lambda: any(r["counter"] >= last for r in self.answered()), 40, f"reading {last} arrives")
        wait_for(lambda: self.gateway.thing("unit-1")["backlog"] < 8, 30, "the backlog drains")

    def errors(self, certain=True):
        """How far each reading's timestamp is from the truth, in seconds."""
        truth = dict(self.unit.answers)
        assert not certain or all("time" not in r for r in self.cloud.readings())
        return [abs(r["timestamp"] / 1000 - truth[r["counter"]]) for r in self.answered()]

    def clock_status(self):
        return self.gateway.status()["gateway"]["clock"]

    def cloud_gone(self, gone):
        self.cloud.ctl("cut" if gone else "uncut")


@contextlib.contextmanager
def rig(folder):
    with CountingBus(units=[1]) as bus, Gateway(folder / "gateway") as gateway, \
            Cloud(folder / "cloud", ["unit-1"], gateway.state) as cloud:
        yield Rig(folder, bus, gateway, cloud)


def test_boot_in_1970_a_restart_and_a_late_synchronisation(tmp_path):
    with rig(tmp_path) as r:
        r.clock.lie(off=60 - time.time())
        r.cloud_gone(True)
        r.gateway.start()
        r.read(4)
        assert r.clock_status()["trusted"] is False
        r.gateway.kill()  # and once more within the same boot
        r.gateway.start()
        r.read(3)
        r.clock.lie(off=0, synchronised=True)
        r.cloud_gone(False)
        r.told_all()
        assert max(r.errors()) < 1
        assert r.clock_status()["source"] == "synchronised"
        rows = r.gateway.json("readings", "unit-1", "--since", "1h")["readings"]
        assert len(rows) > 15 and all(row["time_trusted"] for row in rows), "history has the true times too"


def test_a_synchronised_clock_steps_back_by_an_hour(tmp_path):
    with rig(tmp_path) as r:
        r.clock.lie(off=HOUR, synchronised=True)
        r.cloud_gone(True)
        r.gateway.start()
        r.read(3)
        r.clock.lie(off=0, synchronised=True)
        r.read(PATIENCE + 2)
        wait_for(lambda: r.clock_status()["last_step_ms"] < -3_500_000, 20, f"the step is believed: {r.clock_status()}")
        r.cloud_gone(False)
        r.told_all()
        assert max(r.errors()) < 1


def test_a_step_ahead_by_a_year_is_taken_back_and_one_by_hand_is_ignored(tmp_path):
    with rig(tmp_path) as r:
        r.clock.lie(off=0, synchronised=True)
        r.gateway.start()
        r.read(2)
        r.clock.lie(off=YEAR, synchronised=True)
        r.read(3)
        r.clock.lie(off=0, synchronised=True)
        r.read(2)
        r.clock.lie(off=-HOUR, synchronised=False)
        r.read(3)
        r.told_all()
        assert max(r.errors()) < 1
        log = r.gateway.tail(100_000)
        assert log.count("clock.jumped") == 1 and log.count("clock.step_ignored") == 1, "events come once each"


def test_a_reboot_before_synchronisation_says_uncertain(tmp_path):
    with rig(tmp_path) as r:
        r.clock.lie(off=60 - time.time())
        r.cloud_gone(True)
        r.gateway.start()
        r.read(3)
        r.gateway.kill()
        lost = len(r.unit.answers)
        r.clock.boot("second-boot", battery=False)
        r.gateway.start()
        r.clock.lie(off=0, synchronised=True)
        r.read(3)
        r.cloud_gone(False)
        r.told_all()
        truth = dict(r.unit.answers)
        for reading in r.answered():
            if reading["counter"] <= lost:
                assert reading["time"] == "uncertain"
            else:
                assert "time" not in reading and abs(reading["timestamp"] / 1000 - truth[reading["counter"]]) < 1
