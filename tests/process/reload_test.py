"""SIGHUP: changed intervals while everything runs; what is wrong or needs a restart is refused as a whole."""
import signal

import pytest
from harness import SIM_POINTS, Gateway, wait_for

BUSES = [{"name": "first", "driver": "sim"}, {"name": "second", "driver": "sim"}]


def things(interval="30s", **changes):
    return [{"name": "quick", "bus": "first", "sample_interval": interval, "points": SIM_POINTS, **changes},
            {"name": "slow", "bus": "second", "sample_interval": "30s", "points": SIM_POINTS}]


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        gateway.configure(BUSES, things())
        gateway.start()
        yield gateway
        code, seconds = gateway.stop()
        assert code == 0 and seconds < 5


def hup(gateway):
    """Reloads, and answers what the log says of it."""
    before = len(gateway.log.read_text())
    gateway.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: next((line for line in gateway.log.read_text()[before:].splitlines() if "event=daemon.reload" in line), None),
                    20, "the daemon says what became of the reload")


def interval(gateway):
    return gateway.json("things", "quick")["sample_interval_ms"]


def hosts(gateway):
    return {bus["bus"]: (bus["pid"], bus["restarts"]) for bus in gateway.json("buses")["buses"]}


def test_applies_an_interval_and_touches_nothing_else(gateway):
    before = hosts(gateway)
    gateway.configure(BUSES, things("100ms"))
    assert "event=daemon.reloaded" in hup(gateway)
    assert interval(gateway) == 100
    wait_for(lambda: len(gateway.json("readings", "quick")["readings"]) >= 5, 20, "readings come at the new rate")
    assert hosts(gateway) == before


def test_refuses_a_wrong_file_as_a_whole(gateway):
    gateway.configure(BUSES, things("100ms", nonsense=1))
    line = hup(gateway)
    assert "event=daemon.reload_refused" in line and "nonsense" in line
    assert interval(gateway) == 30000


def test_refuses_what_needs_a_restart_with_all_that_came_with_it(gateway):
    gateway.configure(BUSES, things("100ms")[:1])
    line = hup(gateway)
    assert "event=daemon.reload_refused" in line and "thing slow: removed" in line
    assert interval(gateway) == 30000


def test_compares_the_next_file_with_what_is_in_force_and_not_with_what_was_refused(gateway):
    gateway.configure(BUSES, things("100ms", topic="other/{thing}"))
    assert "event=daemon.reload_refused" in hup(gateway)
    gateway.configure(BUSES, things("200ms"))
    assert "event=daemon.reloaded" in hup(gateway)
    assert interval(gateway) == 200
