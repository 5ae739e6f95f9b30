"""Promise 1: SIGKILL at any moment loses nothing older than the commit interval, and no seq ever carries two readings."""
import random
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, Cloud, Gateway, wait_for

KILLS = 20
COMMIT_INTERVAL = 0.5
# A reading is on its way for a while before it is in the store: answer on the wire, host, loop; then the commit itself.
ON_ITS_WAY = 0.5


def missing(cloud, bus, kills):
    """Answers of the bus that the cloud never saw and that no kill within the commit interval excuses."""
    seen = {}
    for reading in cloud.readings():
        if "counter" in reading:
            seen.setdefault(reading["device_id"], set()).add(reading["counter"])
    lost = []
    for number, unit in bus.units.items():
        for answer, at in unit.answers:
            excused = any(kill - COMMIT_INTERVAL - ON_ITS_WAY <= at <= kill + ON_ITS_WAY for kill in kills)
            if answer not in seen.get(f"unit-{number}", set()) and not excused:
                lost.append((number, answer, at))
    return lost


@pytest.mark.parametrize("reachable", [True, False], ids=["cloud reachable", "cloud away"])
def test_twenty_kills_lose_nothing_that_is_older_than_the_commit_interval(tmp_path, reachable):
    things = [f"unit-{u}" for u in (1, 2, 3)]
    randomness = random.Random(20261122)
    with CountingBus(units=[1, 2, 3]) as bus, Gateway(tmp_path / "gateway") as gateway, \
            Cloud(tmp_path / "cloud", things, gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
            things=[{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "100ms", "points": COUNTER_POINTS}
                    for u in (1, 2, 3)],
            upstream={**cloud.upstream(), "limits": {"connect_rate": 50, "publish_rate": 100}},
            store={"commit_interval": f"{int(COMMIT_INTERVAL * 1000)}ms"})
        if not reachable:
            cloud.ctl("cut")
        kills = []
        for _ in range(KILLS):
            gateway.start(wait=False)
            time.sleep(randomness.uniform(0.7, 2.5))
            assert gateway.process.poll() is None, gateway.tail()
            kills.append(time.time())
            gateway.kill()
        if not reachable:
            cloud.ctl("uncut")
        gateway.start()
        wait_for(lambda: sum(t["backlog"] for t in gateway.status()["things"]) < 10, 90,
                 f"the backlog drains: {gateway.status()['things']}")
        # What is on its way at the very end is not lost either: stop cleanly, start once more, and let it out.
        kills.append(time.time())
        assert gateway.stop()[0] == 0
        gateway.start()
        kills.append(time.time())
        wait_for(lambda: sum(t["backlog"] for t in gateway.status()["things"]) < 10, 30, "the rest drains")
        time.sleep(2 * COMMIT_INTERVAL + 1)
        end = time.time()
        for unit in bus.units.values():
            unit.answers = [a for a in unit.answers if a[1] < end - 2 * COMMIT_INTERVAL - 1]
        wait_for(lambda: missing(cloud, bus, kills) == [], 30, f"lost: {missing(cloud, bus, kills)}")
        assert cloud.summary()["conflicts"] == 0, "a seq carried two different readings"
        assert sum(len(u.answers) for u in bus.units.values()) > 200, "the test has polled too little to show anything"
