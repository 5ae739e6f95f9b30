"""Promise 3 and 4: the cloud goes away for a minute at 25 polls a second, and comes back to everything, in order of urgency and within the limits."""
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, Cloud, Gateway, wait_for

AWAY = 60
RATE = 10  # messages a second and connection: 5 are produced, so the backlog takes a minute to drain


def test_a_minute_without_the_cloud(tmp_path):
    units = [1, 2, 3, 4, 5]
    things = [f"unit-{u}" for u in units]
    with CountingBus(units=units) as bus, Gateway(tmp_path / "gateway") as gateway, \
            Cloud(tmp_path / "cloud", things, gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
            things=[{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "200ms", "points": COUNTER_POINTS}
                    for u in units],
            upstream={**cloud.upstream(), "reconnect": {"base": "1s", "max": "4s", "stable": "20s"},
                      "limits": {"connect_rate": 5, "publish_rate": RATE}})
        gateway.start()
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 5, 30, "all five things are connected")
        time.sleep(3)
        cloud.ctl("cut")
        time.sleep(AWAY)
        assert all(t["backlog"] > 0.9 * 5 * AWAY for t in gateway.status()["things"])
        cloud.ctl("uncut")
        back = {}
        wait_for(lambda: gateway.status()["upstream"]["connected"] == 5, 30, "all five things are connected again")
        connected = time.time()

        # Fresh within 2 s of reconnecting, while the backlog still waits.
        time.sleep(2.5)
        for reading in cloud.readings():
            if reading["arrived"] > connected - 1 and reading["arrived"] - reading["timestamp"] / 1000 < 2:
                back.setdefault(reading["device_id"], reading["arrived"])
        assert set(back) == set(things), f"fresh readings came from {sorted(back)} only"
        assert all(t["backlog"] > 0 for t in gateway.status()["things"])

        # The sensors fall silent: from here on there is an end, and every answer that was ever given must be in the cloud.
        for unit in bus.units.values():
            unit.mode = "silent"
        wait_for(lambda: sum(t["backlog"] for t in gateway.status()["things"]) == 0, 180, "the backlog drains")
        seen = {}
        per_second = {}
        for reading in cloud.readings():
            if "counter" in reading:
                seen.setdefault(reading["device_id"], set()).add(reading["counter"])
            key = (reading["device_id"], int(reading["arrived"]))
            per_second[key] = per_second.get(key, 0) + 1
        for u, unit in bus.units.items():
            lost = [number for number, _ in unit.answers if number not in seen[f"unit-{u}"]]
            assert lost == [], f"unit {u} lost {lost}"
        # A bucket of tokens may let a little more through within one second of somebody else's clock; never much.
        assert max(per_second.values()) <= RATE * 1.5, max(per_second.items(), key=lambda item: item[1])
        assert cloud.summary()["conflicts"] == 0
