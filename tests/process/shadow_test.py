"""Desired values from the cloud's shadow to a register and back, by the real daemon over a real broker to a third party's Modbus server."""
import json
import signal
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, MORTAL_PENUMBRAD, PENUMBRAD, Cloud, Gateway, wait_for

THING = "hall-1"
REGISTER = 10
SET_POINT = {"name": "setpoint", "table": "holding", "address": REGISTER, "type": "s16", "scale": 0.1,
             "writable": {"min": -5.0, "max": 30.0, "ttl": "10m"}}
PUMP = {"name": "pump", "table": "holding", "address": 11, "type": "u16", "writable": {"max": 1}}


class Stage:
    """A unit with a set point behind the daemon, and the stand-in cloud in front of it."""

    def __init__(self, tmp_path, interval="200ms"):
        self.bus = CountingBus(units=[1])
        self.unit = self.bus.units[1]
        self.gateway = Gateway(tmp_path / "gateway")
        self.cloud = Cloud(tmp_path / "cloud", [THING], self.gateway.state)
        self.armed = tmp_path / "armed"
        self.interval = interval

    def __enter__(self):
        self.bus.__enter__()
        self.cloud.__enter__()
        self.gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": self.bus.port}],
            things=[{"name": THING, "bus": "hall", "unit": 1, "sample_interval": self.interval,
                     "points": COUNTER_POINTS + [SET_POINT, PUMP]}],
            upstream={**self.cloud.upstream(), "reconnect": {"base": "200ms", "max": "1s", "stable": "5s"},
                      "limits": {"connect_rate": 50, "publish_rate": 100}},
            store={"commit_interval": "200ms"})
        return self

    def __exit__(self, *_):
        self.gateway.__exit__()
        self.cloud.__exit__()
        self.bus.__exit__()

    def document(self):
        return self.cloud.ctl("shadow", "get", THING) or {"state": {}, "version": 0}

    def reported(self):
        return self.document()["state"].get("reported", {})

    def refused(self):
        return self.reported().get("refused", {})

    def desire(self, **values):
        self.cloud.ctl("shadow", "update", THING, json.dumps({"desired": values}))

    def start(self, program=PENUMBRAD):
        self.gateway.start(program=program)
        wait_for(lambda: self.gateway.thing(THING)["link"] == "online", 20, "the thing is online")
        wait_for(lambda: self.reported().get("status") == "ok", 20, f"the cloud knows the thing: {self.document()}")

    def register(self):
        value = self.unit.holding[REGISTER]
        return value - 0x10000 if value & 0x8000 else value

    def wait_set_point(self, value, limit=20):
        wait_for(lambda: self.register() == round(value * 10) and self.reported().get("setpoint") == value, limit,
                 f"setpoint {value} at the device and in the cloud: register {self.register()}, {self.document()}; "
                 f"{self.gateway.tail()}")

    def rate(self, seconds):
        """Polls a second of the unit, seen from the unit."""
        before = len(self.unit.answers)
        time.sleep(seconds)
        return (len(self.unit.answers) - before) / seconds


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as ready:
        yield ready


def test_a_set_point_travels_to_the_register_and_back(stage):
    stage.start()
    assert stage.unit.writes == [], "nothing is written without being asked for"
    for value in (21.5, 0, -3.2, 21):  # zero and negative ones too; 21 and 21.0 are the same
        stage.desire(setpoint=value)
        stage.wait_set_point(value)
    assert [write[1] for write in stage.unit.writes] == [215, 0, 0x10000 - 32, 210], "one write for each wish"
    assert stage.gateway.json("shadow", "get", THING)["state"]["desired"] == {"setpoint": 21}
    wait_for(lambda: "is reported" in stage.gateway.cli("explain", f"{THING}.setpoint").stdout, 5,
             "explain tells the end of the command")
    # A device that changes by itself is reported, and never put back by the old wish.
    stage.unit.holding[REGISTER] = 180
    wait_for(lambda: stage.reported().get("setpoint") == 18.0, 20, "the change at the device is in the cloud")
    assert len(stage.unit.writes) == 4
    # The very same wish once more is a new one.
    stage.desire(setpoint=21)
    stage.wait_set_point(21)


def test_what_no_device_would_take_never_reaches_it_and_the_cloud_is_told_why(stage):
    stage.start()
    stage.desire(setpoint=30.1, pump="on", temperature=5, nonsense={"a": [1]}, sample_interval=0.001)
    wait_for(lambda: len(stage.refused()) == 5, 20, f"five refusals: {stage.document()}")
    reasons = {key: entry["reason"] for key, entry in stage.refused().items()}
    assert reasons == {"setpoint": "above max 30", "pump": "wrong type: a number is needed", "temperature": "read-only",
                       "nonsense": "unknown key", "sample_interval": "below min 0.05"}
    assert stage.refused()["setpoint"]["value"] == 30.1
    assert isinstance(stage.refused()["setpoint"]["version"], int)
    assert stage.unit.writes == []
    settled = stage.document()["version"]
    time.sleep(2)
    assert stage.document()["version"] <= settled + 1, "a refusal must not make the next update"
    stage.desire(setpoint=20, pump=1, temperature=None, nonsense=None, sample_interval=None)
    stage.wait_set_point(20)
    wait_for(lambda: not stage.refused(), 20, f"refusals go when desired moves on: {stage.document()}")
    assert stage.unit.holding[11] == 1


