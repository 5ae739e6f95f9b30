"""What `penumbra aws cost` proposes to save money is an option that works, under the policy that `penumbra aws policy` writes for it: Basic
Ingest reaches its rule without the broker, batches bring every reading once in a tenth of the messages, on_report sends changes only."""
import json
import re

from harness import SIM_POINTS, Cloud, Gateway, wait_for

FAST = {"reconnect": {"base": "200ms", "max": "1s", "stable": "5s"}, "limits": {"connect_rate": 50, "publish_rate": 50}}


def test_basic_ingest_batches_and_on_report_do_what_the_cost_says(tmp_path):
    things = {"plain": {}, "ingest": {"topic": "$aws/rules/StoreSensorData/sensors/{thing}/temperature"},
              "batched": {"batch": "4.5KiB", "batch_interval": "2s"}, "quiet": {"telemetry": "on_report"}}
    with Gateway(tmp_path / "gateway") as gateway, Cloud(tmp_path / "cloud", list(things), gateway.state) as cloud:
        gateway.configure(
            buses=[{"name": "sim", "driver": "sim"}],
            things=[{"name": name, "bus": "sim", "sample_interval": "200ms", **more,
                     "points": [{**point, "report": {"deadband": 50.0}} for point in SIM_POINTS]} for name, more in things.items()],
            upstream={**cloud.upstream(), **FAST}, store={"commit_interval": "200ms"})
        gateway.start()

        def arrived():
            with open(cloud.record, encoding="utf-8") as lines:
                return [m for m in (json.loads(line) for line in lines if line.endswith("\n"))]

        wait_for(lambda: len(cloud.seqs("plain")) >= 40, 40, "forty readings of the plain thing")
        wait_for(lambda: len(cloud.seqs("batched")) >= 30, 20, "and most of them in batches")
        batches = [m["payload"] for m in arrived() if m["topic"] == "sensors/batched/batch"]
        sizes = [len(batch) for batch in batches]
        assert not [m for m in arrived() if m["topic"] == "sensors/batched/temperature"]
        # 2 s at 200 ms; the first is what was there when the session began.
        assert all(size >= 8 for size in sizes[1:]), sizes
        seqs = [reading["seq"] for batch in batches for reading in batch]
        assert len(seqs) == len(set(seqs)), "each reading once"
        # Past the broker: nobody who subscribes sees it, and the outbox is empty because it was acknowledged.
        assert not [m for m in arrived() if m["topic"] == "sensors/ingest/temperature"]
        wait_for(lambda: gateway.thing("ingest")["backlog"] <= 5, 10, "Basic Ingest is acknowledged")
        assert len(cloud.seqs("quiet")) <= 3, "nothing changed by 50 degrees"
        assert cloud.denials() == []


def test_what_a_daemon_sends_is_what_the_cost_counts(tmp_path):
    """Readings, shadow operations and what a session begins with; the broker's log has the packets that are no messages."""
    things, folder = ["one", "two"], tmp_path / "cloud"
    with Gateway(tmp_path / "gateway") as gateway, Cloud(folder, [*things, "gateway-01"], gateway.state) as cloud:
        gateway.configure(buses=[{"name": "sim", "driver": "sim"}],
                          things=[{"name": name, "bus": "sim", "sample_interval": "500ms", "points": SIM_POINTS} for name in things],
                          gateway="gateway-01", upstream={**cloud.upstream(), **FAST}, store={"commit_interval": "200ms"})
        with open(gateway.config, "a", encoding="utf-8") as file:
            file.write('[aws]\nregion = "us-east-1"\n[health]\ninterval = "5s"\ndefender = true\n')
        gateway.start()
        wait_for(lambda: all(len(cloud.seqs(name)) >= 30 for name in things), 60, "fifteen seconds of readings")
        told = gateway.json("--config", gateway.config, "aws", "cost")
        gateway.stop()
        sent = [json.loads(line) for line in cloud.record.read_text(encoding="utf-8").splitlines()]
        log = (folder / "mosquitto.log").read_text(encoding="utf-8")
    counts = {row["what"].split(" ")[0]: row["count"] for row in told["rows"]}
    month, sessions, connections = 30 * 86400, 30 / 14, len(things) + 1

    # What begins a session: CONNECT and presence in each of the sessions of the month, SUBSCRIBE once.
    subscribed = len(re.findall(r"Received SUBSCRIBE from (?:one|two|gateway-01)\b", log))
    assert round(counts["begin"]["least"] - 2 * connections * sessions) == subscribed
    begun = [m for m in sent if m["topic"].startswith("status/") and m["payload"]["connected"]]
    assert {m["topic"] for m in begun} == {f"status/{name}" for name in [*things, "gateway-01"]}

    # When they were measured: those that waited for the session arrive all at once.
    readings = [m["payload"]["timestamp"] for m in sent if m["topic"] in [f"sensors/{name}/temperature" for name in things]]
    seconds = (max(readings) - min(readings)) / 1000
    expected = (counts["messages"]["most"] - 2 * month / 300) / month * seconds  # all but the metrics and their answers
    assert abs(len(readings) - expected) <= 0.1 * expected + 2, (len(readings), expected)

    gets = [m for m in sent if m["topic"].endswith("/get") and "/shadow/" in m["topic"]]
    assert len(gets) == len(things) + 2, "of each classic shadow, and of the gateway's health"
    updates = [m for m in sent if m["topic"].endswith("/shadow/update") or m["topic"].endswith("/health/update")]
    most = (counts["shadow"]["most"] - 30 * len(gets)) / month * seconds
    # What a month has once: ten reports of each thing's measured values at once after a quiet time, and what changes at the start.
    once = 10 * len(things) + 4 * connections
    assert connections <= len(updates) <= most + once, (len(updates), most)
    assert most + once < len(readings), "and it would be noticed if each poll were reported"
    assert len([m for m in sent if m["topic"].endswith("/defender/metrics/json")]) == 1, "one in five minutes"
