"""What a Modbus device teaches and keeps teaching, the plan with and without a daemon, and a recorded fault replayed to a third party."""
import json
import re
import socket
import subprocess

import pytest
from harness import PENUMBRA, ROOT, Gateway, wait_for

SERVER = ROOT / "tests" / "support" / "modbus_server.py"


class Server:
    """tests/support/modbus_server.py (python3-pymodbus) with these arguments."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(["/usr/bin/python3", SERVER, "--port", "0", "--die-with-parent", *arguments],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)


def bus(port, **more):
    return {"name": "hall", "driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": port} | more


def holding(addresses):
    return [{"name": f"p{a}", "table": "holding", "address": a, "type": "u16"} for a in addresses]


def pattern(unit, address):
    return (unit * 4096 + address + 7 * 4) & 0xFFFF


def good_values(gateway, thing):
    """Of the newest reading."""
    readings = gateway.json("readings", thing, "--limit", "1")["readings"]
    return readings[-1].get("values", {}) if readings else {}


def metrics(gateway):
    with socket.socket(socket.AF_UNIX) as api:
        api.settimeout(10)
        api.connect(str(gateway.run / "api.sock"))
        api.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: api.recv(65536), b"")).decode()


@pytest.fixture
def gateway(tmp_path):
    with Gateway(tmp_path) as gateway:
        yield gateway


def test_holes_and_limits_are_learned_told_once_and_known_after_a_restart(gateway):
    holes = [130, 131, 132, 150]
    points = [a for a in range(100, 181) if a != 163]
    with Server("--max-words", "16", "--hole", "holding:130-132", "--hole", "holding:150", "--hole", "holding:163") as server:
        gateway.configure([bus(server.port)], [{"name": "meter", "bus": "hall", "unit": 1, "sample_interval": "500ms",
                                                "points": holding(points)}])
        gateway.start()
        expected = {f"p{a}": pattern(1, a) for a in points if a not in holes}
        wait_for(lambda: good_values(gateway, "meter") == expected, 20, "all good points arrive")
        wait_for(lambda: gateway.thing("meter")["last_reading_ms"] and len(gateway.json("readings", "meter", "--since", "1h")["readings"]) > 4,
                 20, "some more polls")
        told = gateway.log.read_text()
        for line in (r"refuses points p130, p131, p132 \(holding 130-132\): exception 2", r"refuses point p150 \(holding 150\)",
                     r"refuses holding 163 \(which no point needs\)", "answers at most 16 registers in one request"):
            assert len(re.findall(line, told)) == 1, f"{line}: {told}"

        plan = gateway.json("bus", "plan", "hall")
        assert all(r["count"] <= 16 for r in plan["requests"]), plan
        assert plan["things"][0]["refused"] == [f"p{a}" for a in holes], plan
        assert 0 < plan["load"] < 1 and not plan["overloaded"]
        requests = plan["things"][0]["requests"]

        gateway.stop()
        gateway.log.unlink()
        gateway.start()
        wait_for(lambda: len(gateway.json("readings", "meter", "--since", "5s")["readings"]) > 1, 20, "polls after the restart")
        assert good_values(gateway, "meter") == expected
        told = gateway.log.read_text()
        assert "refuses" not in told and "at most" not in told, told
        counters = {c.get("unit"): c for c in gateway.json("bus", "counters", "hall")}
        assert counters[1]["exceptions"] == {}, "from the first poll on nothing is asked that the device refuses"
        assert counters[1]["answers"] >= requests and counters[1]["round_trip_ms"]["p50"] > 0


def test_the_plan_needs_no_daemon_and_warns_when_the_bus_cannot_keep_up(gateway, tmp_path):
    gateway.configure([{"name": "line", "driver": "modbus", "transport": "rtu", "device": str(tmp_path / "no-such-port"), "baud": 1200}],
                      [{"name": "meter", "bus": "line", "unit": 1, "sample_interval": "1s", "points": holding(range(0, 100, 2))}])
    done = subprocess.run([PENUMBRA, "--config", gateway.config, "bus", "plan", "line", "--json"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["overloaded"] and plan["things"][0]["requests"] == 1, plan
    assert "polls will be late" in done.stderr
    table = subprocess.run([PENUMBRA, "--config", gateway.config, "bus", "plan", "line"], capture_output=True, text=True, timeout=30)
    assert "holding 0-98" in table.stdout and "Predicted load of bus line" in table.stdout, table.stdout


def test_a_unit_that_falls_silent_leaves_a_recording_that_replays_to_a_third_party_client(gateway):
    with Server("--units", "1,7", "--silent", "7") as server:
        gateway.configure([bus(server.port, timeout="100ms", retries=0)],
                          [{"name": f"unit-{u}", "bus": "hall", "unit": u, "sample_interval": "250ms", "points": holding(range(100, 104))}
                           for u in (1, 7)])
        gateway.start()
        folder = gateway.state / "recorder"
        recording = wait_for(lambda: [f for f in folder.glob("*.jsonl") if f.stat().st_size] if folder.is_dir() else [], 30, "a recording")[0]
        wait_for(lambda: any(u["unit"] == "7" and u["timeouts"] for u in gateway.json("buses")["buses"][0]["units"]), 20, "unit 7 is counted")
        units = {u["unit"]: u for u in gateway.json("buses")["buses"][0]["units"]}
        assert units["1"]["answers"] > 0 and units["1"]["last_answer_ms"] > 0 and units["1"]["round_trip_ms"]["p50"] > 0, units
        assert units["7"]["answers"] == 0 and units["7"]["last_answer_ms"] == 0, units
        assert "it has not answered since the daemon started" in gateway.json("explain", "unit-7.p100")["verdict"]
        assert 'penumbra_unit_timeouts_total{bus="hall",unit="7"} ' in metrics(gateway)
    gateway.stop()
    head = json.loads(recording.read_text().splitlines()[0])
    assert head["bus"] == "hall" and "unit 7 does not answer" in head["anomaly"], head

    replay = subprocess.Popen([PENUMBRA, "bus", "replay", recording, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        place = json.loads(replay.stdout.readline())
        port = place["at"].split()[-1]
        # mbpoll is Debian's, and counts addresses from 1.
        answer = subprocess.run(["mbpoll", "-m", "tcp", "-p", port, "-a", "1", "-t", "4", "-r", "101", "-c", "4", "-1", "-o", "10", "127.0.0.1"],
                                capture_output=True, text=True, timeout=15)
        values = [int(v) for v in re.findall(r"\[\d+\]:\s+(\d+)", answer.stdout)]
        assert values == [pattern(1, a) for a in range(100, 104)], answer.stdout + answer.stderr
        silent = subprocess.run(["mbpoll", "-m", "tcp", "-p", port, "-a", "7", "-t", "4", "-r", "101", "-c", "4", "-1", "-o", "0.5", "127.0.0.1"],
                                capture_output=True, text=True, timeout=15)
        assert "timed out" in silent.stdout + silent.stderr, silent.stdout + silent.stderr
    finally:
        replay.terminate()
        assert replay.wait(5) == 0


def rtu(*body):
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return bytes([*body, crc & 0xFF, crc >> 8]).hex()


def test_a_recorded_serial_line_replays_to_a_third_party_client(tmp_path):
    # Asked twice: first the answer comes damaged, then well; and a write that is echoed.
    frames = [("sent", 0, rtu(1, 3, 0, 100, 0, 2)), ("received", 20, "0103040007ff"),
              ("sent", 500, rtu(1, 3, 0, 100, 0, 2)), ("received", 520, rtu(1, 3, 4, 0, 7, 0, 9)),
              ("sent", 900, rtu(1, 6, 0, 100, 0, 42)), ("received", 920, rtu(1, 6, 0, 100, 0, 42))]
    file = tmp_path / "line.jsonl"
    file.write_text('{"penumbra_recording":1,"bus":"line","driver":"modbus","anomaly":"x","recorded_ms":1,"transport":"rtu","baud":9600}\n'
                    + "".join(json.dumps({"answer": "frame", "at_ns": ms * 1_000_000, "kind": kind, "hex": data}) + "\n" for kind, ms, data in frames))
    replay = subprocess.Popen([PENUMBRA, "bus", "replay", file, "--json"], stdout=subprocess.PIPE, text=True)
    try:
        place = json.loads(replay.stdout.readline())
        assert place["requests"] == 2

        def mbpoll(*values):
            done = subprocess.run(["mbpoll", "-m", "rtu", "-b", "9600", "-P", "none", "-a", "1", "-t", "4", "-r", "101", *(["-c", "2"] if not values else []),
                                   "-1", "-o", "2", place["at"], *values], capture_output=True, text=True, timeout=15)
            return done.stdout + done.stderr

        first = mbpoll()
        assert "[101]" not in first, "what was damaged then is damaged now: " + first
        second = mbpoll()
        assert re.findall(r"\[(\d+)\]:\s+(\d+)", second) == [("101", "7"), ("102", "9")], second
        assert "Written 1 references" in mbpoll("42")
    finally:
        replay.terminate()
        assert replay.wait(5) == 0
