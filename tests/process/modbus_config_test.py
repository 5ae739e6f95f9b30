"""Configurations of Modbus buses that the driver alone cannot judge."""
import subprocess

import pytest
from harness import PENUMBRA, Gateway


def bus(port, **more):
    return {"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": port} | more


def holding(addresses):
    return [{"name": f"p{a}", "table": "holding", "address": a, "type": "u16"} for a in addresses]


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        yield gateway


def test_a_thing_with_more_points_than_one_request_takes_is_a_configuration_error(gateway):
    gateway.configure([bus(502)], [{"name": "meter", "bus": "hall", "unit": 1, "points": holding(range(2049))}])
    done = subprocess.run([PENUMBRA, "--config", gateway.config, "config", "check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "2049 points are more than the 2048" in done.stdout + done.stderr, done.stdout + done.stderr


def test_two_buses_on_one_line_are_an_error_and_at_one_server_a_warning(gateway):
    check = ["config", "check"]

    def on(name):
        return {"name": f"unit-{name}", "bus": name, "unit": 1, "points": holding([1])}

    rtu = {"driver": "modbus", "transport": "rtu", "device": "/dev/ttyUSB0"}
    gateway.configure([{"name": n, **rtu} for n in "ab"], [on(n) for n in "ab"])
    done = subprocess.run([PENUMBRA, "--config", gateway.config, *check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and 'bus "b" and bus "a" reach the same port' in done.stdout + done.stderr, done.stdout + done.stderr
    gateway.configure([bus(502, name="a"), bus(502, name="b"), bus(503, name="c")], [on(n) for n in "abc"])
    done = subprocess.run([PENUMBRA, "--config", gateway.config, *check], capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and said.count("reach the same endpoint") == 1, said