def test_the_sample_interval_changes_the_rate_at_once_and_survives_a_kill(stage):
    stage.start()
    assert stage.rate(2) > 3
    stage.desire(sample_interval=2)
    wait_for(lambda: stage.reported().get("sample_interval") == 2, 20, "the interval is reported")
    assert stage.rate(4) < 1.5
    effective = stage.gateway.json("config", "show", "--effective")["values"]
    assert {"key": f"thing.{THING}.sample_interval", "value": '"2s"', "origin": "shadow (desired)"} in effective
    stage.gateway.kill()
    stage.cloud.ctl("cut")
    stage.gateway.start()
    time.sleep(2)  # the first looks after a start come sooner
    assert stage.rate(4) < 1.5, "also without the cloud"
    stage.cloud.ctl("uncut")
    stage.desire(sample_interval=None)
    wait_for(lambda: stage.reported().get("sample_interval") == 0.2, 20, "the file's interval is back")
    assert stage.rate(2) > 3


def test_set_and_diff_work_offline_and_the_cloud_follows(stage):
    stage.start()
    stage.cloud.ctl("cut")
    wait_for(lambda: stage.gateway.thing(THING)["link"] != "online", 30, "the daemon notices")
    answer = stage.gateway.json("shadow", "set", THING, "setpoint=19.5", '{"pump":1}')
    assert answer["state"]["desired"] == {"setpoint": 19.5, "pump": 1} and answer["pending"]
    wait_for(lambda: stage.register() == 195 and stage.unit.holding[11] == 1, 10, "the device has it, cloud or not")
    diff = stage.gateway.json("shadow", "diff", THING)
    assert diff["to_send"]["desired"] == {"setpoint": 19.5, "pump": 1}
    wrong = stage.gateway.cli("shadow", "set", THING, "setpoint=99")
    assert wrong.returncode == 1 and "above max 30" in wrong.stderr
    stage.cloud.ctl("uncut")
    wait_for(lambda: stage.document()["state"].get("desired") == {"setpoint": 19.5, "pump": 1}, 30, "the cloud's desired follows")
    stage.wait_set_point(19.5)
    wait_for(lambda: not stage.gateway.json("shadow", "get", THING)["pending"], 20, "nothing is left to send")
    assert [write[:2] for write in stage.unit.writes] in ([(REGISTER, 195), (11, 1)], [(11, 1), (REGISTER, 195)])


MOMENTS = ["before-commit", "committed", "before-write", "written", "before-read", "read-back", "before-publish", "published"]


def test_a_kill_at_each_moment_of_a_commands_life_costs_nothing(stage):
    """After the restart the register holds the newest desired value and reported says so; every other time desired moves on meanwhile."""
    stage.gateway.environment["PENUMBRA_KILL_ARMED"] = str(stage.armed)
    for step, moment in enumerate(MOMENTS):
        stage.gateway.environment["PENUMBRA_KILL_AT"] = moment
        stage.start(MORTAL_PENUMBRAD)
        first, newest = 10 + step, 10 + step + (0.5 if step % 2 else 0)
        stage.armed.touch()
        stage.desire(setpoint=first)
        code = wait_for(lambda: stage.gateway.process.poll(), 20, f"the daemon dies at {moment}")
        assert code == -signal.SIGKILL, f"{moment}: {code}"
        stage.armed.unlink()
        if newest != first:
            stage.desire(setpoint=newest)
        before = len(stage.unit.writes)
        stage.start()
        stage.wait_set_point(newest)
        written = [write[1] for write in stage.unit.writes[before:] if write[0] == REGISTER]
        assert set(written) <= {round(newest * 10)}, f"{moment}: an old value was written after the kill: {written}"
        assert stage.gateway.stop()[0] == 0


def test_an_execution_of_the_commands_feature_reads_the_device(stage):
    """Beside the shadow, under the policy of a gateway without Defender, whose grants are narrower than those of orders_test."""
    stage.start()
    execution = stage.cloud.start_command(THING, {"action": "read_now"}, timeout_s=30)
    wait_for(lambda: stage.cloud.command(execution)["status"] == "SUCCEEDED", 20, f"it is done: {stage.cloud.command(execution)}")
    assert stage.cloud.command(execution)["result"]
