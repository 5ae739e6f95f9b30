"""The guide's own two programs against the stand-in, and what they tell and are told, told and heard by our daemon as well."""
import json
import re
import signal
import subprocess
import time

import pytest
from counting_bus import CountingBus
from guide_program import start, text_for
from harness import COUNTER_POINTS, PENUMBRAD, Cloud, Gateway, wait_for

THING = "sensor-001"


class Observer:
    """What the cloud sees on topics, from its record."""

    def __init__(self, cloud):
        self.cloud = cloud

    def on(self, topic):
        found = []
        with open(self.cloud.record, encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line) if line.endswith("\n") else {"topic": None}
                if message["topic"] == topic:
                    found.append(message["payload"])
        return found

    def reported(self):
        return (self.cloud.ctl("shadow", "get", THING) or {}).get("state", {}).get("reported", {})


@pytest.fixture
def cloud(tmp_path):
    with Cloud(tmp_path / "cloud", [THING], tmp_path / "state") as running:
        yield running


def run(name, cloud, folder):
    """Starts a program of the guide with this cloud's endpoint and files; its output goes to a file."""
    program, output = folder / name, folder / f"{name}.out"
    program.write_text(text_for(name, cloud, THING), encoding="utf-8")
    return start(program, output), output


def finish(process):
    """Ctrl-C, which both programs know."""
    assert process.poll() is None, "the program ended by itself"
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def test_the_guides_programs_are_satisfied(cloud, tmp_path):
    observer = Observer(cloud)
    process, output = run("shadow_client.py", cloud, tmp_path)
    wait_for(lambda: "Shadow update accepted" in output.read_text(), 20, f"its report is accepted: {output.read_text()}")
    assert set(observer.reported()) == {"temperature", "humidity", "timestamp"}
    cloud.ctl("shadow", "update", THING, json.dumps({"desired": {"sample_interval": 5}}))
    wait_for(lambda: "Updating sample interval to: 5" in output.read_text(), 10, "it hears of the delta")
    wait_for(lambda: observer.reported().get("sample_interval") == 5, 10, "and reports what it did")
    finish(process)

    process, output = run("device_client.py", cloud, tmp_path)
    wait_for(lambda: observer.on(f"sensors/{THING}/temperature"), 20, f"its telemetry arrives: {output.read_text()}")
    cloud.ctl("publish", f"commands/{THING}/do", json.dumps({"action": "update_config", "config": {"sample_interval": 7}}))
    wait_for(lambda: re.search(r"Updating config: .*7", output.read_text()), 10, f"it hears commands: {output.read_text()}")
    finish(process)


def test_whoever_listened_to_them_can_listen_to_the_daemon(cloud, tmp_path):
    """The same topics and keys: telemetry, reported, the answer to a delta, and a command that changes the configuration."""
    observer = Observer(cloud)
    with CountingBus(units=[1]) as bus, Gateway(tmp_path / "gateway") as gateway:
        cloud.lend_credentials(gateway.state)
        gateway.configure(
            buses=[{"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": bus.port}],
            things=[{"name": THING, "bus": "hall", "unit": 1, "sample_interval": "300ms", "topic": "sensors/{thing}/temperature",
                     "points": COUNTER_POINTS[1:]}],
            upstream={**cloud.upstream(), "limits": {"connect_rate": 50}}, store={"commit_interval": "200ms"})
        gateway.start(program=PENUMBRAD)
        reading = wait_for(lambda: observer.on(f"sensors/{THING}/temperature"), 30, f"telemetry arrives: {gateway.tail()}")[0]
        assert {"device_id", "temperature", "humidity", "timestamp"} <= set(reading) and reading["device_id"] == THING
        assert abs(reading["timestamp"] - time.time() * 1000) < 60_000, "milliseconds, as in the guide"
        wait_for(lambda: {"temperature", "humidity", "timestamp"} <= set(observer.reported()), 20, "reported has the guide's keys")
        assert observer.reported()["timestamp"] < 10**11, "seconds, as in the guide"
        cloud.ctl("shadow", "update", THING, json.dumps({"desired": {"sample_interval": 5}}))
        wait_for(lambda: observer.reported().get("sample_interval") == 5, 20, "a delta is done and reported")
        cloud.ctl("publish", f"commands/{THING}/do", json.dumps({"action": "update_config", "id": "c", "config": {"sample_interval": 7}}))
        answers = wait_for(lambda: [a for a in observer.on(f"sensors/{THING}/command/ack") if a["status"] == "succeeded"], 20,
                           f"a command is answered: {observer.on(f'sensors/{THING}/command/ack')}")
        assert answers[0]["id"] == "c"
        order = wait_for(lambda: [o for o in gateway.json("orders", THING)["orders"] if o["state"] == "answered"], 10, "the order is over")[0]
        assert (order["kind"], order["id"], order["action"], order["verdict"]) == ("command", "c", "update_config", "succeeded")
        assert "update_config" in gateway.cli("orders").stdout
        assert gateway.stop()[0] == 0
