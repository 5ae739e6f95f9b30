"""Promise 4 at size: a hundred sessions, a broker that restarts, a name server that does not answer."""
import pathlib
import time

import pytest
from harness import BUILD, SIM_POINTS, Cloud, Gateway, wait_for

THINGS = [f"thing-{n:03}" for n in range(100)]
CONNECT_RATE = 10


@pytest.fixture
def world(tmp_path):
    with Gateway(tmp_path / "gateway") as gateway, Cloud(tmp_path / "cloud", THINGS, gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": t, "bus": "sim", "sample_interval": "5s", "points": SIM_POINTS} for t in THINGS],
            upstream={**cloud.upstream(), "reconnect": {"base": "1s", "max": "4s", "stable": "20s"},
                      "limits": {"connect_rate": CONNECT_RATE}})
        yield gateway, cloud, tmp_path


class LongestHandler:
    """How long one handler kept the loop busy, as `status` has it, without the time in which the machine gave the CPU to others meanwhile.
    Such time is all counted that passed since the look before: so on a busy machine look often. A loop that waits is no such time."""

    def __init__(self, gateway):
        self.gateway, self.told, self.ms = gateway, 0, 0
        self.begin = self.waited_ms()

    def waited_ms(self):
        """The loop's thread, ready to run and not running, since its start."""
        pid = self.gateway.process.pid
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e6

    def look(self):
        asked = self.waited_ms()
        told = self.gateway.status()["gateway"]["longest_handler_ms"]
        if told > self.told:
            self.ms = max(self.ms, told - (self.waited_ms() - self.begin))
        self.told, self.begin = told, asked
        return self.ms


def connected(gateway):
    return gateway.status()["upstream"]["connected"]


def test_all_connect_and_come_back_within_the_connect_rate(world):
    gateway, cloud, _ = world
    gateway.start()
    wait_for(lambda: connected(gateway) == 100, 60, "a hundred things are connected")
    cloud.ctl("restart")
    wait_for(lambda: connected(gateway) < 100, 20, "the restart is noticed")
    wait_for(lambda: connected(gateway) == 100, 90, "a hundred things are connected again")
    # In any second, not only in those of the calendar.
    at = sorted(cloud.connects())
    busiest = max(sum(1 for later in at[i:i + CONNECT_RATE + 5] if later < begin + 1) for i, begin in enumerate(at))
    assert busiest <= CONNECT_RATE, f"{busiest} CONNECTs within one second"
    print(f"resident: {gateway.resident_kib() / 100:.0f} KiB a thing, {gateway.resident_kib()} KiB in all")


def test_the_loop_never_blocks_while_the_name_server_does_not_answer(world):
    gateway, cloud, tmp_path = world
    slow = tmp_path / "slow"
    gateway.environment.update(LD_PRELOAD=str(BUILD / "tests" / "process" / "slow_lookup.so"), SLOW_LOOKUP_FILE=str(slow))
    gateway.start()
    longest = LongestHandler(gateway)
    wait_for(lambda: longest.look() is not None and connected(gateway) >= 50, 60, "half of the things are connected")
    slow.touch()
    time.sleep(35)  # the cached name runs out, and every new connect asks a name server that does not answer
    cloud.ctl("reset")
    begin = {t["thing"]: t["last_reading_ms"] for t in gateway.status()["things"]}
    for _ in range(40):
        asked = time.monotonic()
        longest.look()
        assert time.monotonic() - asked < 2
        time.sleep(0.25)
    assert longest.ms < 50, f"the loop was busy for {longest.ms} ms"
    later = {t["thing"]: t["last_reading_ms"] for t in gateway.status()["things"]}
    assert all(later[t] > begin[t] for t in THINGS), "polling stopped"
    slow.unlink()
    wait_for(lambda: connected(gateway) == 100, 90, "all come back when the name server does")
