"""No wrong value, ever: ten thousand polls of a server that answers late, twice, for others, damaged, in halves and with garbage."""
import sys
import time

from harness import ROOT, Gateway, wait_for

sys.path.insert(0, str(ROOT / "tests" / "support"))

from hostile_modbus import HostileModbus, RTU_FAULTS, TCP_FAULTS  # noqa: E402

POLLS = 10_000
TCP_BUSES, RTU_BUSES = 22, 6
MAX_AGE_S = 3.5
BLOCKS = {"a": 0, "b": 300, "c": 600}  # two of the same shape, one of another


def points(blocks=BLOCKS):
    made = []
    for name, base in blocks.items():
        made.append({"name": f"serial_{name}", "table": "holding", "address": base, "type": "u32"})
        made.append({"name": f"tag_{name}", "table": "holding", "address": base + 2, "type": "u16"})
        if name == "c":
            made.append({"name": "last_c", "table": "holding", "address": base + 3, "type": "u16"})
    return made


def wrong_values(unit, readings, server, serial_line):
    """Values that do not belong to their unit, address and request; readings in the order of measurement."""
    wrong, newest, good = [], 0, 0
    for reading in readings:
        values = reading.get("values", {})
        for name, base in BLOCKS.items():
            serial, tag = values.get(f"serial_{name}"), values.get(f"tag_{name}")
            if serial is None and tag is None:
                continue
            good += 1
            asked = server.asked.get((unit, serial))
            # On a serial line nothing tells the late reply to a request from the reply to the same request asked again: it may be
            # taken, since it is the same register's value, but it must not be old. On TCP each reply is its own request's.
            fresh = asked and -1 < reading["time_ms"] / 1000 - asked < MAX_AGE_S if serial_line else serial is not None and serial > newest
            if tag != (unit * 4096 + base + 2) & 0xFFFF or not fresh:
                wrong.append((unit, name, serial, tag, newest, reading))
            else:
                newest = max(newest, serial)
        if "last_c" in values and values["last_c"] != (unit * 4096 + BLOCKS["c"] + 3) & 0xFFFF:
            wrong.append((unit, "last_c", reading))
    return wrong, good


def test_ten_thousand_polls_of_a_hostile_server_store_no_wrong_value(tmp_path):
    with HostileModbus(tcp=TCP_BUSES, serial=RTU_BUSES) as server, Gateway(tmp_path) as gateway:
        common = {"driver": "modbus", "timeout": "40ms", "retries": 0, "breaker": {"failures": 1000}}
        buses = [{"name": f"bus-{i + 1}", "transport": "tcp", "host": "127.0.0.1", "port": port, **common}
                 for i, port in enumerate(server.ports)]
        buses += [{"name": f"bus-{TCP_BUSES + i + 1}", "transport": "rtu", "device": device, "baud": 115200, **common}
                  for i, device in enumerate(server.devices)]
        things = [{"name": f"unit-{u}", "bus": f"bus-{u}", "unit": u, "sample_interval": "50ms", "max_gap": 0, "points": points()}
                  for u in range(1, len(buses) + 1)]
        gateway.configure(buses, things)
        gateway.start()
        begin = time.monotonic()
        wait_for(lambda: sum(b["polls"] + b["errors"] for b in gateway.status()["buses"]) >= POLLS, 120, "enough polls")
        took = time.monotonic() - begin
        time.sleep(1.2)  # one more commit
        wrong, good, stored = [], 0, 0
        for u in range(1, len(buses) + 1):
            readings = gateway.json("readings", f"unit-{u}", "--since", "1h")["readings"]
            stored += len(readings)
            bad, fine = wrong_values(u, readings, server, u > TCP_BUSES)
            wrong, good = wrong + bad, good + fine
        print(f"{server.requests} requests in {took:.1f} s, {stored} readings, {good} good blocks, {dict(server.spoiled)}")
        assert not wrong, wrong[:3]
        assert good > POLLS, "most requests still bring their value"
        for fault in set(TCP_FAULTS) | set(RTU_FAULTS):
            assert server.spoiled[fault] >= 5, f"{fault} hardly happened: {server.spoiled}"
