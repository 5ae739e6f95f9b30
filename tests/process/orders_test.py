"""Commands, jobs and executions from the cloud, by the real daemon: answers, refusals, restarts, and SIGKILL at each moment of an order's life."""
import json
import signal
import time

import pytest
from counting_bus import CountingBus
from harness import COUNTER_POINTS, MORTAL_PENUMBRAD, Cloud, Gateway, wait_for

THING, GATEWAY = "hall-1", "gateway-01"
REGISTER = 10
SET_POINT = {"name": "setpoint", "table": "holding", "address": REGISTER, "type": "s16", "scale": 0.1,
             "writable": {"min": -5.0, "max": 30.0, "ttl": "10m"}}


class Stage:
    """A gateway with a thing of its own and one device; "rebooting" leaves a line in a file."""

    def __init__(self, tmp_path):
        self.folder = tmp_path
        self.bus = CountingBus(units=[1])
        self.unit = self.bus.units[1]
        self.gateway = Gateway(tmp_path / "gateway")
        self.cloud = Cloud(tmp_path / "cloud", [THING, GATEWAY], self.gateway.state)
        self.armed = tmp_path / "armed"
        self.reboots = tmp_path / "reboots"
        self.boot = 1

    def __enter__(self):
        self.bus.__enter__()
        self.cloud.__enter__()
        script = self.folder / "reboot.sh"
        script.write_text(f"#!/bin/sh\necho $1 >> {self.reboots}\n")
        script.chmod(0o755)
        self.gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": self.bus.port}],
            things=[{"name": THING, "bus": "hall", "unit": 1, "sample_interval": "200ms", "points": COUNTER_POINTS + [SET_POINT]}],
            gateway=GATEWAY,
            upstream={**self.cloud.upstream(), "reconnect": {"base": "100ms", "max": "500ms", "stable": "5s"},
                      "limits": {"connect_rate": 50, "publish_rate": 100}},
            store={"commit_interval": "200ms"})
        with open(self.gateway.config, "a", encoding="utf-8") as config:
            config.write(f'[orders]\nreboot_command = "{script} now"\n[health]\ninterval = "2s"\ndefender = true\n')
        self.gateway.environment["PENUMBRA_KILL_ARMED"] = str(self.armed)
        return self

    def __exit__(self, *_):
        self.gateway.__exit__()
        self.cloud.__exit__()
        self.bus.__exit__()

    def start(self, kill_at=None):
        self.gateway.environment["PENUMBRA_KILL_AT"] = kill_at or "never"
        self.gateway.environment["PENUMBRA_BOOT_ID"] = f"boot-{self.boot}"
        self.gateway.start(program=MORTAL_PENUMBRAD)
        wait_for(lambda: all(self.gateway.thing(t)["link"] == "online" for t in (THING,)), 20, "online")
        wait_for(lambda: self.online(GATEWAY), 20, "the gateway's own thing is online")

    def online(self, thing):
        return any(m["payload"]["connected"] for m in self.messages(f"status/{thing}")[-1:])

    def messages(self, topic):
        """All messages on a topic as the cloud got them."""
        found = []
        with open(self.cloud.record, encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    message = json.loads(line)
                    if message["topic"] == topic:
                        found.append(message)
        return found

    def acks(self, command, thing=THING):
        return [m["payload"] for m in self.messages(f"sensors/{thing}/command/ack") if m["payload"]["id"] == command]

    def ask(self, thing, **command):
        self.cloud.ctl("publish", f"commands/{thing}/do", json.dumps(command))

    def final(self, command, thing=THING, limit=20):
        def ended():
            return [ack for ack in self.acks(command, thing) if ack["status"] != "accepted"]
        return wait_for(ended, limit, f"an answer to {command}: {self.acks(command, thing)}; {self.gateway.tail()}")[-1]

    def reboot_count(self):
        return len(self.reboots.read_text().splitlines()) if self.reboots.exists() else 0

    def see_through(self, command, told):
        """Until it is answered. `told`: how often the machine was told to reboot, and did; told once more, it does."""
        while not any(ack["status"] != "accepted" for ack in self.acks(command, GATEWAY)):
            wait_for(lambda: self.reboot_count() > told or any(a["status"] != "accepted" for a in self.acks(command, GATEWAY)), 30,
                     f"{command} goes on: {self.gateway.tail()}")
            if self.reboot_count() > told:
                told = self.reboot_count()
                self.gateway.kill()
                self.boot += 1
                self.start()

    def register(self):
        value = self.unit.holding[REGISTER]
        return value - 0x10000 if value & 0x8000 else value


@pytest.fixture
def stage(tmp_path):
    with Stage(tmp_path) as ready:
        yield ready


def test_commands_do_what_the_contract_says_and_refuse_what_it_does_not(stage):
    stage.start()
    stage.ask(THING, action="ping", id="p1")
    assert stage.final("p1")["status"] == "succeeded"
    stage.ask(THING, action="read_now", id="r1")
    answer = stage.final("r1")
    assert answer["status"] == "succeeded" and "temperature" in answer["result"]
    stage.ask(THING, action="read_now", id="r1")
    wait_for(lambda: len(stage.acks("r1")) == 2, 10, "a repeated command is answered again")
    assert stage.acks("r1")[0] == stage.acks("r1")[1], "with the very same answer"

    stage.cloud.ctl("publish", f"commands/{THING}/do", "{nonsense")
    wait_for(lambda: stage.acks(None), 10, "bad JSON is answered")
    assert stage.acks(None)[0] | {"reason": ""} == {"id": None, "action": None, "status": "rejected", "reason": ""}
    stage.ask(THING, action="explode", id="x1")
    assert stage.final("x1")["status"] == "rejected" and "explode" in stage.final("x1")["reason"]
    stage.ask(THING, action="reboot", id="x2")
    assert "own thing" in stage.final("x2")["reason"], "children may not reboot the machine"

    # A set goes the way of every wish: to the register, read back, reported, and desired says so.
    now = int(time.time() * 1000)
    stage.ask(THING, action="set", id="s1", timestamp=now, values={"setpoint": 21.5})
    assert stage.final("s1")["status"] == "succeeded"
    assert stage.register() == 215
    wait_for(lambda: (stage.cloud.ctl("shadow", "get", THING) or {}).get("state", {}).get("desired") == {"setpoint": 21.5}, 10,
             "desired follows")
    for command, when, values, reason in (("s2", now - 700_000, {"setpoint": 5}, "expired"),
                                          ("s3", now - 5_000, {"setpoint": 5}, "overtaken"),
                                          ("s4", now + 1, {"setpoint": 99}, "above max 30"),
                                          ("s5", now + 1, {"temperature": 1}, "read-only")):
        stage.ask(THING, action="set", id=command, timestamp=when, values=values)
        answer = stage.final(command)
        assert answer["status"] == "rejected" and reason in answer["reason"], answer
    assert stage.register() == 215 and len(stage.unit.writes) == 1, "nothing stale and nothing wrong reaches the device"

    # The settings that a command may change, and the ones it may not.
    stage.ask(THING, action="update_config", id="u1", config={"sample_interval": 2})
    assert stage.final("u1")["status"] == "succeeded", stage.final("u1")
    effective = stage.gateway.json("config", "show", "--effective")["values"]
    assert any(v["key"] == f"thing.{THING}.sample_interval" and v["origin"] == "update_config" for v in effective), effective
    stage.ask(THING, action="update_config", id="u2", config={"sample_interval": 2, "topic": "x"})
    assert stage.final("u2")["status"] == "rejected" and "topic" in stage.final("u2")["reason"]
    assert stage.gateway.stop()[0] == 0
    stage.start()
    effective = stage.gateway.json("config", "show", "--effective")["values"]
    assert any(v["key"] == f"thing.{THING}.sample_interval" and v["origin"] == "update_config" for v in effective), "it stays"


def test_a_configuration_with_which_the_device_falls_silent_is_taken_back(stage):
    stage.start()
    stage.unit.mode = "silent"
    stage.ask(THING, action="update_config", id="u1", config={"sample_interval": 1})
    answer = stage.final("u1", limit=60)
    assert answer["status"] == "failed" and "does not answer" in answer["reason"], answer
    stage.unit.mode = "ok"
    assert json.loads((stage.gateway.state / "overrides.json").read_text()) == {}


def test_a_reboot_job_is_done_once_and_answered_after_it(stage):
    stage.start()
    stage.cloud.create_job("reboot-1", GATEWAY, {"operation": "reboot"})
    wait_for(lambda: stage.reboot_count() == 1, 20, f"the machine is told to reboot: {stage.gateway.tail()}")
    assert stage.cloud.job("reboot-1", GATEWAY)["status"] == "IN_PROGRESS"
    stage.gateway.kill()
    stage.start()
    time.sleep(1)
    assert stage.cloud.job("reboot-1", GATEWAY)["status"] == "IN_PROGRESS", "the daemon alone was started again"
    stage.gateway.kill()
    stage.boot = 2
    stage.start()
    wait_for(lambda: stage.cloud.job("reboot-1", GATEWAY)["status"] == "SUCCEEDED", 20, "answered after the boot")
    assert stage.reboot_count() == 1
    execution = stage.cloud.start_command(THING, {"action": "read_now"}, timeout_s=30)
    wait_for(lambda: stage.cloud.command(execution)["status"] == "SUCCEEDED", 20, "an execution of the Commands feature")
    assert "temperature" in stage.cloud.command(execution)["result"]


def test_health_and_presence_are_told(stage):
    stage.start()
    wait_for(lambda: (stage.cloud.ctl("shadow", "get", f"{GATEWAY}/health") or {}).get("state", {}).get("reported", {}).get("status") == "ok",
             20, "the named shadow health")
    metrics = wait_for(lambda: stage.messages(f"$aws/things/{GATEWAY}/defender/metrics/json"), 20, "Device Defender's metrics")
    assert set(metrics[0]["payload"]["custom_metrics"]) == {"backlog", "oldest_unsent_s", "bus_load"}
    wait_for(lambda: stage.messages(f"status/{THING}")[-1]["payload"].get("sensor") == "ok", 20, "the sensor lives")
    stage.unit.mode = "silent"
    dead = wait_for(lambda: next((m["payload"] for m in stage.messages(f"status/{THING}") if m["payload"].get("sensor") == "unreachable"), None),
                    30, f"a dead sensor shows on its status: {stage.messages(f'status/{THING}')[-1]}")
    assert dead["connected"] is True and dead["reason"] and dead["since"] > 1_700_000_000_000, dead
    wait_for(lambda: stage.cloud.ctl("shadow", "get", f"{GATEWAY}/health")["state"]["reported"]["status"] == "degraded", 20, "health says so")


MOMENTS = ["order-before-commit", "order-committed", "order-before-act", "order-acted", "order-before-answer", "order-answered",
           "order-confirmed"]


def test_a_kill_at_each_moment_of_an_orders_life_costs_nothing(stage):
    """After the restart the reboot was asked of the machine at most once, the read done, and both are answered."""
    for moment in MOMENTS:
        stage.start(kill_at=moment)
        before = stage.reboot_count()
        stage.armed.touch()
        stage.ask(GATEWAY, action="reboot", id=f"reboot-{moment}")
        if moment in ("order-acted", "order-before-answer", "order-confirmed"):
            # A reboot's end comes in the next boot: these moments are those of its answer.
            wait_for(lambda: stage.reboot_count() > before or stage.gateway.process.poll() is not None, 20, "it is told to reboot")
            if stage.gateway.process.poll() is None:
                stage.gateway.kill()
                stage.boot += 1
                stage.gateway.environment["PENUMBRA_BOOT_ID"] = f"boot-{stage.boot}"
                stage.gateway.start(program=MORTAL_PENUMBRAD, wait=False)
        code = wait_for(lambda: stage.gateway.process.poll(), 20, f"the daemon dies at {moment}: {stage.gateway.tail()}")
        assert code == -signal.SIGKILL, f"{moment}: {code}"
        stage.armed.unlink()
        told = stage.reboot_count()
        stage.boot += 1  # whoever ordered a reboot sees one, whatever the daemon did
        stage.start()
        stage.ask(GATEWAY, action="reboot", id=f"reboot-{moment}")  # a broker that has no PUBACK sends it again
        stage.see_through(f"reboot-{moment}", told)
        assert stage.final(f"reboot-{moment}", GATEWAY)["status"] == "succeeded", moment
        assert stage.reboot_count() <= before + 1, f"{moment}: rebooted twice"
        assert stage.gateway.stop()[0] == 0
