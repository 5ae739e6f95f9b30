"""Promise 2: one bad device hurts only itself."""
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, SIM_POINTS, Gateway, wait_for

SECONDS = 20
PER_SECOND = 5


def sim_thing(name, bus, **more):
    return {"name": name, "bus": bus, "sample_interval": "200ms", "points": SIM_POINTS, **more}


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        yield gateway


def test_a_crash_a_hang_and_a_dead_unit_cost_the_others_less_than_a_twentieth_of_their_polls(gateway, tmp_path):
    fault = {name: tmp_path / name for name in ("crash", "hang")}
    with CountingBus(units=range(1, 11)) as bus:
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port,
                    "timeout": "300ms"},
                   {"name": "crashing", "driver": "sim"}, {"name": "hanging", "driver": "sim"},
                   {"name": "healthy", "driver": "sim"}],
            things=[{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "200ms", "points": COUNTER_POINTS}
                    for u in range(1, 11)]
            + [sim_thing("crasher", "crashing", fault_file=fault["crash"]),
               sim_thing("hanger", "hanging", fault_file=fault["hang"]), sim_thing("bystander", "healthy")])
        gateway.start()
        wait_for(lambda: all(len(u.answers) > 5 for u in bus.units.values()), 20, "every unit is polled")

        # Counted from the moment of the faults, with the time-outs that it takes to see them.
        begin = {u: len(bus.units[u].answers) for u in range(1, 10)}
        bystander = gateway.bus("healthy")["polls"]
        fault["crash"].write_text("crash")
        fault["hang"].write_text("hang")
        bus.units[10].mode = "silent"
        time.sleep(SECONDS)
        expected = SECONDS * PER_SECOND
        for u in range(1, 10):
            got = len(bus.units[u].answers) - begin[u]
            assert got >= 0.95 * expected, f"unit {u}: {got} of {expected} polls"
        assert gateway.bus("healthy")["polls"] - bystander >= 0.95 * expected
        wait_for(lambda: gateway.bus("crashing")["restarts"] > 0, 20, "the crashed host was started again")
        wait_for(lambda: gateway.bus("hanging")["restarts"] > 0, 40, "the hung host was killed and started again")

        # And every one of the three says why it is silent.
        for point, word in (("crasher.temperature", "crashing"), ("hanger.temperature", "hanging"),
                            ("unit-10.temperature", "timeout")):
            told = gateway.cli("explain", point)
            assert told.returncode == 0 and word in told.stdout, told.stdout + told.stderr

        # A unit that answers again is back by itself.
        bus.units[10].mode = "ok"
        before = len(bus.units[10].answers)
        wait_for(lambda: len(bus.units[10].answers) > before + 5, 90, "the dead unit is polled again")

        # A host that crashes again and again is tried rarely, and the operator reads that.
        crashing = gateway.bus("crashing")
        assert crashing["state"] == "running" or "SIG" in crashing["reason"], crashing
