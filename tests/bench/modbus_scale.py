#!/usr/bin/env python3
"""What many Modbus points and many endpoints cost. Two runs against tests/support/modbus_server.py, whose own time is not counted:
1,000 points at one poll a second from 50 units on one TCP connection: CPU of the daemon and its host; and 200 TCP endpoints with a thing
each: memory of the daemon and the hosts. Prints figures; decides nothing. With a release build (PENUMBRA_BUILD names the build tree):
    PENUMBRA_BUILD=build/release tests/bench/modbus_scale.py [--seconds 60] [--endpoints 200] [--units 50] [--points 20] [--json]"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
from footprint import children, cpu_ticks, pss_kib  # noqa: E402
from harness import ROOT, Gateway, wait_for  # noqa: E402


class Server:
    def __init__(self, units):
        self.process = subprocess.Popen(["/usr/bin/python3", ROOT / "tests" / "support" / "modbus_server.py", "--port", "0", "--die-with-parent",
                                         "--units", f"1-{units}"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)


def bus(name, port):
    return {"name": name, "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": port}


def thing(name, bus_name, unit, points):
    return {"name": name, "bus": bus_name, "unit": unit, "sample_interval": "1s",
            "points": [{"name": f"p{a}", "table": "holding", "address": a, "type": "u16"} for a in range(100, 100 + points)]}


def all_polled(gateway):
    return all(t["last_reading_ms"] for t in gateway.status()["things"])


def share_of_a_core(gateway, seconds):
    """Percent of one core that the daemon and its hosts take."""
    hosts = children(gateway.process.pid)
    pids = [gateway.process.pid, *hosts]
    before, begin = [cpu_ticks(p) for p in pids], time.monotonic()
    polls = sum(b["polls"] for b in gateway.status()["buses"])
    time.sleep(seconds)
    polls = sum(b["polls"] for b in gateway.status()["buses"]) - polls
    took = time.monotonic() - begin
    used = [cpu_ticks(p) - b for p, b in zip(pids, before)]
    return {"daemon_percent": used[0] / took, "host_percent": sum(used[1:]) / took, "polls_per_second": polls / took}


def many_points(seconds, units, points):
    with tempfile.TemporaryDirectory() as folder, Server(units) as server, Gateway(folder) as gateway:
        gateway.configure([bus("hall", server.port)], [thing(f"unit-{u}", "hall", u, points) for u in range(1, units + 1)])
        gateway.start()
        wait_for(lambda: all_polled(gateway), 60, "all units are polled")
        time.sleep(5)
        return {"points": units * points, "units": units} | share_of_a_core(gateway, seconds)


def many_endpoints(seconds, endpoints):
    with tempfile.TemporaryDirectory() as folder, Server(1) as server, Gateway(folder) as gateway:
        gateway.configure([bus(f"b{n}", server.port) for n in range(endpoints)], [thing(f"t{n}", f"b{n}", 1, 2) for n in range(endpoints)])
        gateway.start(wait=False)  # each bus's options are checked by a host of their own before
        wait_for(lambda: gateway.running() and gateway.try_status() and all_polled(gateway), 180, "all endpoints are polled")
        time.sleep(5)
        hosts = children(gateway.process.pid)
        host_kib = sum(map(pss_kib, hosts))
        return {"endpoints": endpoints, "hosts": len(hosts), "daemon_pss_kib": pss_kib(gateway.process.pid), "hosts_pss_kib": host_kib,
                "host_pss_kib": host_kib / max(1, len(hosts))} | share_of_a_core(gateway, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--points", type=int, default=20, help="of each unit")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {"many_points": many_points(options.seconds, options.units, options.points),
               "many_endpoints": many_endpoints(options.seconds, options.endpoints)}
    if options.json:
        print(json.dumps(figures))
        return
    points, endpoints = figures["many_points"], figures["many_endpoints"]
    print(f"{points['points']} points from {points['units']} units: {points['polls_per_second']:.1f} polls/s, daemon {points['daemon_percent']:.2f} %, "
          f"host {points['host_percent']:.2f} %, together {points['daemon_percent'] + points['host_percent']:.2f} % of a core")
    print(f"{endpoints['endpoints']} endpoints: daemon {endpoints['daemon_pss_kib'] / 1024:.1f} MiB, {endpoints['hosts']} hosts "
          f"{endpoints['hosts_pss_kib'] / 1024:.1f} MiB ({endpoints['host_pss_kib']:.0f} KiB each) proportional, "
          f"{endpoints['daemon_percent'] + endpoints['host_percent']:.2f} % of a core at {endpoints['polls_per_second']:.1f} polls/s")


if __name__ == "__main__":
    main()
