#!/usr/bin/env python3
"""What an idle gateway costs: time from its start to the first reading, resident memory and CPU of the daemon and its hosts with five things
at one poll a second, connected to the stand-in cloud. Prints figures; decides nothing. Usage: footprint.py [--seconds 60] (PENUMBRA_BUILD names the build tree)."""
import argparse
import json
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
from counting_bus import CountingBus  # noqa: E402
from harness import COUNTER_POINTS, Cloud, Gateway, wait_for  # noqa: E402


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss_kib(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def first_reading(gateway, things):
    """The oldest reading that `penumbra readings` shows of any thing, or None."""
    rows = []
    for thing in things:
        done = gateway.cli("readings", thing, "--json")
        rows += json.loads(done.stdout)["readings"] if done.returncode == 0 else []
    return min(rows, key=lambda row: row["time_ms"], default=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    units = [1, 2, 3, 4, 5]
    things = [f"unit-{u}" for u in units]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with CountingBus(units=units) as bus, Gateway(folder / "gateway") as gateway, \
                Cloud(folder / "cloud", things, gateway.state) as cloud:
            gateway.configure(
                buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
                things=[{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "1s", "points": COUNTER_POINTS}
                        for u in units],
                upstream={**cloud.upstream(), "limits": {"connect_rate": 5}})
            begin = time.time()
            gateway.start(wait=False)
            first = wait_for(lambda: first_reading(gateway, things), 30, "a reading is stored")
            print(f"start: polled after {first['time_ms'] / 1000 - begin:.2f} s, in the store and readable after {time.time() - begin:.2f} s")
            wait_for(lambda: gateway.status()["upstream"]["connected"] == 5, 60, "all five things are connected")
            time.sleep(5)
            hosts = children(gateway.process.pid)
            daemon, host_ticks = cpu_ticks(gateway.process.pid), sum(map(cpu_ticks, hosts))
            begin = time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - begin
            daemon = cpu_ticks(gateway.process.pid) - daemon
            host_ticks = sum(map(cpu_ticks, hosts)) - host_ticks
            print(f"daemon: {gateway.resident_kib()} KiB resident, {pss_kib(gateway.process.pid)} KiB proportional, "
                  f"{daemon / took:.2f} % of a core")
            print(f"hosts ({len(hosts)}): {sum(map(pss_kib, hosts))} KiB proportional, {host_ticks / took:.2f} % of a core")


if __name__ == "__main__":
    main()
